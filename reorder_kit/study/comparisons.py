"""The answers of a study: its questions, put to the statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from reorder_kit.statistics.bootstrap import interval, mean_over_seeds_and_images, resampled_means
from reorder_kit.statistics.effect_size import effect_size
from reorder_kit.statistics.equivalence import equivalence_test
from reorder_kit.statistics.holm import holm
from reorder_kit.statistics.permutation_tests import permutation_test
from reorder_kit.statistics.power import can_tell
from reorder_kit.study.paired_scores import ImageScores, PairedScores, paired_scores
from reorder_kit.study.questions import Asked, questions_of
from reorder_kit.study.results import Comparison, Row, Verdict
from reorder_kit.study.sentences import sentence
from reorder_kit.study.wording import Wording


def compare(
    rows: Sequence[Row],
    image_scores: Sequence[ImageScores | None],
    margin: float,
    alpha: float,
    seed: int,
    higher_is_better: bool = True,
) -> tuple[Comparison, ...]:
    """Answer every question that a table allows, with the seeds that the rows of each have in common.

    Whether rows differ is tested over seeds, on these test images
    (:mod:`reorder_kit.statistics.permutation_tests`). The interval of a difference is about other images, too; where
    it holds 0 although the verdict is ``different``, the sentence says so.
    Rows are equivalent only if that is shown for other seeds and for other images, pair by pair.

    The rows of ``order-matters`` stand in a comparison from the best to the worst. The difference of these two is that
    of the extremes: with more than two rows it is expected to be above 0 even where no order matters, and only p allows
    for that.

    Args:
        rows: the table.
        image_scores: for each row, what each test image contributed to the score with each seed; None where the metric
            is not a mean over images.
        margin: differences smaller than this are taken for none, in units of the metric.
        alpha: level of the tests, after correction.
        seed: of what is drawn.
        higher_is_better: whether a higher score is a better one.
    """
    asked, paired = [], []
    for each in questions_of(rows):
        own, of_images = [rows[place] for place in each.rows], [image_scores[place] for place in each.rows]
        scores = paired_scores(own, of_images, higher_is_better)
        if scores is not None:
            asked.append(each)
            paired.append(scores)
    p_values = [permutation_test(scores.values, seed) for scores in paired]
    corrected = _corrected(asked, p_values)
    families = Counter(each.question for each in asked)
    found = []
    for each, scores, p, p_holm in zip(asked, paired, p_values, corrected, strict=True):
        comparison = _compare(each, rows, scores, p, p_holm, margin, alpha, seed)
        could_tell = can_tell(scores.seeds, families[each.question], alpha, len(each.rows))
        found.append(replace(comparison, sentence=sentence(comparison, Wording(rows, higher_is_better), could_tell)))
    return tuple(found)


def _corrected(asked: Sequence[Asked], p_values: Sequence[float]) -> list[float]:
    """Every p after the correction for its question."""
    found = [1.0] * len(asked)
    for question in {each.question for each in asked}:
        places = [place for place, each in enumerate(asked) if each.question == question]
        for place, p in zip(places, holm([p_values[place] for place in places]), strict=True):
            found[place] = p
    return found


def _compare(
    asked: Asked,
    rows: Sequence[Row],
    scores: PairedScores,
    p: float,
    p_holm: float,
    margin: float,
    alpha: float,
    seed: int,
) -> Comparison:
    """A comparison without its sentence."""
    order = scores.best_first if asked.question == "order-matters" else list(range(len(asked.rows)))
    first, second = order[0], order[-1]
    differences = scores.differences(first, second)
    verdict: Verdict = "not distinguishable"
    # First, since a difference that is surely within the margin is taken for none, however sure it is.
    if _are_equivalent(scores, margin, alpha, seed):
        verdict = "equivalent"
    elif p_holm < alpha:
        verdict = "different"
    row = rows[asked.rows[0]]
    return Comparison(
        question=asked.question,
        data=row.data,
        backbone=row.backbone,
        rows=tuple(asked.rows[place] for place in order),
        difference=mean_over_seeds_and_images(differences, scores.image_differences(first, second), seed),
        effect_size=effect_size(differences),
        p=p,
        p_holm=p_holm,
        margin=margin,
        verdict=verdict,
        sentence="",
    )


def _are_equivalent(scores: PairedScores, margin: float, alpha: float, seed: int) -> bool:
    """Whether every pair of rows is surely within the margin, for other seeds and for other images."""
    return all(
        equivalence_test(scores.differences(*pair), margin) < alpha
        and _holds_for_other_images(scores, pair, margin, alpha, seed)
        for pair in combinations(range(scores.values.shape[1]), 2)
    )


def _holds_for_other_images(
    scores: PairedScores, pair: tuple[int, int], margin: float, alpha: float, seed: int
) -> bool:
    """Two one-sided tests at alpha are an interval of level 1 - 2 alpha within the margin."""
    differences = scores.image_differences(*pair)
    if differences is None or min(differences.shape) < 2:
        return True
    low, high = interval(resampled_means(differences, seed), 1 - 2 * alpha)
    return -margin < low and high < margin
