"""The report of the planted benchmark, from synthetic outcomes."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from made_results import run_order, run_result
from reorder_kit.benchmark.planted_cases import CASES, SELECTION
from reorder_kit.benchmark.planted_pictures import draw_pictures
from reorder_kit.benchmark.planted_report import report
from reorder_kit.benchmark.planted_runs import Accuracy, PlantedOutcome, planned_runs
from reorder_kit.runs.result import RestoredChain

CHAIN = CASES["chain-16"]
TEST = {"scrambled": 0.5, "undone": 0.9, "middling": 0.7}


def outcomes(case, accuracies, learners=("middling",), seeds=3, reach=(16, 16), spread=0.01):
    """The outcome of each run: the accuracy of its order, higher for higher seeds; 0.05 more on validation images."""
    options = {learner: {case.name: {}} for learner in learners}
    found = {}
    for run in planned_runs([case], options, range(seeds)):
        test = accuracies[run.learner or run.start] + spread * run.seed
        found[run] = PlantedOutcome(
            accuracy=Accuracy(test=test, validation=test + 0.05),
            from_scratch=Accuracy(test=test + 0.1, validation=test + 0.15) if run.learner else None,
            neighbours=0.8 if run.learner else float(run.start == "undone"),
            order=list(range(16)),
            reach=reach,
            seconds=12.4,
        )
    return found


def test_a_row_is_a_mean_over_seeds_and_the_share_is_of_the_gap():
    (found,) = report(outcomes(CHAIN, TEST), "test")
    assert [row.name for row in found.rows] == ["scrambled", "undone", "middling from scrambled"]
    assert [row.accuracy.mean for row in found.rows] == pytest.approx([0.51, 0.91, 0.71])
    assert found.gap.mean == pytest.approx(0.4)
    learner = found.rows[2]
    assert learner.accuracy.values == pytest.approx((0.70, 0.71, 0.72))
    assert learner.from_scratch.mean == pytest.approx(0.81)
    # (0.7 - 0.5) / (0.9 - 0.5) in every seed
    assert learner.recovered.ends == pytest.approx((0.5, 0.5, 0.5), abs=1e-6)
    assert [row.recovered for row in found.rows[:2]] == [None, None]
    assert not found.is_selection


def test_options_are_chosen_on_validation_images():
    (found,) = report(outcomes(CHAIN, TEST), "validation")
    assert [row.accuracy.mean for row in found.rows] == pytest.approx([0.56, 0.96, 0.76])
    assert found.rows[2].from_scratch.mean == pytest.approx(0.86)


def test_there_is_no_share_of_a_gap_within_the_noise():
    made_up = outcomes(CHAIN, TEST)
    for (run, outcome), test in zip(
        [pair for pair in made_up.items() if pair[0].start == "undone"], (0.6, 0.4, 0.7), strict=True
    ):
        assert run.learner is None
        made_up[run] = outcome.model_copy(update={"accuracy": Accuracy(test=test, validation=test)})
    (found,) = report(made_up, "test")
    assert found.gap.low < 0 < found.gap.high
    assert found.rows[2].recovered is None


def test_selection_is_told_apart_and_has_no_answer():
    accuracies = dict.fromkeys(SELECTION.orders, 0.8) | {"middling": 0.9}
    (found,) = report(outcomes(SELECTION, accuracies, reach=(5, 16)), "test")
    assert found.is_selection
    assert found.gap is None
    assert [row.name for row in found.rows[-2:]] == ["middling from row", "middling from random"]
    assert [row.recovered for row in found.rows] == [None] * len(found.rows)
    content = found.as_dict()
    assert content["reach"] == {"slots": 5, "of": 16, "is_selection": True}
    assert content["gap"] is None


def test_the_table_and_the_json_hold_the_same_figures():
    (found,) = report(outcomes(CHAIN, TEST, spread=0.0), "test")
    assert found.table() == [
        ["order", "accuracy", "from scratch", "recovered", "restored neighbors", "seconds"],
        ["scrambled", "0.500 ± 0.000", "", "", "0.000 ± 0.000", "12"],
        ["undone", "0.900 ± 0.000", "", "", "1.000 ± 0.000", "12"],
        ["middling from scrambled", "0.700 ± 0.000", "0.800 ± 0.000", "0.500 ± 0.000", "0.800 ± 0.000", "12"],
    ]
    learner = found.as_dict()["rows"][2]
    assert (learner["order"], learner["learner"]) == ("scrambled", "middling")
    assert learner["accuracy"]["mean"] == pytest.approx(0.7)
    assert learner["recovered"]["mean"] == pytest.approx(0.5)


def test_cases_are_reported_one_by_one():
    made_up = outcomes(CHAIN, TEST) | outcomes(CASES["digits-8x8-mamba"], TEST)
    assert [found.case.name for found in report(made_up, "test")] == ["chain-16", "digits-8x8-mamba"]


BLUE, PALE_INK = "#0072B2", "#6b6c78"


def pixels(path, colour):
    picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
    wanted = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    return (abs(picture - wanted) <= 8).all(axis=-1)


def test_a_chain_and_what_was_recovered_are_drawn(tmp_path):
    cases = report(outcomes(CHAIN, TEST) | outcomes(CASES["digits-8x8-mamba"], TEST), "test")
    written = list(draw_pictures(cases, tmp_path / "new"))
    assert [path.name for path in written] == ["planted-chain-16.png", "planted-recovered.png"]
    assert pixels(written[0], PALE_INK).sum() > 500


def test_nothing_recovered_is_no_picture(tmp_path):
    accuracies = dict.fromkeys(SELECTION.orders, 0.8) | {"middling": 0.9}
    assert list(draw_pictures(report(outcomes(SELECTION, accuracies), "test"), tmp_path)) == []


def test_a_share_further_right_is_drawn_further_right(tmp_path):
    places = []
    for share in (0.6, 0.8):
        (*_, path) = draw_pictures(report(outcomes(CHAIN, {**TEST, "middling": share}), "test"), tmp_path)
        places.append(np.flatnonzero(pixels(path, BLUE).any(axis=0)).mean())
    assert places[0] < places[1]


def test_a_consensus_restores_no_neighbours_of_what_was_read(tmp_path):
    planted = RestoredChain(hidden=list(range(16)), restored_neighbours=9, of=15)
    static = run_result(order=run_order(planted=planted))
    dynamic = run_result(order=run_order(planted=planted, is_consensus=True, spread=0.1, examples=[]))
    assert [PlantedOutcome.of(result).neighbours for result in (static, dynamic)] == [0.6, None]
    made_up = {
        run: outcome.model_copy(update={"neighbours": None}) if run.learner else outcome
        for run, outcome in outcomes(CHAIN, TEST).items()
    }
    (case,) = report(made_up, "test")
    assert case.rows[2].neighbours is None
    assert case.table()[3][4] == ""
    assert case.as_dict()["rows"][2]["neighbours"] is None
    assert [path.name for path in draw_pictures([case], tmp_path)] == ["planted-chain-16.png", "planted-recovered.png"]
