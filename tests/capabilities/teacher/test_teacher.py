"""A teacher as a moving average worked out by hand, in evaluation, checkpoints, processes and after a kill."""

from __future__ import annotations

import json
import os
import signal
from unittest.mock import patch

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from capability_cases import load, outcome, prepared
from children import wait_for_lines
from reorder_kit.data.data_loading import evaluation_loader
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.building import build_model
from reorder_kit.model.ordered_model import for_evaluation
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.tasks.classification import Classification
from step_record import StepRecord, flat

MOMENTUM = 0.8


@pytest.fixture(scope="module")
def recorded(capability):
    """A run and what happened in its steps."""
    with StepRecord().of(capability.plugin.MeanTeacher) as record:
        folder = capability.run("recorded", {"train.ema_decay": 0.5})
    return folder, record


@pytest.fixture(scope="module")
def loaded(capability, recorded):
    return capability.open(recorded[0])


def untrained(loaded):
    return build_model(loaded.experiment, loaded.context, loaded.model.policy.best_order())


def moving_average(first, students):
    """In float64, step by step."""
    teacher, rows = first.double().numpy(), []
    for student in students:
        teacher = MOMENTUM * teacher + (1 - MOMENTUM) * student.double().numpy()
        rows.append(teacher)
    return np.stack(rows)


def test_the_teacher_is_the_moving_average_of_the_student(loaded, recorded):
    folder, record = recorded
    model = untrained(loaded)
    first = flat([*model.backbone.parameters(), *model.head.parameters()])
    assert torch.equal(flat(model.state.parameters()), first)
    expected = moving_average(first, record.weights)
    assert len(expected) == 18
    np.testing.assert_allclose(torch.stack(record.states), expected, rtol=0, atol=1e-6)
    saved = load_file(folder.latest_checkpoint() / "state.safetensors")
    assert torch.equal(flat(saved[name] for name, _ in model.state.named_parameters()), record.states[-1])
    assert torch.equal(flat(loaded.model.state.parameters()), record.states[-1])
    assert not torch.allclose(record.states[-1], record.weights[-1], atol=1e-3)


def test_the_loss_compares_student_and_teacher_in_the_same_order(loaded):
    batch, model = prepared(loaded, 9), loaded.model
    with torch.no_grad():
        result = loaded.experiment.task.step(model, batch, loaded.progress)
        answers = []
        for backbone, head in ((model.backbone, model.head), (model.state["backbone"], model.state["head"])):
            tokens = backbone.tokenize(batch.images)
            sequence = tokens.with_patches(tokens.patches[:, model.policy.best_order().indices])
            answers.append(head.linear(backbone.summarize(backbone.encode(sequence))).double().softmax(dim=1).numpy())
    for row, (student, teacher) in enumerate(zip(*answers, strict=True)):
        distance = sum((a - b) ** 2 for a, b in zip(student, teacher, strict=True))
        right = -np.log(student[batch.targets[row]])
        assert result.loss[row].item() == pytest.approx(right + distance, rel=1e-4)
        assert result.parts["distance"][row].item() == pytest.approx(distance, rel=1e-3)
        assert result.passes[0].reward[row].item() == pytest.approx(-right, rel=1e-4)


def test_the_teacher_is_what_is_evaluated_and_what_another_run_begins_with(capability, loaded, recorded):
    folder, _ = recorded
    state, evaluated = loaded.model.state, loaded.evaluated_model
    assert evaluated.backbone is state["backbone"]
    assert evaluated.head is state["head"]
    splits, hits, losses = loaded.experiment.open_data(), [], []
    for batch in evaluation_loader(splits.test, loaded.context.kind, "test", 200, 0):
        with torch.no_grad():
            tokens = state["backbone"].tokenize(batch.images)
            sequence = tokens.with_patches(tokens.patches[:, loaded.model.policy.best_order().indices])
            logits = state["head"].linear(state["backbone"].summarize(state["backbone"].encode(sequence)))
        hits += (logits.argmax(dim=1) == batch.targets).tolist()
        losses += torch.nn.functional.cross_entropy(logits, batch.targets, reduction="none").tolist()
    figures = folder.read_result().as_dict()["metrics"]["test"]
    assert figures["accuracy"] == pytest.approx(np.mean(hits))
    assert figures["loss"] == pytest.approx(np.mean(losses), rel=1e-4)  # it agrees with itself
    assert figures["parts"]["distance"] == 0
    changes = {"train.weights": {"run": str(folder.path), "parts": ["backbone"], "freeze": ["backbone"]}}
    probed = capability.run("probed", {**changes, "order.learner": None, "train.epochs": 1})
    frozen = load_file(probed.latest_checkpoint() / "model.safetensors")
    for name, tensor in state["backbone"].state_dict().items():
        assert torch.equal(frozen[f"backbone.{name}"], tensor), name


def test_the_state_is_no_part_of_what_is_trained_or_averaged(recorded):
    folder, record = recorded
    checkpoint = folder.latest_checkpoint()
    for file in ("model", "ema", "evaluated"):
        assert {name.partition(".")[0] for name in load_file(checkpoint / f"{file}.safetensors")} == {
            "backbone",
            "head",
        }
    moments = torch.load(checkpoint / "optimizers.pt", weights_only=True)["main"]
    trained = sum(each["exp_avg"].numel() for each in moments["state"].values())
    assert trained == len(record.weights[-1]) == len(record.gradients[-1])
    averaged, taught = (load_file(checkpoint / f"{file}.safetensors") for file in ("ema", "evaluated"))
    assert not torch.equal(averaged["head.linear.weight"], taught["head.linear.weight"])


def test_the_teacher_never_drops_out_and_has_no_gradient(capability):
    task, seen = capability.plugin.MeanTeacher, []
    step = task.step

    def watched(self, model, batch, progress):
        modes = {module.training for module in model.state.modules()}
        frozen = not any(parameter.requires_grad for parameter in model.state.parameters())
        before = flat(model.state.parameters())
        result = step(self, model, batch, progress)
        seen.append((model.training, model.backbone.training, modes, frozen))
        assert torch.equal(flat(model.state.parameters()), before)
        return result

    with patch.object(task, "step", watched):
        capability.run("watched", {"train.epochs": 1})
    assert (True, True, {False}, True) in seen
    assert {(modes == {False}, frozen) for _, _, modes, frozen in seen} == {(True, True)}


def test_new_weights_after_a_search_have_a_new_teacher(capability, loaded):
    learner = {"name": "softsort", "search": "then-retrain", "warmup_epochs": 0, "search_epochs": 1}
    with StepRecord().of(capability.plugin.MeanTeacher) as record:
        capability.run("retrained", {"order.learner": learner})
    model = untrained(loaded)
    first = flat([*model.backbone.parameters(), *model.head.parameters()])
    expected = np.concatenate([moving_average(first, record.weights[:6]), moving_average(first, record.weights[6:])])
    assert len(record.states) == 18
    np.testing.assert_allclose(torch.stack(record.states), expected, rtol=0, atol=1e-6)


def test_a_search_that_tries_orders_rewards_the_student(capability):
    """A policy searches with the trained model; the teacher is only evaluated."""
    task, rewarded = capability.plugin.MeanTeacher, []
    step = task.step

    def watched(self, model, batch, progress):
        rewarded.append(model.backbone is model.state["backbone"])
        return step(self, model, batch, progress)

    learner = {"name": "random-search", "warmup_epochs": 0, "search_epochs": 1, "candidates": 2, "explore_share": 0.0}
    with patch.object(task, "step", watched):
        folder = capability.run("searched", {"order.learner": learner, "train.epochs": 1, "data.batch_size": 1200})
    line = json.loads(folder.metrics.read_text())
    assert line["evaluated_images"] > 0
    assert rewarded[:3] == [False, False, False]  # at least two candidates, and the step itself
    assert all(rewarded[-2:])  # validation, test


def test_influence_does_not_apply_since_a_step_reads_twice(recorded):
    assert "reads its batch 2 times" in recorded[0].read_result().order.influence_does_not_apply


def test_nothing_but_a_model_can_be_evaluated(loaded):
    class Wrong(Classification):
        def model_for_evaluation(self, model):
            return model.state["backbone"]

    with pytest.raises(ReorderKitError, match="model_for_evaluation returned a Local"):
        for_evaluation(Wrong(), loaded.model)


@pytest.mark.slow
def test_two_processes_have_the_same_teacher(children, tmp_path, loaded):
    children.finish(*children.start_group("train", "teacher", str(tmp_path / "pair"), {"data.batch_size": 100}))
    first, second = (load_file(tmp_path / f"pair-process-{process}.safetensors") for process in range(2))
    assert len(first["states"]) == 18
    for name in ("gradients", "weights", "states"):
        assert torch.equal(first[name], second[name]), name
    assert not torch.equal(first["losses"], second["losses"])
    model = untrained(loaded)
    begun = flat([*model.backbone.parameters(), *model.head.parameters()])
    np.testing.assert_allclose(first["states"], moving_average(begun, first["weights"]), rtol=0, atol=1e-6)
    capability = load("teacher", tmp_path)
    opened = capability.open(RunFolder(tmp_path / "pair"))
    assert torch.equal(flat(opened.model.state.parameters()), first["states"][-1])


@pytest.mark.slow
def test_a_killed_run_goes_on_as_if_it_had_not_been_killed(children, tmp_path):
    changes = {"train.ema_decay": 0.9, "train.epochs": 6, "data.batch_size": 100}
    children.finish(children.start("train", "teacher", str(tmp_path / "whole"), changes))
    killed = children.start("train", "teacher", str(tmp_path / "killed"), changes)
    wait_for_lines(tmp_path / "killed" / "metrics.jsonl", 2)
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "result.json").exists()
    children.finish(children.start("train", "teacher", str(tmp_path / "killed"), changes, resume=True))
    whole, resumed = (outcome(RunFolder(tmp_path / name)) for name in ("whole", "killed"))
    assert any("state.safetensors" in name for name in whole)
    assert resumed == whole
