"""The answers of a study: statistical tests of its questions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from reorder_kit.statistics.bootstrap import interval, mean_over_seeds_and_images, resampled_means
from reorder_kit.statistics.deciding_test import OTHER, DecidingTest, p_of, smallest_p_of
from reorder_kit.statistics.effect_size import effect_size
from reorder_kit.statistics.equivalence import equivalence_test
from reorder_kit.statistics.holm import holm
from reorder_kit.statistics.power import MOST_SEEDS, can_tell, fewest_seeds, seeds_to_resolve
from reorder_kit.studies.best_fixed import against_best
from reorder_kit.studies.paired_scores import ImageScores, PairedScores, paired_scores
from reorder_kit.studies.questions import Asked, questions_of
from reorder_kit.studies.results import Comparison, Row, Verdict
from reorder_kit.studies.sentences import sentence
from reorder_kit.studies.wording import Wording


def compare(
    rows: Sequence[Row],
    image_scores: Sequence[ImageScores | None],
    margin: float,
    alpha: float,
    seed: int,
    higher_is_better: bool = True,
    *,
    test: DecidingTest = "permutation",
    pool: Collection[str] | None = None,
) -> tuple[Comparison, ...]:
    """Answer every question that a table allows, with the seeds that the compared rows have in common.

    Whether rows differ is tested over seeds, on these test images (:mod:`reorder_kit.statistics.deciding_test`). The
    interval of a difference also covers other images; if it contains 0 although the verdict is ``different``, the
    sentence says so. Rows are equivalent only if every pair is shown to be equivalent for other seeds and other images.

    The rows of ``order-matters`` are sorted from best to worst, and the difference is between these extremes. With more
    than two rows, it is expected to be above 0 even if the order does not matter; only p accounts for that.

    Args:
        rows: the table.
        image_scores: for each row, the contribution of each test image to the score with each seed; None if the metric
            is not a mean over images.
        margin: differences smaller than this count as none, in units of the metric.
        alpha: significance level of the tests, after correction.
        seed: seed of the resampling.
        higher_is_better: whether higher scores are better.
        test: the test that decides.
        pool: names of the starts from which the best fixed order is chosen; if None, all rules.
    """
    terms = _Terms(margin, alpha, seed, test)
    matched = list(_matched(rows, image_scores, pool, higher_is_better))
    p_values = [_p_of(each, test, seed) for each in matched]
    corrected = _corrected([each.asked for each in matched], p_values)
    families = Counter(each.asked.question for each in matched)
    words = Wording(rows, higher_is_better)
    found = []
    for each, p, p_holm in zip(matched, p_values, corrected, strict=True):
        comparison = _compare(each, rows, p, p_holm, terms)
        family = families[each.asked.question]
        comparison = replace(comparison, seeds_needed=_seeds_needed(comparison, each.scores, family, terms))
        could_tell = can_tell(each.scores.seeds, family, alpha, test)
        found.append(replace(comparison, sentence=sentence(comparison, words, could_tell)))
    return tuple(found)


@dataclass(frozen=True)
class _Terms:
    """The terms on which comparisons are decided."""

    margin: float
    alpha: float
    seed: int
    test: DecidingTest


@dataclass(frozen=True)
class _Matched:
    """A question with the scores that answer it.

    Args:
        asked: the question.
        rows: the compared rows.
        scores: the scores of these rows.
        held_out: for ``best-fixed``, the scores paired with an order that other seeds chose; None for other questions.
        pool: for ``best-fixed``, the fixed orders.
        left_out: for ``best-fixed``, fixed orders with too few finished runs.
    """

    asked: Asked
    rows: tuple[int, ...]
    scores: PairedScores
    held_out: PairedScores | None = None
    pool: tuple[int, ...] = ()
    left_out: tuple[int, ...] = ()


def _matched(
    rows: Sequence[Row],
    image_scores: Sequence[ImageScores | None],
    pool: Collection[str] | None,
    higher_is_better: bool,
) -> Iterator[_Matched]:
    for asked in questions_of(rows, pool):
        if asked.question == "best-fixed":
            best = against_best(asked.rows[0], asked.rows[1:], rows, image_scores, higher_is_better)
            if best is not None:
                pair = (asked.rows[0], best.pool[0])
                yield _Matched(asked, pair, best.scores, best.held_out, best.pool, best.left_out)
            continue
        own, of_images = [rows[place] for place in asked.rows], [image_scores[place] for place in asked.rows]
        scores = paired_scores(own, of_images, higher_is_better)
        if scores is not None:
            yield _Matched(asked, asked.rows, scores)


def _p_of(matched: _Matched, test: DecidingTest, seed: int) -> float:
    """The p-value of a test; for a loss against the best fixed order, the larger of two."""
    p = p_of(test, matched.scores.values, seed)
    if matched.asked.question != "best-fixed" or not _is_loss(matched.scores):
        return p
    if matched.held_out is None or not _is_loss(matched.held_out):
        return 1.0
    return max(p, p_of(test, matched.held_out.values, seed))


def _is_loss(scores: PairedScores) -> bool:
    return sum(scores.differences(0, 1)) < 0


def _corrected(asked: Sequence[Asked], p_values: Sequence[float]) -> list[float]:
    """The p-values after correction within each question."""
    found = [1.0] * len(asked)
    for question in {each.question for each in asked}:
        places = [place for place, each in enumerate(asked) if each.question == question]
        for place, p in zip(places, holm([p_values[place] for place in places]), strict=True):
            found[place] = p
    return found


def _compare(matched: _Matched, rows: Sequence[Row], p: float, p_holm: float, terms: _Terms) -> Comparison:
    """Make a comparison without its sentence."""
    scores, question = matched.scores, matched.asked.question
    order = scores.best_first if question == "order-matters" else list(range(len(matched.rows)))
    first, second = order[0], order[-1]
    differences = scores.differences(first, second)
    verdict: Verdict = "not distinguishable"
    # Checked first: a difference that is surely within the margin counts as none, even if it is significant.
    if all(_are_equivalent(each, terms) for each in (scores, matched.held_out) if each is not None):
        verdict = "equivalent"
    elif p_holm < terms.alpha:
        verdict = "different"
    row = rows[matched.rows[0]]
    return Comparison(
        question=question,
        data=row.data,
        backbone=row.backbone,
        rows=tuple(matched.rows[place] for place in order),
        difference=mean_over_seeds_and_images(differences, scores.image_differences(first, second), terms.seed),
        effect_size=effect_size(differences),
        p=p,
        p_holm=p_holm,
        margin=terms.margin,
        verdict=verdict,
        sentence="",
        other_p=_p_of(matched, OTHER[terms.test], terms.seed),
        pool=matched.pool,
        left_out=matched.left_out,
        length=row.length,
    )


def _seeds_needed(comparison: Comparison, scores: PairedScores, family: int, terms: _Terms) -> int | None:
    """About how many seeds would settle the question; None if it is settled, or there are enough.

    If the difference is as clear as so few seeds allow, the number that allows more; otherwise the number that can
    detect the margin.
    """
    if comparison.verdict != "not distinguishable":
        return None
    least = fewest_seeds(family, terms.alpha, terms.test)
    needed = MOST_SEEDS if least is None else least
    if math.isclose(comparison.p, smallest_p_of(terms.test, scores.seeds)) and needed > scores.seeds:
        return needed
    if scores.seeds > 1:
        needed = max(needed, seeds_to_resolve(scores.spread, terms.margin, terms.alpha / family))
    return needed if needed > scores.seeds else None


def _are_equivalent(scores: PairedScores, terms: _Terms) -> bool:
    """Whether every pair of rows is surely within the margin, for other seeds and other images."""
    pairs = list(combinations(range(scores.values.shape[1]), 2))
    # Seeds are checked first for all pairs: that is cheap and usually decides.
    return all(equivalence_test(scores.differences(*pair), terms.margin) < terms.alpha for pair in pairs) and all(
        _holds_for_other_images(scores, pair, terms) for pair in pairs
    )


def _holds_for_other_images(scores: PairedScores, pair: tuple[int, int], terms: _Terms) -> bool:
    """Two one-sided tests at alpha: the interval of level 1 - 2 alpha must be within the margin."""
    differences = scores.image_differences(*pair)
    if differences is None or min(differences.shape) < 2:
        return True
    low, high = interval(resampled_means(differences, terms.seed), 1 - 2 * terms.alpha)
    return -terms.margin < low and high < terms.margin
