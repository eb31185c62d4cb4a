"""Late problems of a run are refused by validate, or before any training."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from odd_components import Images, OddPlugin, Shapes
from reorder_kit import hookimpl
from reorder_kit.api.running import run
from reorder_kit.errors import RecipeError, ReorderKitError
from reorder_kit.experiment.validate import validate
from reorder_kit.interfaces import DataSplits
from reorder_kit.testing import host_with
from reorder_kit.training.trainer import Trainer
from says import says
from two_levels import TwoLevels


@pytest.fixture
def host():
    return host_with(OddPlugin())


@pytest.fixture(autouse=True)
def untrained(monkeypatch):
    def train(trainer):
        raise AssertionError("training has begun")

    monkeypatch.setattr(Trainer, "train", train)


def recipe(**sections: Any) -> dict[str, Any]:
    return {
        "format_version": 1,
        "name": "trial",
        "data": {"name": "digits", "batch_size": 300},
        "task": "demanding",
        "backbone": {"name": "plain", "patch_size": 2},
        "order": {"learner": {"name": "reinforce", "warmup_epochs": 0}},
        "train": {"epochs": 4, "device": "cpu"},
        **sections,
    }


def mistakes(content, host):
    with pytest.raises(RecipeError) as error:
        validate(content, host, "trial")
    return [str(problem) for problem in error.value.problems]


def test_a_control_whose_recipe_does_not_fit_is_told_with_its_reason(host):
    demanding = recipe(task={"name": "demanding", "requires": ["no-leaks"]}, controls=["shorter", "other-learner"])
    (mistake,) = mistakes(demanding, host)
    assert says(
        mistake, "controls: ", "other-learner", "task: demanding", "mixes patches", "straight_through", "remove it"
    )
    validate({**demanding, "controls": ["shorter"]}, host, "trial")
    validate({**demanding, "task": "demanding"}, host, "trial")


def test_a_control_that_leaves_too_few_epochs_for_new_weights_is_refused(host):
    order = {"learner": {"name": "reinforce", "warmup_epochs": 0, "search_epochs": 2, "search": "then-retrain"}}
    (mistake,) = mistakes(recipe(order=order, controls=["shorter"], train={"epochs": 6}), host)
    assert "the recipe of shorter is refused: order.learner: the search takes all of the 2 epochs" in mistake
    validate(recipe(order=order, controls=["shorter"], train={"epochs": 9}), host, "trial")


@pytest.mark.parametrize(
    ("steps", "controls"),
    # 1,200 images are 4 steps an epoch; the search ends with the second epoch. A third of 24 steps are 2 epochs.
    [(8, []), (24, ["shorter"])],
)
def test_steps_that_end_with_the_search_are_refused_before_any_training(host, tmp_path, steps, controls):
    order = {"learner": {"name": "reinforce", "warmup_epochs": 0, "search_epochs": 2, "search": "then-retrain"}}
    content = recipe(order=order, controls=controls, train={"steps": steps, "device": "cpu"})
    validate(content, host, "trial")
    with pytest.raises(ReorderKitError, match="the search takes all of the 2 epochs") as error:
        run(content, out=tmp_path / "run", host=host)
    assert error.value.hint == "shorten the warm-up or the search, or raise train.steps"
    assert not (tmp_path / "run").exists()
    enough = {**content, "train": {"steps": steps + 3, "device": "cpu"}}
    with pytest.raises(AssertionError, match="training has begun"):
        run(enough, out=tmp_path / "enough", host=host)


def test_a_rule_that_is_no_order_of_these_patches_is_refused(host):
    leaping = {"name": "leaping", "leap": 3}
    assert (
        "order.start: ordering 'leaping' does not visit every patch"
        in mistakes(recipe(data={"name": "shapes", "height": 6, "width": 6}, order={"start": leaping}), host)[0]
    )
    validate(recipe(order={"start": leaping}), host, "trial")
    # A control that replaces the start is compared with a run from that start, but none exists.
    replaced = recipe(
        data={"name": "shapes", "height": 6, "width": 6}, order={"start": leaping, "control": "random-fixed"}
    )
    assert "order.start: ordering 'leaping' does not visit every patch" in mistakes(replaced, host)[0]


def test_a_learner_that_orders_after_the_first_merge_is_refused(host):
    host.add(SimpleNamespace(register_backbones=hookimpl(lambda: [TwoLevels])), "two-levels")
    merging = recipe(backbone={"name": "two-levels", "patch_size": 2}, controls=["fixed-start"])
    order = {"learner": {"name": "odd", "before": [0, 1]}}
    (mistake,) = mistakes({**merging, "order": order}, host)
    assert mistake.startswith("task: ")
    assert "orders before block 1, but the backbone merges patches before block 1" in mistake
    validate({**merging, "order": {"learner": "odd"}}, host, "trial")


def test_images_that_cannot_be_scrambled_are_refused(host):
    shapes = {"name": "shapes", "height": 7, "width": 6, "plant": {"order": "random"}}
    assert mistakes(recipe(data=shapes), host) == [
        "data.plant: an image of 7x6 pixels cannot be divided into 3x3 whole patches to scramble "
        "(resize the images, or give the backbone another patch_size or grid)"
    ]
    validate(recipe(data={**shapes, "is_known": False}), host, "trial")


def test_half_precision_on_a_cpu_is_refused(host):
    assert "fp16 needs a CUDA GPU" in mistakes(recipe(train={"device": "cpu", "precision": "fp16"}), host)[0]
    validate(recipe(train={"precision": "fp16"}), host, "trial")


def test_a_prior_that_cannot_be_built_is_refused(host):
    prior = {"name": "conditional-entropy", "tokens": "bigram", "tokenizer": {"name": "pixels", "levels": 256}}
    assert "order.start: prior 'conditional-entropy'" in mistakes(recipe(order={"start": {"prior": prior}}), host)[0]


def test_data_without_an_image_or_without_views_is_refused_before_any_training(host, tmp_path, monkeypatch):
    content = recipe(data={"name": "shapes"}, order={})

    def splits(self, seed):
        return DataSplits(self.shape, ["even", "odd"], *(Images(self.shape, count) for count in (0, 4, 4)))

    monkeypatch.setattr(host.tasks.get("demanding"), "views", lambda self, training: 1)
    with pytest.raises(ReorderKitError, match="several views"):
        run(content, out=tmp_path / "run", host=host)
    monkeypatch.setattr(Shapes, "open", splits)
    with pytest.raises(ReorderKitError, match="the train split has no image"):
        run(content, out=tmp_path / "run", host=host)
    assert not (tmp_path / "run").exists()
