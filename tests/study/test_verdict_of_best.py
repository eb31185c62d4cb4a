"""Verdicts on planted studies: a learned order against its start and against the best fixed order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from made_rows import WIGGLE, answered, made_row
from reorder_kit.statistics.estimate import mean_over_seeds
from reorder_kit.studies.verdict import verdict
from says import says

ROW, SPIRAL = made_row(0.80, "row"), made_row(0.90, "spiral")


def learned(mean, scratch=None, **options):
    """A learner from row, and its order from scratch."""
    control = made_row(mean if scratch is None else scratch, "row", "softsort", "learned-static", **options)
    return made_row(mean, "row", "softsort", **options), control


def turned(row):
    """The same mean, but with different lucky seeds from other rows."""
    mean = row.score.mean
    return replace(row, score=mean_over_seeds([mean + step for step in reversed(WIGGLE)]))


def test_a_learned_order_that_beats_its_start_but_not_the_best_fixed_order():
    comparisons, said = answered(ROW, SPIRAL, *learned(0.85, 0.87))
    assert said[0] == (
        "With local, softsort from row costs 5.0 points (5.0 to 5.0) against the best of 2 fixed orders (spiral, "
        "chosen on validation images); the order that softsort learned from row, from scratch, costs 3.0 points "
        "(3.0 to 3.0) against it."
    )
    assert said[1].startswith("The order matters to local: spiral is 10.0 points (10.0 to 10.0) above row")
    assert said[2] == (
        "With local, softsort from row gains 5.0 points, and its order holds up from scratch: 7.0 points (7.0 to 7.0) "
        "above the start."
    )
    assert comparisons[0].sentence == (
        "local: softsort from row scores 0.850 ± 0.002, which costs 5.0 points (5.0 to 5.0) against spiral, the best "
        "of 2 fixed orders (p = 0.016 after Holm, 8 seeds)"
    )


def test_a_learned_order_that_ties_with_the_best_fixed_order():
    run, scratch = learned(0.9001)
    comparisons, said = answered(ROW, SPIRAL, turned(run), scratch)
    assert said[0] == (
        "With local, softsort from row is within ±0.010 of the best of 2 fixed orders (spiral, chosen on validation "
        "images); the order that softsort learned from row, from scratch, is within ±0.010 of it."
    )
    assert comparisons[0].verdict == "equivalent"
    assert says(comparisons[0].sentence, "0.900", "within ±0.010 of spiral, the best of 2 fixed orders (equivalence")
    assert says(said[2], "softsort from row gains 10.0 points", "holds up from scratch")


def test_a_learned_order_that_loses_to_its_start():
    _, said = answered(ROW, SPIRAL, *learned(0.75))
    assert says(said[0], "softsort from row costs 15.0 points (15.0 to 15.0) against the best of 2 fixed orders")
    assert said[2] == "With local, softsort from row costs 5.0 points (5.0 to 5.0) against its fixed start."
    assert "distinguishable" not in " ".join(said)


def test_gains_come_first_and_the_best_on_test_images_is_not_mentioned():
    lucky = made_row(0.97, "hilbert", validation=0.5)
    informed = made_row(0.95, "informed", origin="chosen")
    _, said = answered(ROW, SPIRAL, lucky, *learned(0.85), informed)
    assert said[0].startswith(
        "With local, informed gains 5.0 points (5.0 to 5.0) over the best of 3 fixed orders (spiral, chosen on "
        "validation images); softsort from row costs 5.0 points (5.0 to 5.0) against it; "
    )
    assert "hilbert" not in said[0]


def test_an_answer_that_is_open_says_how_many_seeds_would_do():
    """The differences are 30 times the wiggle: 0.06, -0.06, 0.03, ..., with a standard deviation of 0.06.

    For 1 point of 6 a paired t-test at 0.05 takes (1.960 + 0.842)^2 * 36 = 283 seeds by the normal distribution, and
    two more by Student's.
    """
    noisy = made_row(0.905, "informed", origin="chosen", spread=31)
    (found, *_), said = answered(ROW, SPIRAL, noisy)
    assert (found.verdict, found.seeds_needed) == ("not distinguishable", 285)
    assert says(
        said[0], "whether informed is better than the best of 2 fixed orders", "is open: 0.5 points (-4.5 to 5.5)"
    )
    assert said[0].endswith("above it with 8 seeds, and 8 seeds are too few: about 285 would do.")
    assert found.sentence.endswith("0.010 is not ruled out; 8 seeds are too few: about 285 would do")


def test_seeds_that_could_not_have_told_are_said_to_be_too_few():
    """Three seeds allow no p below 0.25, and six would suffice, since all differences are equal."""
    (found, *_), said = answered(*(made_row(mean, name, seeds=3, origin=origin) for mean, name, origin in (
        (0.80, "row", "rule"), (0.90, "informed", "chosen"),
    )))  # fmt: skip
    assert (found.p, found.seeds_needed) == (0.25, 6)
    assert said == (
        "With local, whether informed is better than the only fixed order, row is open: 10.0 points (10.0 to 10.0) "
        "above it with 3 seeds, and 3 seeds are too few: about 6 would do.",
    )
    assert "3 seeds cannot show a difference; 3 seeds are too few: about 6 would do" in found.sentence


def test_a_clear_difference_takes_the_seeds_that_the_correction_asks_for():
    """With 6 seeds that agree p is 2/64, and 3 * 2/64 is above 0.05; with 7 it would be 3 * 2/128. The spread of the
    differences, 0.02 to 0.03, would require many more to detect one point."""
    chosen = [made_row(0.80 - step / 10, f"prior-{step}", seeds=6, origin="chosen", spread=10) for step in range(3)]
    found, said = answered(made_row(0.90, "row", seeds=6), *chosen)
    assert [(each.p, each.seeds_needed) for each in found] == [(2 / 64, 7)] * 3
    assert "6 seeds are too few: about 7 would do" in said[0]


def test_a_difference_that_other_images_may_not_show_says_so():
    rows = (ROW, SPIRAL, made_row(0.95, "informed", origin="chosen"))
    (found, *_), _ = answered(*rows)
    unsure = replace(found, difference=replace(found.difference, low=-0.01))
    said = verdict(rows, [unsure])
    assert says(said[0], "informed gains", "(with other seeds or test images there may be no difference).")


@pytest.mark.parametrize("test", ["permutation", "paired-t"])
def test_the_test_of_the_study_decides_and_the_other_is_shown(test):
    """Three seeds that all differ by much: 0.25 by their signs, far below 0.05 by the t-test."""
    rows = [made_row(0.80, "row", seeds=3), made_row(0.90, "informed", seeds=3, origin="chosen", spread=2)]
    (found, *_), _ = answered(*rows, test=test)
    p, other = (0.25, found.other_p) if test == "permutation" else (found.p, 0.25)
    assert (found.p, found.other_p) == ((p, other) if test == "permutation" else (found.p, 0.25))
    # Differences 0.102, 0.098, 0.101: mean 0.10033, standard error 0.0012, so t = 83.5 with 2 degrees of freedom.
    student = found.other_p if test == "permutation" else found.p
    assert student == pytest.approx(0.000143, rel=0.01)
    assert found.verdict == ("not distinguishable" if test == "permutation" else "different")
