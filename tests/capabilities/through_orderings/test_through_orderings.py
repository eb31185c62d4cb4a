"""From columns through reversed rows to a Hilbert curve: the order of every step, against numpy."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

from by_hand import as_input, digits, kendall_distance, loss_and_top1, ranks
from reorder_kit.errors import RecipeError, ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.recipe_schema import recipe_schema
from reorder_kit.interfaces import Batch
from reorder_kit.interfaces.progress import Progress

COLUMN = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]
REVERSED = list(range(15, -1, -1))
STEPS = 9  # three epochs of 1,200 images in batches of 400


def hilbert():
    """The curve on a 4x4 grid, by the usual conversion of a distance to x and y."""
    cells = []
    for distance in range(16):
        x, y, rest, side = 0, 0, distance, 1
        while side < 4:
            right, down = 1 & (rest // 2), 1 & (rest ^ (rest // 2))
            if down == 0:
                if right == 1:
                    x, y = side - 1 - x, side - 1 - y
                x, y = y, x
            x, y, rest, side = x + side * right, y + side * down, rest // 4, side * 2
        cells.append(4 * y + x)
    return cells


def expected_order(step):
    """Both legs take half of the steps; a patch moves from its slot at one end of a leg to that at the other."""
    way = 2 * step / (STEPS - 1)
    leg, share = (0, way) if way < 1 else (1, way - 1)
    ends = [ranks(np.array(order)) for order in (COLUMN, REVERSED, hilbert())]
    return np.argsort((1 - share) * ends[leg] + share * ends[leg + 1], kind="stable")


def test_the_ends_of_both_legs_are_the_orderings():
    assert [expected_order(step).tolist() for step in (0, 4, 8)] == [COLUMN, REVERSED, hilbert()]


def test_every_epoch_ends_where_its_last_step_stands(finished):
    for epoch, step in ((1, 2), (2, 5), (3, 8)):
        assert json.loads(finished.epoch_order(epoch).read_text())["order"] == expected_order(step).tolist()
    lines = [json.loads(line)["order"] for line in finished.metrics.read_text().splitlines()]
    taus = [1 - 2 * kendall_distance(expected_order(step), np.array(COLUMN)) for step in (2, 5, 8)]
    assert [line["kendall_tau_to_start"] for line in lines] == pytest.approx(taus)
    assert len(set(taus)) == 3


def test_it_starts_from_the_start_and_ends_with_the_last_ordering(capability, finished):
    assert json.loads(finished.start_order.read_text())["order"] == COLUMN
    order = finished.read_result().as_dict()["order"]
    assert order["final"] == json.loads(finished.order.read_text())["order"] == hilbert()
    assert order["reach"]["slots"] == 16
    run = capability.open(finished)
    images, labels = digits("test")
    sequence = run.model.backbone.tokenize(as_input(images))
    encoded = run.model.backbone.encode(sequence.with_patches(sequence.patches[:, hilbert()]))
    loss, top1 = loss_and_top1(run.model.head.linear(run.model.backbone.summarize(encoded)), labels)
    figures = finished.read_result().as_dict()["metrics"]["test"]
    assert (figures["loss"], figures["top1"]) == (pytest.approx(loss, rel=1e-5), pytest.approx(top1))


def test_every_step_reads_in_the_order_of_that_step(capability, finished):
    run = capability.open(finished)
    model, batch = run.model.train(), Batch(as_input(digits("train")[0][:2]))
    for step in range(STEPS):
        model.policy.advance(run.experiment.phases(3).locate(Progress(step, STEPS // 3, 3)))
        assert model.read(batch).order.indices.tolist() == expected_order(step).tolist()


def test_its_orderings_stand_in_the_recipe_with_all_their_options(capability, finished):
    content = yaml.safe_load(finished.recipe.read_text())
    row, curve = content["order"]["learner"]["orderings"]
    assert (row["name"], row["reverse"], row["flip"]) == ("row", True, "none")
    assert (curve["name"], curve["reverse"]) == ("hilbert", False)
    assert compose(content, capability.host(), "again").resolved() == content


def test_the_schema_knows_the_orderings(capability):
    assert "hilbert" in json.dumps(recipe_schema(capability.host()))


@pytest.mark.parametrize(
    ("orderings", "reason"),
    [
        (["row", "hilbrt"], r"order\.learner\.orderings\.1.*hilbrt.*hilbert"),
        ([{"name": "row", "reversed": True}], r"order\.learner\.orderings\.0\.reversed"),
        ([], r"order\.learner\.orderings: .*at least 1"),
        (None, r"order\.learner\.orderings"),
    ],
)
def test_wrong_orderings_are_named_by_their_place(capability, orderings, reason):
    with pytest.raises(RecipeError, match=reason):
        capability.run("refused", {"order.learner": {"name": "through", "orderings": orderings}})


def test_one_ordering_is_one_leg(capability):
    learner = {"name": "through", "orderings": [{"name": "row", "reverse": True}]}
    folder = capability.run("one-leg", {"order": {"start": "row", "learner": learner}, "train.epochs": 2})
    # Six steps. After three, patches are 2/5 of the way to the slots on the other side, and the order is unchanged.
    assert json.loads(folder.epoch_order(1).read_text())["order"] == list(range(16))
    assert folder.read_result().order.final == REVERSED


def test_a_way_that_has_been_gone_cannot_be_continued(capability, finished):
    """It would begin again with the start of the first run, not where that ended."""
    order = {"weights": str(finished.path), "learner": capability.recipe["order"]["learner"]}
    with pytest.raises(ReorderKitError, match="does not begin with the order that it ended with"):
        capability.run("continued", {"order": order})
    assert not (capability.out / "continued").exists()
