"""Comparisons and verdicts in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reorder_kit.statistics.estimate import mean_over_seeds
from reorder_kit.studies.comparisons import compare
from reorder_kit.studies.results import Row
from reorder_kit.studies.verdict import verdict
from reorder_kit.studies.wording import Wording
from says import says

WIGGLE = (0.002, -0.002, 0.001, -0.001, 0.003, -0.003, 0.0, 0.0)


def row(mean, start, learner=None, control=None, backbone="local", reached=16, spread=1.0, data="digits"):
    """Eight seeds; rows with the same spread vary together."""
    score = mean_over_seeds([mean + spread * step for step in WIGGLE])
    return Row(data, backbone, start, learner, control, score, tuple(range(8)), (), reached, 16, reached < 16, 1.0)


def found(*rows, margin=0.02):
    comparisons = compare(rows, [None] * len(rows), margin, 0.05, 0)
    return comparisons, verdict(rows, comparisons)


FIXED = (row(0.76, "row"), row(0.94, "spiral"), row(0.80, "random"))


def test_orders_that_differ():
    (comparison,), said = found(*FIXED)
    parts = ("local", "spiral", "18.0 points", "18.0 to 18.0", "above row", "worst of 3")
    assert says(comparison.sentence, *parts[:2], "0.940 ± 0.002", *parts[2:], "p = 0.008", "Holm", "8 seeds")
    (sentence,) = said
    assert says(sentence, "matters", *parts)


def test_two_orders_that_differ():
    (comparison,), said = found(*FIXED[:2])
    assert "above row (p = 0.008 after Holm, 8 seeds)" in comparison.sentence
    assert said[0].endswith("above row.")


def test_selection_is_no_ordering():
    (comparison,), said = found(row(0.76, "row", reached=5), row(0.94, "spiral", reached=5))
    assert says(comparison.sentence, "5 of 16 slots", "selects patches")
    assert says(said[1], "local", "5 of 16 slots", "selects patches", "not due to ordering alone")


def test_orders_that_are_equivalent():
    (comparison,), said = found(*(row(0.95, start, spread=sign) for start, sign in (("row", 1), ("spiral", -1))))
    assert says(comparison.sentence, "local", "both orders", "within ±0.020", "equivalence shown", "8 seeds")
    (sentence,) = said
    assert says(sentence, "does not matter", "local", "2 orders", "within ±0.020")


def test_orders_that_cannot_be_told_apart():
    rows = [row(0.85, start, spread=spread) for start, spread in (("row", 30), ("spiral", -30), ("random", 0))]
    (comparison,), said = found(*rows)
    parts = ("local", "3 orders", "not distinguishable", "row 0.850 ± 0.050", "0.0 points")
    assert says(comparison.sentence, *parts, "p = 1.000", "Holm", "8 seeds", "0.020 is not ruled out")
    (sentence,) = said
    assert says(sentence, "local", "open", "8 seeds", "3 orders", "not distinguishable", "0.020 is not ruled out")


def test_a_learner_that_helps_with_an_order_that_holds_up():
    comparisons, said = found(FIXED[0], row(0.90, "row", "softsort"), row(0.91, "row", "softsort", "learned-static"))
    learned, scratch = (each.sentence for each in comparisons)
    ending = ("above row, kept fixed", "p = 0.008", "Holm", "8 seeds")
    assert says(learned, "local", "softsort from row", "0.900 ± 0.002", "14.0 points", "14.0 to 14.0", *ending)
    assert says(scratch, "softsort learned from row, from scratch", "0.910 ± 0.002", "15.0 points", *ending)
    (sentence,) = said
    assert says(
        sentence, "local", "softsort from row", "gains 14.0 points", "holds up", "15.0 points", "above the start"
    )


@pytest.mark.parametrize(
    ("mean", "spread", "ending"),
    [
        (0.7601, 0.5, ("does not hold up", "within ±0.020 of the start")),
        (0.70, 1.0, ("does not hold up", "costs 6.0 points (6.0 to 6.0) against the start")),
        (0.765, 30, ("whether its order holds up", "open", "0.5 points (-4.3 to 5.3)", "not distinguishable")),
    ],
)
def test_a_learner_that_helps_with_an_order_that_does_not_hold_up(mean, spread, ending):
    scratch = row(mean, "row", "softsort", "learned-static", spread=spread)
    if spread == 0.5:
        scratch = replace(scratch, score=mean_over_seeds([0.76 + step for step in reversed(WIGGLE)]))
    _, said = found(FIXED[0], row(0.90, "row", "softsort"), scratch)
    (sentence,) = said
    assert says(sentence, "local", "softsort from row", "gains 14.0 points", "but", *ending)


def test_noise_that_helps_is_said_beside_the_learner_and_with_the_controls():
    comparisons, said = found(
        FIXED[0],
        row(0.82, "row", "reinforce"),
        row(0.815, "row", "reinforce", "null-reward"),
        row(0.70, "row", None, "random-per-batch"),
    )
    assert comparisons[1].sentence.endswith(
        "above row, kept fixed (p = 0.016 after Holm, 8 seeds), which is not expected"
    )
    assert not comparisons[2].sentence.endswith("which is not expected")
    gain, noise, others = said
    assert says(gain, "local", "reinforce from row", "gains 6.0 points", "noise as the reward", "gains 5.5 points")
    assert says(
        noise, "Not as expected", "local", "noise as the reward", "5.5 points (5.5 to 5.5)", "above row, kept fixed"
    )
    assert says(others, "As expected", "none of the other controls", "1 of 1 comparisons", "within ±0.020")


def test_learners_that_do_not_help_and_controls_that_leave_it_open():
    comparisons, said = found(
        FIXED[0],
        row(0.70, "row", "softsort"),
        row(0.76, "row", "reinforce", spread=30),
        row(0.76, "row", None, "random-fixed", spread=-30),
    )
    assert "not distinguishable from row, kept fixed: " in comparisons[1].sentence
    assert comparisons[2].sentence.startswith("local: a random order scores 0.760 ± 0.050, not distinguishable")
    losses, learners, controls = said
    assert losses == "With local, softsort from row costs 6.0 points (6.0 to 6.0) against its fixed start."
    assert says(
        comparisons[0].sentence, "softsort from row scores 0.700", "which costs 6.0 points (6.0 to 6.0) against"
    )
    assert says(learners, "local", "no gain", "reinforce from row", "not distinguishable", "8 seeds are too few: about")
    assert says(controls, "As expected", "no control", "0 of 1 comparisons", "±0.020", "open")


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
    assert comparison.sentence.endswith(f"; {counts}: an order also selects patches here")
    assert said[1].startswith(f"With local, {counts}: an order also selects patches there")
