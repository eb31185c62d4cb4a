"""The questions of a study and their answers, worked out by hand or by other libraries."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from made_results import study_result
from reorder_kit.errors import ReorderKitError
from reorder_kit.statistics.estimate import mean_over_seeds
from reorder_kit.studies.comparisons import compare
from reorder_kit.studies.questions import Asked, questions_of
from reorder_kit.studies.results import Row, StudyResult


def row(values, start="row", learner=None, control=None, backbone="local", data="digits", seeds=None):
    seeds = tuple(range(len(values))) if seeds is None else seeds
    score = mean_over_seeds([float(value) for value in values])
    return Row(data, backbone, start, learner, control, score, seeds, (), 16, 16, False, 1.0)


def answers(rows, scores=None, margin=0.02, alpha=0.05, seed=0):
    return compare(rows, [None] * len(rows) if scores is None else scores, margin, alpha, seed)


def coins(random, accuracies, seeds=8, images=300):
    """Rows of hits and misses."""
    return [(random.uniform(size=(seeds, images)) < accuracy).astype(np.float32) for accuracy in accuracies]


def noisy(seed, count, *means):
    random = np.random.RandomState(seed)
    return [mean + random.normal(0, 0.02, count) for mean in means]


def test_the_questions_of_a_table():
    table = [
        row([0.5], "row"),  # 0
        row([0.5], "row", "softsort"),
        row([0.5], "row", "softsort", "learned-static"),
        row([0.5], "row", None, "random-fixed"),
        row([0.5], "spiral"),  # 4
        row([0.5], "spiral", "reinforce"),
        row([0.5], "spiral", "reinforce", "null-reward"),
        row([0.5], "row", backbone="vit"),  # 7: the only one of its backbone
        row([0.5], "row", None, "random-per-batch", backbone="vit"),
        row([0.5], "row", data="eurosat"),  # 9
        row([0.5], "column", data="eurosat"),
        row([0.5], "random", "softsort", data="eurosat"),  # 11: without its start
    ]
    assert questions_of(table) == [
        Asked("best-fixed", (1, 0, 4)),
        Asked("best-fixed", (2, 0, 4)),
        Asked("best-fixed", (5, 0, 4)),
        Asked("best-fixed", (11, 9, 10)),
        Asked("order-matters", (0, 4)),
        Asked("order-matters", (9, 10)),
        Asked("learning-helps", (1, 0)),
        Asked("learning-helps", (5, 4)),
        Asked("order-holds-up", (2, 0)),
        Asked("control", (3, 0)),
        Asked("control", (6, 4)),
        Asked("control", (8, 7)),
    ]
    assert questions_of([]) == []


def test_a_pair_by_hand():
    start, learned = row([0.50, 0.60, 0.70]), row([0.60, 0.80, 1.00], learner="softsort")
    (found,) = answers([start, learned], margin=0.01)
    assert (found.question, found.data, found.backbone, found.rows) == ("learning-helps", "digits", "local", (1, 0))
    assert found.difference.values == pytest.approx((0.1, 0.2, 0.3))
    assert found.difference.mean == pytest.approx(0.2)
    assert found.effect_size == pytest.approx(2.0)
    assert (found.p, found.p_holm, found.margin) == (0.25, 0.25, 0.01)
    assert found.verdict == "not distinguishable"


def test_three_orders_by_brute_force_stand_from_the_best_to_the_worst():
    rows = [row(values, start) for values, start in zip(noisy(0, 4, 0.90, 0.94, 0.88), "abc", strict=True)]
    (found,) = answers(rows)
    means = [each.score.mean for each in rows]
    assert means[1] > means[0] > means[2]
    assert found.rows == (1, 0, 2)
    best, worst = (np.array(rows[place].score.values) for place in (1, 2))
    assert found.difference.values == pytest.approx(best - worst)
    assert found.effect_size == pytest.approx(np.mean(best - worst) / np.std(best - worst, ddof=1))
    scores = np.array([each.score.values for each in rows]).T
    centred = scores - scores.mean(axis=1, keepdims=True)
    found_by_signs = [np.var(np.array(signs) @ centred) for signs in product((1, -1), repeat=4)]
    assert found.p == pytest.approx(np.mean(np.array(found_by_signs) >= found_by_signs[0] - 1e-12))


def test_holm_goes_over_the_comparisons_of_a_question():
    values = noisy(3, 8, 0.90, 0.93, 0.92, 0.90, 0.91, 0.905)
    start, *learned = values
    rows = [
        row(start),
        *(row(each, learner=name) for each, name in zip(learned[:3], "abc", strict=True)),
        *(row(each, control="random-fixed", learner=name) for each, name in zip(learned[3:], "ab", strict=True)),
    ]
    found = answers(rows)
    for question in ("learning-helps", "control"):
        family = [each for each in found if each.question == question]
        assert len({each.p for each in family}) > 1
        expected = multipletests([each.p for each in family], method="holm")[1]
        assert [each.p_holm for each in family] == pytest.approx(expected.tolist())


def test_only_seeds_that_all_rows_have():
    first = row([0.9, 0.5, 0.7, 0.8], "a", seeds=(4, 1, 2, 7))
    second = row([0.6, 0.1, 0.2], "b", seeds=(2, 3, 4))
    scores = [np.tile(np.array(each.score.values)[:, None], 5) for each in (first, second)]
    (found,) = answers([first, second], scores)
    assert found.difference.values == pytest.approx((0.7, 0.1))  # seeds 4 and 2
    # Images do not differ: Student's interval of 0.7 and 0.1.
    assert found.difference.ends == pytest.approx(mean_over_seeds([0.7, 0.1]).ends, rel=0.02)


def test_rows_without_a_common_seed_are_not_compared():
    assert answers([row([0.5], "a", seeds=(0,)), row([0.6], "b", seeds=(1,))]) == ()


def test_one_common_seed_tells_nothing():
    (found,) = answers([row([0.9], "a"), row([0.1], "b")])
    assert (found.p, found.effect_size, found.verdict) == (1.0, None, "not distinguishable")
    assert (found.difference.low, found.difference.high) == (None, None)


@pytest.mark.parametrize("gap", [0.0, 0.004, 0.008, 0.012, 0.02])
@pytest.mark.parametrize("seed", range(3))
def test_equivalence_over_seeds_against_statsmodels(gap, seed):
    start, learned = noisy(seed, 5, 0.9, 0.9 + gap)
    (found,) = answers([row(start), row(learned, learner="softsort")], margin=0.03)
    assert found.p > 0.05  # five seeds cannot go below
    expected = ttost_paired(learned, start, -0.03, 0.03)[0] < 0.05
    assert (found.verdict == "equivalent") == expected


def test_all_pairs_have_to_be_equivalent():
    """The best and the second are, and so are the second and the worst; the best and the worst are not."""
    rows = [row([mean, mean], name) for mean, name in ((0.90, "a"), (0.912, "b"), (0.924, "c"))]
    assert [each.verdict for each in answers(rows[:2])] == ["equivalent"]
    assert [each.verdict for each in answers(rows[1:])] == ["equivalent"]
    assert [each.verdict for each in answers(rows)] == ["not distinguishable"]
    assert [each.verdict for each in answers(rows, margin=0.025)] == ["equivalent"]


def test_equivalence_has_to_hold_for_other_images():
    """Each seed gives the same few images to one row and the same few to the other, as many."""
    first, second = np.ones((2, 6, 40))
    first[:, :8], second[:, 8:16] = 0, 0
    rows = [row(each.mean(axis=1), start) for each, start in ((first, "a"), (second, "b"))]
    assert [each.verdict for each in answers(rows)] == ["equivalent"]
    (found,) = answers(rows, [first, second])
    assert found.verdict == "not distinguishable"
    assert found.difference.mean == 0
    # 16 of 40 differences are ±1: a standard deviation of 0.64 / sqrt(40) = 0.1.
    assert found.difference.high == pytest.approx(1.96 * 0.1, rel=0.1)


def test_a_sure_difference_within_the_margin_is_taken_for_none():
    values = np.array([0.01, 0.011, 0.012, 0.01, 0.011, 0.012, 0.01, 0.011])
    (found,) = answers([row(0.9 + 0 * values), row(0.9 + values, learner="softsort")])
    assert (found.p, found.verdict) == (2 / 2**8, "equivalent")


def test_images_of_different_counts_are_left_out():
    scores = [np.zeros((3, 5)), np.ones((3, 4))]
    rows = [row([0.1, 0.2, 0.4], "a"), row([0.2, 0.2, 0.3], "b")]
    (found,) = answers(rows, scores)
    (expected,) = answers(rows)
    assert found == expected


def test_scores_that_are_not_those_of_the_seeds_are_a_bug():
    with pytest.raises(ValueError, match="do not match its 3 seeds"):
        answers([row([0.1, 0.2, 0.3], "a"), row([0.1, 0.2, 0.3], "b")], [np.zeros((2, 9)), None])


def test_the_same_again_and_into_a_file(tmp_path):
    scores = coins(np.random.RandomState(0), (0.9, 0.8, 0.9, 0.9))
    grid = [("a", None, None), ("b", None, None), ("a", "softsort", None), ("a", "softsort", "learned-static")]
    rows = [row(each.mean(axis=1), *names) for each, names in zip(scores, grid, strict=True)]
    found = answers(rows, scores)
    assert answers(rows, scores) == found
    assert answers(rows, scores, seed=1) != found
    results = study_result("top1", True, tuple(rows), found)
    results.write(tmp_path / "study.json")
    assert StudyResult.read(tmp_path / "study.json") == results


@pytest.mark.parametrize("text", ["[1, 2]", '"study"', "{", '{"format_version": 2}'])
def test_a_file_of_something_else_is_refused(tmp_path, text):
    (tmp_path / "study.json").write_text(text)
    with pytest.raises(ReorderKitError, match=r"study\.json: "):
        StudyResult.read(tmp_path / "study.json")
