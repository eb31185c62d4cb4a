"""The closed-form score of a learned order: recomputed, and reasons for having none."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from made_results import run_order
from reorder_kit.analysis.closed_form import closed_form_score
from reorder_kit.api.running import run
from reorder_kit.data.told_rows import told_rows
from reorder_kit.data.training_split import TrainingSplit
from reorder_kit.experiment.compose import compose
from reorder_kit.interfaces import Grid, Order, Sample, Unreadable
from reorder_kit.testing import host_with
from reorder_kit.training.learned_order_score import IMAGES, score_learned_order

RECIPE = {
    "format_version": 1,
    "name": "trial",
    "seed": 2,
    "data": {"name": "digits", "batch_size": 400},
    "backbone": {"name": "local", "patch_size": 2, "window": 2, "dim": 8, "heads": 2, "readout": "last"},
    "order": {"learner": {"name": "softsort", "warmup_epochs": 0, "lr": 1.0}},
    "controls": ["fixed-start"],
    "train": {"epochs": 1, "device": "cpu"},
}
GRID = Grid(4, 4)
ROW, BACKWARD = list(range(16)), list(range(16))[::-1]
LAST_FIVE = [0.0] * 11 + [0.1, 0.1, 0.2, 0.2, 0.4]


def scored(samples=None, **changes):
    """An order that was read by the last five slots, as it is reported."""
    host = host_with()
    experiment = compose(RECIPE, host, "trial")
    splits = experiment.open_data()
    if samples is not None:
        splits = replace(splits, train=samples)
    order = run_order(**{"start": ROW, "final": BACKWARD, "influence": LAST_FIVE, **changes})
    return score_learned_order(experiment, splits, GRID, order)


def by_hand(order, influence):
    splits = compose(RECIPE, host_with(), "trial").open_data()
    experiment = compose(RECIPE, host_with(), "trial")
    rows = told_rows(TrainingSplit(splits, 2, experiment.kind), splits.image, GRID, IMAGES, views=0)
    return closed_form_score(rows, Order(order), torch.tensor(influence))


def test_a_run_that_learned_an_order_says_what_a_regression_thinks_of_it(tmp_path):
    result = run(RECIPE, out=tmp_path / "run").result
    found = result.order.closed_form
    assert (found.about, found.images) == ("class", IMAGES)
    assert found.start == pytest.approx(by_hand(result.order.start, result.order.influence))
    assert found.final == pytest.approx(by_hand(result.order.final, result.order.influence))
    (words,) = result.order.words_of_closed_form
    assert f"{found.final:.3f}" in words
    assert f"of the start: {found.start:.3f}" in words


def test_the_start_and_the_learned_order_are_judged_by_the_same_slots():
    found = scored().closed_form
    assert found.start == pytest.approx(by_hand(ROW, LAST_FIVE))
    assert found.final == pytest.approx(by_hand(BACKWARD, LAST_FIVE))
    assert found.start != found.final
    assert scored(final=ROW).closed_form.final == pytest.approx(found.start)


def test_orders_that_leave_patches_out_are_judged_by_what_is_left():
    found = scored(start=ROW[11:], final=BACKWARD[11:], influence=LAST_FIVE[11:]).closed_form
    assert found.start == pytest.approx(by_hand(ROW, LAST_FIVE))


class Broken:
    def __len__(self):
        return 5

    def __getitem__(self, index):
        return Unreadable(str(index), "broken")


class Infinite(Broken):
    def __getitem__(self, index):
        return Sample(torch.full((1, 8, 8), torch.inf), index % 2)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"is_consensus": True, "spread": 0.25}, "each image has its own order"),
        ({"influence": None, "influence_does_not_apply": "a step reads its batch 2 times"}, "its batch 2 times"),
        ({"influence_note": "by slot of the order before block 0"}, "ordered again before a later block"),
        ({"influence": [0.0] * 16}, "no slot of the trained model has influence"),
        ({"final": BACKWARD[8:], "influence": LAST_FIVE[8:]}, "the start has 16 slots, but the learned order has 8"),
        ({"samples": Broken()}, "0 could be read"),
        ({"samples": Infinite()}, "NaN or infinity"),
    ],
    ids=["dynamic", "several passes", "two blocks", "blind", "partial", "unreadable", "infinite"],
)
def test_where_there_is_no_score_it_says_why(changes, reason):
    order = scored(**changes)
    assert order.closed_form is None
    assert reason in order.closed_form_does_not_apply
    (words,) = order.words_of_closed_form
    assert words.startswith("The learned order has no closed-form score: ")
    assert reason in words
