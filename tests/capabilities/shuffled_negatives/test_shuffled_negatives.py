"""A task around another one, with negatives, a loss and a control of its own, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import yaml

from capability_cases import load, prepared
from reorder_kit.data.data_loading import evaluation_loader
from reorder_kit.errors import RecipeError
from reorder_kit.experiment.compose import compose
from reorder_kit.interfaces import Order, Task, TaskWrapper
from reorder_kit.recipe.overrides import override
from reorder_kit.tasks.classification import Classification


@pytest.fixture(scope="module")
def loaded(capability, finished):
    return capability.open(finished)


def patches_of(image):
    """The sixteen patches of 2x2 pixels, as lists."""
    return [
        image[0, row : row + 2, column : column + 2].tolist() for row in range(0, 8, 2) for column in range(0, 8, 2)
    ]


def test_a_negative_has_the_same_patches_in_other_places(loaded):
    batch, again = prepared(loaded, 20), prepared(loaded, 30)
    negatives = batch.prepared["shuffled"]
    for image, negative in zip(batch.images, negatives, strict=True):
        assert sorted(patches_of(image)) == sorted(patches_of(negative))
        assert patches_of(image) != patches_of(negative)
    assert torch.equal(again.prepared["shuffled"][:20], negatives)
    whole = torch.arange(64.0).reshape(1, 8, 8).expand(20, 1, 8, 8)  # to see the places
    shuffled = loaded.experiment.task.prepare(batch.with_images(whole), False, loaded.context).prepared["shuffled"]
    assert len(shuffled.flatten(1).unique(dim=0)) == 20


def test_the_loss_is_that_of_the_inner_task_and_of_the_question(loaded):
    batch, model = prepared(loaded, 7), loaded.model
    with torch.no_grad():
        result = loaded.experiment.task.step(model, batch, loaded.progress)
        asked = []
        for images in (batch.images, batch.prepared["shuffled"]):
            tokens = model.backbone.tokenize(images)
            sequence = tokens.with_patches(tokens.patches[:, model.policy.best_order().indices])
            summary = model.backbone.summarize(model.backbone.encode(sequence))
            asked.append(model.head.question.linear(summary).squeeze(1).double().numpy())
        inner = Classification(Classification.Options(label_smoothing=0.1))
        outputs = model.with_parts(head=model.head.inner)(batch).outputs
        expected = inner.loss_per_image(outputs, batch.targets).double().numpy()
    torch.testing.assert_close(result.outputs, outputs)
    for row in range(7):
        question = np.log(1 + np.exp(-asked[0][row])) + np.log(1 + np.exp(asked[1][row]))
        assert result.parts["question"][row].item() == pytest.approx(question, rel=1e-4)
        assert result.loss[row].item() == pytest.approx(expected[row] + 0.5 * question, rel=1e-4)
        assert result.passes[0].reward[row].item() == pytest.approx(-expected[row], rel=1e-4)
        assert result.passes[1].reward[row].item() == pytest.approx(-question, rel=1e-4)


def test_metrics_and_declarations_are_those_of_the_inner_task(finished, loaded):
    task = loaded.experiment.task
    assert (task.target_kinds, task.headline) == (Classification.target_kinds, "top1")
    reader = loaded.model.with_parts(head=loaded.model.head.inner)
    hits = []
    for batch in evaluation_loader(loaded.experiment.open_data().test, loaded.context.kind, "test", 200, 0):
        with torch.no_grad():
            hits += (reader(batch).outputs.argmax(dim=1) == batch.targets).tolist()
    assert finished.read_result().metrics.test["top1"] == pytest.approx(np.mean(hits))
    assert np.load(finished.test_scores).tolist() == hits
    assert torch.equal(task.predict(loaded.model, batch), reader(batch).outputs)
    written = yaml.safe_load(finished.recipe.read_text())["task"]
    assert written == {
        "name": "shuffled-negatives",
        "inner": {"name": "classification", "label_smoothing": 0.1, "mixup": 0.0, "cutmix": 0.0},
        "weight": 0.5,
    }


def test_its_control_evaluates_the_model_on_shuffled_images(finished, loaded):
    """Image by image: each is cut, put together as the negative is, and classified."""
    control = finished.read_result().as_dict()["controls"]["shuffled-patches"]
    assert control["words"] == "the patches of each image shuffled"
    task, reader = loaded.experiment.task, loaded.model.with_parts(head=loaded.model.head.inner)
    hits = {"images": [], "shuffled": []}
    for batch in evaluation_loader(loaded.experiment.open_data().test, loaded.context.kind, "test", 50, 0):
        batch = task.prepare(batch, False, loaded.context)
        for name, images in (("images", batch.images), ("shuffled", batch.prepared["shuffled"])):
            with torch.no_grad():
                hits[name] += (reader(batch.with_images(images)).outputs.argmax(dim=1) == batch.targets).tolist()
    assert control["own"]["test"]["top1"] == pytest.approx(np.mean(hits["images"]))
    assert control["metrics"]["test"]["top1"] == pytest.approx(np.mean(hits["shuffled"]))
    assert control["metrics"]["test"]["top1"] < control["own"]["test"]["top1"]


def test_a_wrapper_hands_on_whatever_a_task_can_do():
    can_do = {name for name, value in vars(Task).items() if callable(value) and not name.startswith("_")}
    assert {"step", "prepare", "model_for_evaluation"} < can_do <= vars(TaskWrapper).keys()


def test_images_and_negatives_are_read_in_the_same_drawn_orders(loaded):
    model, policy = loaded.model, loaded.experiment.build_policy(Order.identity(16), loaded.context.facts, [])
    policy.temperature = 1.0
    searching = type(model)(model.backbone, policy, model.head).train()
    result = loaded.experiment.task.step(searching, prepared(loaded, 8), loaded.progress)
    own, asked = result.passes
    assert own.proposals[0] is asked.proposals[0]
    assert own.proposals[0].log_prob is not None
    model.eval()


def test_its_control_belongs_to_it_alone(capability):
    content = override(capability.recipe, {"task": "classification"}.items())
    with pytest.raises(RecipeError, match=r"controls\.0: there is no choice 'shuffled-patches'"):
        compose(content, capability.host(), "trial")


def test_what_is_wrong_with_the_inner_task_is_said_where_it_stands(capability):
    for inner, expected in (
        ({"name": "classification", "smoothing": 0.1}, "task.inner.smoothing: there is no such field"),
        ("classificaton", "task.inner.name: there is no task 'classificaton'"),
        ("detection", "shuffled-negatives needs targets of the kind boxes, but data source digits has class"),
    ):
        content = override(capability.recipe, {"task.inner": inner}.items())
        with pytest.raises(RecipeError) as error:
            compose(content, capability.host(), "trial")
        assert expected in str(error.value)


@pytest.mark.parametrize("inner", ["teacher", "masked_reconstruction"])
def test_it_wraps_tasks_with_state_and_with_masks(inner, capability, tmp_path):
    other = load(inner, tmp_path)
    changes = {"task.inner": other.recipe["task"], "controls": ["shuffled-patches"], "train.epochs": 1}
    folder = capability.run(f"around-{inner}", {**changes, "order.learner": None}, plugins=(other.plugin,))
    result = folder.read_result().as_dict()
    assert result["headline"] == {"teacher": "accuracy", "masked_reconstruction": "error"}[inner]
    assert result["higher_is_better"] == (inner == "teacher")
    assert {"distance", "question"} - set(result["metrics"]["test"]["parts"]) == (
        set() if inner == "teacher" else {"distance"}
    )
    assert (folder.latest_checkpoint() / "state.safetensors").exists() == (inner == "teacher")
    assert "reads its batch" in result["order"]["influence_does_not_apply"]
