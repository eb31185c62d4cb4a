"""The best fixed order of a model: chosen on validation images, compared on test images."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from reorder_kit.studies.fixed_pool import FixedPool, fixed_pool
from reorder_kit.studies.paired_scores import ImageScores, PairedScores, common_seeds, paired_scores
from reorder_kit.studies.results import Row


@dataclass(frozen=True)
class AgainstBest:
    """The scores of a learned or chosen order and of the best fixed one.

    The best order is chosen with the same seeds that test it. Their luck is in both scores, so the chosen order looks
    somewhat better on test images than it would with other seeds, the more so the larger the pool. A gain over it holds
    in spite of that. A loss may be due to that alone, so it must also show in ``held_out``, where no seed influences
    what it is compared with.

    Args:
        pool: places in the table, the best on validation first.
        scores: the scores of the order and of the best fixed one.
        held_out: the scores of the order and, for every seed, of the fixed order that the other half of the seeds would
            choose; None with fewer than two seeds.
        left_out: places of fixed rows that were excluded.
    """

    pool: tuple[int, ...]
    scores: PairedScores
    held_out: PairedScores | None
    left_out: tuple[int, ...] = ()


def against_best(
    candidate: int,
    pool: Sequence[int],
    rows: Sequence[Row],
    image_scores: Sequence[ImageScores | None],
    higher_is_better: bool,
) -> AgainstBest | None:
    """Choose the best of a pool and pair it with a candidate, both with the seeds of its fixed pool.

    Args:
        candidate: place of a row in the table.
        pool: places of fixed rows; at least one.
        rows: the table.
        image_scores: the image scores of the table.
        higher_is_better: whether higher scores are better.

    Returns:
        None if too little of the pool is finished (:attr:`reorder_kit.studies.fixed_pool.FixedPool.is_enough`).
    """
    found = fixed_pool(candidate, pool, rows)
    if not found.is_enough:
        return None
    ranked = _best_first(found.kept, rows, found.seeds, higher_is_better)
    scores = _paired((candidate, ranked[0]), found.seeds, rows, image_scores, higher_is_better)
    held_out = _held_out(candidate, found, rows, image_scores, higher_is_better)
    return AgainstBest(ranked, scores, held_out, found.left_out)


def _paired(
    places: Sequence[int],
    seeds: Collection[int],
    rows: Sequence[Row],
    image_scores: Sequence[ImageScores | None],
    higher_is_better: bool,
) -> PairedScores:
    """Restrict rows to given seeds, which all of them have, in the sequence of the first row."""
    own = [rows[place] for place in places]
    known = paired_scores(own, [image_scores[place] for place in places], higher_is_better)
    assert known is not None  # all rows have these seeds
    kept = [place for place, seed in enumerate(common_seeds(own)) if seed in seeds]
    images = None if known.images is None else tuple(each[kept] for each in known.images)
    return PairedScores(known.values[kept], images, higher_is_better)


def _best_first(
    pool: Sequence[int], rows: Sequence[Row], seeds: Collection[int], higher_is_better: bool
) -> tuple[int, ...]:
    """The pool sorted by mean validation score over given seeds; ties by name."""

    def rank(place: int) -> tuple[float, str]:
        row = rows[place]
        mean = float(np.mean([score for score, seed in zip(row.validation, row.seeds, strict=True) if seed in seeds]))
        worse = -mean if higher_is_better else mean
        return math.inf if math.isnan(mean) else round(worse, 12), row.start  # sums depend on their sequence

    return tuple(sorted(pool, key=rank))


def _held_out(
    candidate: int,
    pool: FixedPool,
    rows: Sequence[Row],
    image_scores: Sequence[ImageScores | None],
    higher_is_better: bool,
) -> PairedScores | None:
    """A candidate paired with the best fixed order.

    Seeds are split in two; each half uses the order chosen on the other.
    """
    seeds = pool.seeds
    if len(seeds) < 2:
        return None
    best = {
        seed: _best_first(pool.kept, rows, half, higher_is_better)[0]
        for half, other in ((seeds[::2], seeds[1::2]), (seeds[1::2], seeds[::2]))
        for seed in other
    }
    used = [candidate, *dict.fromkeys(best.values())]
    known = _paired(used, seeds, rows, image_scores, higher_is_better)
    places, columns = range(len(seeds)), [used.index(best[seed]) for seed in seeds]
    values = np.stack([known.values[:, 0], known.values[places, columns]], axis=1)
    images = None
    if known.images is not None:
        chosen = [known.images[column][place] for place, column in zip(places, columns, strict=True)]
        images = (known.images[0], np.stack(chosen))
    return PairedScores(values, images, higher_is_better)
