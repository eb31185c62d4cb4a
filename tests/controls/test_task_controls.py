"""Controls provided by a task, from the recipe to the result, and requirements of a control."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from reorder_kit import hookimpl
from reorder_kit.api.running import run
from reorder_kit.controls import BUILT_IN, RandomFixed, controls_of
from reorder_kit.errors import RecipeError, ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.recipe_schema import recipe_schema
from reorder_kit.interfaces import (
    BackboneFacts,
    ComponentOptions,
    EvaluatedControl,
    ImageShape,
    InRunControl,
    Order,
    OrderLearner,
    TrainedControl,
)
from reorder_kit.model.fixed_policies import FixedOrder
from reorder_kit.orders.grid import Grid
from reorder_kit.reports.record import RunRecord
from reorder_kit.reports.run_words import run_verdict
from reorder_kit.reports.write import page_of
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.tasks.classification import Classification
from reorder_kit.testing import host_with


class Blank(EvaluatedControl):
    """Black images."""

    name = "blank"
    words = "black images"

    def change(self, model, batch, classes):
        return model, replace(batch, images=torch.zeros_like(batch.images))


class FirstClass(EvaluatedControl):
    """Only images of the first class, unchanged."""

    name = "first-class"
    words = "images of one class"

    def comparable(self, batch, classes):
        return batch.take((batch.targets == 0).nonzero().squeeze(1))

    def change(self, model, batch, classes):
        assert len(batch)
        return model, batch


class NoImage(FirstClass):
    """No images."""

    name = "no-image"

    def comparable(self, batch, classes):
        return batch.take(torch.arange(0))


class Shorter(TrainedControl):
    """Half the epochs."""

    name = "shorter"
    words = "half the epochs"

    def recipe(self, content, learned_order):
        return {**content, "train": {**content["train"], "epochs": content["train"]["epochs"] // 2}}


class Backwards(InRunControl):
    """Reads every image from its end, whatever the recipe says, and doubles rewards."""

    name = "backwards"
    words = "the reverse order"

    def starting_order(self, grid, seed):
        return Order(torch.arange(grid.num_patches).flip(0))

    def policy(self, start):
        return FixedOrder(start)

    def reward(self, reward):
        return 2 * reward


class Controlled(Classification):
    """Classification with its own controls."""

    name = "controlled"
    own = (Blank(), FirstClass(), NoImage(), Shorter(), Backwards())

    def controls(self):
        return self.own


class ByImage(FixedOrder):
    """Says that its order depends on the image."""

    is_static = False


class ImageOrders(OrderLearner):
    """Builds such a policy."""

    name = "image-orders"
    uses_reward = False
    Options = ComponentOptions

    def build_policy(self, context):
        return ByImage(context.start)


class Plugin:
    @hookimpl
    def register_tasks(self):
        return [Controlled]

    @hookimpl
    def register_order_learners(self):
        return [ImageOrders]


@pytest.fixture(scope="module")
def host():
    return host_with(Plugin())


def recipe(**sections):
    return {
        "format_version": 1,
        "name": "trial",
        "data": {"name": "digits", "batch_size": 200},
        "task": "controlled",
        "backbone": {"name": "local", "patch_size": 2, "depth": 1, "dim": 8, "heads": 2},
        "train": {"epochs": 2, "device": "cpu"},
        **sections,
    }


def mistakes(host, **sections):
    with pytest.raises(RecipeError) as caught:
        compose(recipe(**sections), host, "trial")
    return [str(problem) for problem in caught.value.problems]


@pytest.fixture(scope="module")
def finished(host, tmp_path_factory):
    """A run with its controls; not to be changed."""
    folder = tmp_path_factory.mktemp("controlled") / "trial"
    names = ["blank", "random-fixed", "no-image", "shorter", "first-class"]
    return folder, run(recipe(controls=names), out=folder, host=host).as_dict()


def test_results_of_all_kinds_stand_beside_each_other(finished):
    folder, result = finished
    controls = result["controls"]
    assert list(controls) == ["blank", "random-fixed", "no-image", "shorter", "first-class"]
    assert controls["blank"]["words"] == "black images"
    assert controls["random-fixed"]["words"] == "a random order"
    assert controls["random-fixed"].keys() == controls["shorter"].keys() == {"words", "metrics"}
    assert controls["random-fixed"]["metrics"].keys() == {"test", "validation"}
    assert controls["no-image"] == {
        "words": "images of one class",
        "left_out": "no test image could be compared; larger batches may help",
    }
    assert len(RunRecord.read(RunFolder(folder / "controls" / "shorter")).epochs) == 1
    assert not (folder / "controls" / "blank").exists()


def test_an_evaluated_control_is_compared_on_the_same_images(finished):
    _, result = finished
    test, blank, first = result["metrics"]["test"], *(result["controls"][name] for name in ("blank", "first-class"))
    # Every image counts, and indistinguishable images score like the best constant answer.
    assert blank["own"]["test"]["images"] == blank["metrics"]["test"]["images"] == test["images"]
    assert blank["own"]["test"]["top1"] == pytest.approx(test["top1"])
    assert blank["own"]["test"]["loss"] == pytest.approx(test["loss"], rel=1e-5)
    assert blank["metrics"]["test"]["top1"] < 0.2
    # Only the choice of images was changed.
    assert 0 < first["own"]["test"]["images"] < test["images"] / 5
    assert first["own"] == first["metrics"]


def test_its_report_says_what_was_compared(finished, host):
    folder, result = finished
    said = run_verdict(RunRecord.read(RunFolder(folder)))
    blank = result["controls"]["blank"]
    own, black = blank["own"]["test"]["top1"], blank["metrics"]["test"]["top1"]
    figures = f"has {black:.3f}; on the same images, the run itself has {own:.3f}."
    assert f"The control blank, black images, {figures}" in said
    assert "The control no-image was left out: no test image could be compared; larger batches may help." in said
    page = page_of(folder, host)
    (figures,) = [section for section in page.sections if section.name == "figures"]
    rows = [[cell.text for cell in row] for row in figures.blocks[0].rows]
    assert [row[0] for row in rows] == ["trial", "blank", "random-fixed", "shorter", "first-class"]
    assert [row[-2] == "" for row in rows] == [False, True, False, False, True]  # the validation metric
    assert rows[4][4] == "+0.0"  # the run is ahead by this much on the same images


def test_the_order_of_batches_is_random_but_always_the_same(finished, host, tmp_path):
    _, result = finished
    again = run(recipe(controls=["first-class", "blank"]), out=tmp_path / "trial", host=host).as_dict()
    assert again["controls"]["blank"] == result["controls"]["blank"]
    assert again["controls"]["first-class"] == result["controls"]["first-class"]


def test_a_control_of_a_task_replaces_start_policy_and_reward(host):
    experiment = compose(recipe(order={"learner": "reinforce", "control": "backwards"}), host, "trial")
    start = experiment.known_start(ImageShape(1, 8, 8), Grid(2, 2))
    assert start.indices.tolist() == [3, 2, 1, 0]
    assert type(experiment.build_policy(start, BackboneFacts(Grid(2, 2), dim=8, depth=1), ())) is FixedOrder
    assert not experiment.learns
    assert experiment.control.reward(torch.ones(2)).tolist() == [2, 2]
    beside = experiment.control.recipe({"order": {"start": "row", "learner": "reinforce"}, "seed": 1}, "order.json")
    assert beside == {"order": {"start": "row", "learner": None, "control": "backwards"}, "seed": 1}


def test_a_task_without_controls_of_its_own_has_the_built_in_ones(host):
    assert controls_of(Classification()) == BUILT_IN
    assert list(controls_of(Controlled()))[len(BUILT_IN) :] == [control.name for control in Controlled.own]
    known = mistakes(host, task="classification", controls=["blank", "shorter"], order={"control": "backwards"})
    assert [line.partition(" (")[0] for line in known] == [
        "order.control: there is no choice 'backwards'",
        "controls.0: there is no choice 'blank'",
        "controls.1: there is no choice 'shorter'",
    ]


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({"controls": ["balnk"]}, "controls.0: there is no choice 'balnk' (did you mean 'blank'?)"),
        (
            {"order": {"control": "bakwards"}},
            "order.control: there is no choice 'bakwards' (did you mean 'backwards'?)",
        ),
        ({"order": {"control": "blank"}}, "order.control: blank cannot replace the learner (name it in controls)"),
        (
            {"order": {"control": "fixed-start"}},
            "order.control: fixed-start cannot replace the learner (name it in controls)",
        ),
        (
            {"controls": ["other-image"]},
            "controls: other-image needs a learner whose order depends on the image; the learner is none "
            "(remove the control)",
        ),
        (
            {"order": {"learner": "reinforce"}, "controls": ["other-image-same-class"]},
            "controls: other-image-same-class needs a learner whose order depends on the image; "
            "the learner is reinforce (remove the control)",
        ),
        (
            {"order": {"control": "backwards"}, "controls": ["blank"]},
            "controls: a run that is itself a control cannot have controls (remove one of the two)",
        ),
    ],
)
def test_mistakes_are_told_before_anything_is_loaded(host, sections, expected):
    assert mistakes(host, **sections) == [expected]


def test_mistakes_in_names_are_found_beside_others(host):
    found = mistakes(host, order={"start": {}, "control": "bakwards"}, controls=["balnk", "balnk"])
    fields = {line.partition(":")[0] for line in found}
    assert fields == {"order.start", "order.control", "controls", "controls.0", "controls.1"}


def test_a_dynamic_policy_has_the_controls_that_need_one(host):
    named = ["other-image", "other-image-same-class", "fixed-start"]
    experiment = compose(recipe(order={"learner": "image-orders"}, controls=named), host, "trial")
    assert [control.name for control in experiment.beside] == named


def test_a_name_that_is_taken_and_a_need_that_there_is_not_are_refused(host):
    class Taken(Controlled):
        own = (RandomFixed(),)

    class Needy(Blank):
        needs = frozenset({"pixels"})

    class Odd(Controlled):
        own = (Needy(),)

    with pytest.raises(ReorderKitError, match="a control 'random-fixed', but that name is taken"):
        controls_of(Taken())
    with pytest.raises(ReorderKitError, match="needs 'pixels', which is not a known need"):
        controls_of(Odd())


def test_the_schema_names_the_controls_of_every_task(host):
    schema = recipe_schema(host)
    names = schema["properties"]["controls"]["items"]["enum"]
    assert names == [*BUILT_IN, *(control.name for control in Controlled.own)]
    own = schema["$defs"]["OrderSection"]["properties"]["control"]["enum"]
    assert own == ["none", "null-reward", "random-fixed", "random-per-batch", "backwards"]
