"""Comparisons and verdicts in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reorder_kit.statistics.estimate import mean_over_seeds
from reorder_kit.study.comparisons import compare
from reorder_kit.study.results import Row
from reorder_kit.study.verdict import verdict
from reorder_kit.study.wording import Wording

WIGGLE = (0.002, -0.002, 0.001, -0.001, 0.003, -0.003, 0.0, 0.0)


def row(mean, start, learner=None, control=None, backbone="local", reached=16, spread=1.0, data="digits"):
    """Eight seeds; rows of the same spread go up and down together."""
    score = mean_over_seeds([mean + spread * step for step in WIGGLE])
    return Row(data, backbone, start, learner, control, score, tuple(range(8)), (), reached, 16, reached < 16, 1.0)


def found(*rows, margin=0.02):
    comparisons = compare(rows, [None] * len(rows), margin, 0.05, 0)
    return comparisons, verdict(rows, comparisons)


FIXED = (row(0.76, "row"), row(0.94, "spiral"), row(0.80, "random"))


def test_orders_that_differ():
    (comparison,), said = found(*FIXED)
    assert comparison.sentence == (
        "local: spiral 0.940 ± 0.002 is 18.0 points (18.0 to 18.0) above row, the worst of 3 orders "
        "(p < 0.001 after Holm, 8 seeds)"
    )
    assert said == (
        "The order matters to local: spiral is 18.0 points (18.0 to 18.0) above row, the worst of 3 orders.",
    )


def test_two_orders_that_differ():
    (comparison,), said = found(*FIXED[:2])
    assert "above row (p = 0.008 after Holm, 8 seeds)" in comparison.sentence
    assert said[0].endswith("above row.")


def test_selection_is_no_ordering():
    (comparison,), said = found(row(0.76, "row", reached=5), row(0.94, "spiral", reached=5))
    assert comparison.sentence.endswith("; 5 of 16 slots reach the readout: an order is a selection of patches here")
    assert said[1] == (
        "With local, 5 of 16 slots reach the readout: an order selects patches there, and what orders do to it is no "
        "finding about ordering alone."
    )


def test_orders_that_are_equivalent():
    (comparison,), said = found(*(row(0.95, start, spread=sign) for start, sign in (("row", 1), ("spiral", -1))))
    assert comparison.sentence == ("local: both orders are within ±0.020 of each other (equivalence shown, 8 seeds)")
    assert said == ("The order does not matter to local: its 2 orders are within ±0.020 of each other.",)


def test_orders_that_cannot_be_told_apart():
    rows = [row(0.85, start, spread=spread) for start, spread in (("row", 30), ("spiral", -30), ("random", 0))]
    (comparison,), said = found(*rows)
    assert comparison.sentence.startswith("local: 3 orders are not distinguishable: row 0.850 ± 0.050 is 0.0 points (")
    assert comparison.sentence.endswith("(p = 1.000 after Holm, 8 seeds); a difference of 0.020 is not ruled out")
    assert said == (
        "Whether the order matters to local is open with 8 seeds: its 3 orders are not distinguishable, and a "
        "difference of 0.020 is not ruled out.",
    )


def test_a_learner_that_helps_with_an_order_that_holds_up():
    comparisons, said = found(FIXED[0], row(0.90, "row", "softsort"), row(0.91, "row", "softsort", "learned-static"))
    assert [each.sentence for each in comparisons] == [
        "local: softsort from row scores 0.900 ± 0.002, 14.0 points (14.0 to 14.0) above row, kept "
        "(p = 0.008 after Holm, 8 seeds)",
        "local: the order that softsort learned from row, from scratch, scores 0.910 ± 0.002, 15.0 points "
        "(15.0 to 15.0) above row, kept (p = 0.008 after Holm, 8 seeds)",
    ]
    assert said == (
        "With local, softsort from row gains 14.0 points, and its order holds up from scratch: 15.0 points (15.0 to "
        "15.0) above the start.",
    )


@pytest.mark.parametrize(
    ("mean", "spread", "ending"),
    [
        (0.7601, 0.5, "but its order does not hold up from scratch: within ±0.020 of the start."),
        (0.70, 1.0, "but its order does not hold up from scratch: 6.0 points (6.0 to 6.0) below the start."),
        (
            0.765,
            30,
            "but whether its order holds up from scratch is open: 0.5 points (-4.3 to 5.3) above the start, not "
            "distinguishable from it.",
        ),
    ],
)
def test_a_learner_that_helps_with_an_order_that_does_not_hold_up(mean, spread, ending):
    scratch = row(mean, "row", "softsort", "learned-static", spread=spread)
    if spread == 0.5:
        scratch = replace(scratch, score=mean_over_seeds([0.76 + step for step in reversed(WIGGLE)]))
    _, said = found(FIXED[0], row(0.90, "row", "softsort"), scratch)
    assert said == (f"With local, softsort from row gains 14.0 points, {ending}",)


def test_noise_that_helps_is_said_beside_the_learner_and_with_the_controls():
    comparisons, said = found(
        FIXED[0],
        row(0.82, "row", "reinforce"),
        row(0.815, "row", "reinforce", "null-reward"),
        row(0.70, "row", None, "random-per-batch"),
    )
    assert comparisons[1].sentence.endswith("above row, kept (p = 0.016 after Holm, 8 seeds), which is not expected")
    assert not comparisons[2].sentence.endswith("which is not expected")
    assert said == (
        "With local, reinforce from row gains 6.0 points; with noise for a reward it gains 5.5 points, so not all is "
        "the reward's.",
        "Not as expected: with local, reinforce from row with noise for a reward is 5.5 points (5.5 to 5.5) above row, "
        "kept.",
        "As expected, none of the other controls is shown to be better than its start, kept: in 1 of 1 "
        "comparisons it is worse or within ±0.020.",
    )


def test_learners_that_do_not_help_and_controls_that_leave_it_open():
    comparisons, said = found(
        FIXED[0],
        row(0.70, "row", "softsort"),
        row(0.76, "row", "reinforce", spread=30),
        row(0.76, "row", None, "random-fixed", spread=-30),
    )
    assert "not distinguishable from row, kept: " in comparisons[1].sentence
    assert comparisons[2].sentence.startswith("local: a random order scores 0.760 ± 0.050, not distinguishable")
    assert said == (
        "With local, no gain over the start, kept, is shown for softsort from row (6.0 points (6.0 to 6.0) below it), "
        "reinforce from row (not distinguishable from it with 8 seeds).",
        "As expected, no control is shown to be better than its start, kept: in 0 of 1 comparisons it is "
        "worse or within ±0.020, the rest leaves it open.",
    )


def test_data_is_named_where_there_are_several():
    rows = [row(mean, start, data=data) for data in ("digits", "eurosat") for mean, start in ((0.7, "row"), (0.9, "z"))]
    comparisons, said = found(*rows)
    assert [each.sentence[:18] for each in comparisons] == ["local on digits: z", "local on eurosat: "]
    assert said[1].startswith("The order matters to local on eurosat: ")


def test_metrics_that_are_no_shares_have_no_points():
    (comparison,), _ = found(row(20, "row"), row(30, "spiral"))
    assert "spiral 30.000 ± 0.002 is 10.000 (10.000 to 10.000) above row" in comparison.sentence


def test_a_difference_whose_interval_holds_0_says_so():
    rows = (row(0.90, "row"), row(0.91, "spiral", spread=-1))
    (comparison,) = compare(rows, [None, None], 0.001, 0.05, 0)
    unsure = replace(comparison, difference=replace(comparison.difference, low=-0.01))
    assert comparison.verdict == "different"
    assert "may be no difference" not in verdict(rows, [comparison])[0]
    assert verdict(rows, [unsure])[0].endswith("; with other seeds or test images there may be no difference.")


def test_a_study_without_comparisons_has_no_verdict():
    assert verdict([FIXED[0]], []) == ()


def test_learned_static_of_a_learner_with_an_order_per_image_is_called_a_consensus():
    learned = replace(row(0.90, "row", "by-norm"), spread=0.2)
    rows = (row(0.80, "row"), learned, row(0.86, "row", "by-norm", "learned-static"), row(0.86, "row", "softsort"))
    words = Wording(rows)
    assert words.row(1) == "by-norm from row"
    assert words.row(2) == "the consensus of the orders that by-norm learned from row, from scratch,"
    one = Wording([*rows[:1], replace(learned, spread=None), *rows[2:]])
    assert one.row(2) == "the order that by-norm learned from row, from scratch,"


def test_patches_without_a_slot_are_a_selection_too():
    half = [replace(row(mean, start, reached=8), num_slots=8, left_out=8) for mean, start in ((0.7, "a"), (0.9, "b"))]
    (comparison,), said = found(*half)
    counts = "8 of 8 slots reach the readout, and 8 of 16 patches have no slot"
    assert comparison.sentence.endswith(f"; {counts}: an order is a selection of patches here")
    assert said[1].startswith(f"With local, {counts}: an order selects patches there")
