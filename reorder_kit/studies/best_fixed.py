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
    """An order that was learned or chosen beside the best fixed one.

    The seeds with which the best order is chosen are those with which it is tested. Their luck is in both scores, so
    the order that is chosen looks somewhat better on test images than it is with other seeds: the more so the larger
    the pool. A gain over it holds in spite of that. A loss may be nothing else; so it has to show in ``held_out`` as
    well, where no seed has a say in what it is compared with.

    Args:
        pool: places in the table, the best on validation first.
        scores: of the order and of the best fixed one.
        held_out: of the order and, for every seed, of the fixed order that the other half of the seeds would choose;
            None with fewer than two seeds.
        left_out: places of fixed rows that took no part.
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
    """Choose the best of a pool and bring it together with a candidate, both with the seeds of its fixed pool.

    Args:
        candidate: place of a row in the table.
        pool: places of fixed rows; at least one.
        rows: the table.
        image_scores: of the table.
        higher_is_better: whether a higher score is a better one.

    Returns:
        None where too little of the pool is there (:attr:`reorder_kit.studies.fixed_pool.FixedPool.is_enough`).
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
    """Rows with some of the seeds that all of them have, in the sequence of the first row."""
    own = [rows[place] for place in places]
    known = paired_scores(own, [image_scores[place] for place in places], higher_is_better)
    assert known is not None  # they have these seeds
    kept = [place for place, seed in enumerate(common_seeds(own)) if seed in seeds]
    images = None if known.images is None else tuple(each[kept] for each in known.images)
    return PairedScores(known.values[kept], images, higher_is_better)


def _best_first(
    pool: Sequence[int], rows: Sequence[Row], seeds: Collection[int], higher_is_better: bool
) -> tuple[int, ...]:
    """The pool by its mean on validation images over some seeds; equal ones by name."""

    def rank(place: int) -> tuple[float, str]:
        row = rows[place]
        mean = float(np.mean([score for score, seed in zip(row.validation, row.seeds, strict=True) if seed in seeds]))
        worse = -mean if higher_is_better else mean
        return math.inf if math.isnan(mean) else round(worse, 12), row.start  # sums differ by their sequence

    return tuple(sorted(pool, key=rank))


def _held_out(
    candidate: int,
    pool: FixedPool,
    rows: Sequence[Row],
    image_scores: Sequence[ImageScores | None],
    higher_is_better: bool,
) -> PairedScores | None:
    """The candidate beside what the seeds of the other half would choose: every second seed is in one half."""
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
