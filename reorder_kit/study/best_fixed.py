"""The best fixed order of a model: chosen on validation images, compared on test images."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from reorder_kit.study.paired_scores import ImageScores, PairedScores, common_seeds, paired_scores
from reorder_kit.study.results import Row


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
    """

    pool: tuple[int, ...]
    scores: PairedScores
    held_out: PairedScores | None


def against_best(
    candidate: int,
    pool: Sequence[int],
    rows: Sequence[Row],
    image_scores: Sequence[ImageScores | None],
    higher_is_better: bool,
) -> AgainstBest | None:
    """Choose the best of a pool, by the seeds that all of it have, and bring it together with a candidate.

    Args:
        candidate: place of a row in the table.
        pool: places of fixed rows; at least one.
        rows: the table.
        image_scores: of the table.
        higher_is_better: whether a higher score is a better one.

    Returns:
        None where no validation score is known of a row, or the rows have no seed in common.
    """
    of_pool = [rows[place] for place in pool]
    seeds = common_seeds(of_pool)
    if not seeds or any(len(row.validation) != len(row.seeds) for row in of_pool):
        return None
    ranked = _best_first(pool, rows, seeds, higher_is_better)
    pair = (candidate, ranked[0])
    scores = paired_scores([rows[place] for place in pair], [image_scores[place] for place in pair], higher_is_better)
    if scores is None:
        return None
    return AgainstBest(ranked, scores, _held_out(candidate, pool, rows, image_scores, higher_is_better))


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
    pool: Sequence[int],
    rows: Sequence[Row],
    image_scores: Sequence[ImageScores | None],
    higher_is_better: bool,
) -> PairedScores | None:
    """The candidate beside what the seeds of the other half would choose: every second seed is in one half."""
    seeds = common_seeds([rows[place] for place in (candidate, *pool)])
    if len(seeds) < 2:
        return None
    best = {
        seed: _best_first(pool, rows, half, higher_is_better)[0]
        for half, other in ((seeds[::2], seeds[1::2]), (seeds[1::2], seeds[::2]))
        for seed in other
    }
    used = [candidate, *dict.fromkeys(best.values())]
    known = paired_scores([rows[place] for place in used], [image_scores[place] for place in used], higher_is_better)
    if known is None:
        return None
    kept = [place for place, seed in enumerate(common_seeds([rows[place] for place in used])) if seed in best]
    columns = [used.index(best[seed]) for seed in seeds]
    values = np.stack([known.values[kept, 0], known.values[kept, columns]], axis=1)
    images = None
    if known.images is not None:
        first, chosen = known.images[0][kept], [known.images[c][k] for k, c in zip(kept, columns, strict=True)]
        images = (first, np.stack(chosen))
    return PairedScores(values, images, higher_is_better)
