"""Plugins that return nonsense, raise, or exit: the message always names the component and its plugin."""

from __future__ import annotations

import pytest
import torch

from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.host.plugin_record import PluginError
from reorder_kit.interfaces import BackboneFacts, DataSplits, Encoded, Grid, ImageShape, Order, Phases, Sample
from reorder_kit.training.run import run_experiment
from unruly_components import (
    DISTRIBUTION,
    RECIPE,
    RIGHT,
    SHAPE,
    Classify,
    Data,
    Evaluated,
    Given,
    Images,
    InRun,
    Kept,
    Learner,
    Net,
    Rows,
    Score,
    Scoring,
    StartPolicy,
    Zeros,
    broken,
    host_with_broken,
    raises,
    sections,
)


def gives(value):
    return lambda *arguments, **named: value


def splits(train=None, image=SHAPE, classes=("even", "odd")):
    return gives(DataSplits(image, classes, Images() if train is None else train, Images(), Images()))


class NoImages(Images):
    def __len__(self):
        return 0


def each_sample(sample):
    return type("Set", (Images,), {"__getitem__": gives(sample)})()


class RaisingImages(Images):
    def __getitem__(self, index):
        raise OSError("the disk is gone")


def metrics(figures):
    return gives(type("Figures", (Score,), {"compute": gives(figures)})())


def policy(**methods):
    return broken(Learner, policy=type("Theirs", (StartPolicy,), methods))


IMAGE = torch.zeros(SHAPE.axes)
WRONG = {
    "ordering without cells": (broken(Rows, cells=gives(None)), "TypeError"),
    "ordering that visits one cell": (broken(Rows, cells=gives([(0, 0)] * 4)), "does not visit every patch"),
    "backbone without facts": (broken(Net, facts=classmethod(gives(None))), "facts returned a NoneType"),
    "backbone without width": (broken(Net, facts=classmethod(gives(BackboneFacts(Grid(2, 2), 0, 1)))), "dim is 0"),
    "backbone without blocks": (broken(Net, facts=classmethod(gives(BackboneFacts(Grid(2, 2), 1, 0)))), "depth is 0"),
    "backbone without a grid": (
        broken(Net, facts=classmethod(gives(BackboneFacts((2, 2), 1, 1)))),
        "its grid is a tuple",
    ),
    "backbone that says another grid": (
        broken(Net, facts=classmethod(gives(BackboneFacts(Grid(1, 2), 1, 1)))),
        "tokenize gave patches of (4, 4, 1); its facts say (4, 2, 1)",
    ),
    "backbone without patches": (broken(Net, tokenize=gives(None)), "tokenize gave a NoneType"),
    "backbone that encodes nothing": (broken(Net, encode=gives(None)), "encode gave a NoneType"),
    "backbone that loses images": (
        broken(Net, encode=lambda self, sequence, *rest: Encoded(sequence.with_patches(sequence.patches[:1]))),
        "encode gave 1 images for a batch of 4",
    ),
    "backbone without a readout": (broken(Net, summarize=gives(None)), "its readout is NoneType"),
    "backbone with a wide readout": (
        broken(Net, summarize=lambda self, encoded: torch.zeros(encoded.sequence.batch, 3)),
        "its readout is (4, 3); its facts say (4, 1)",
    ),
    "backbone without reach": (broken(Net, reach=gives(None)), "reach gave NoneType for 4 slots"),
    "backbone with reach of shares": (broken(Net, reach=gives(torch.ones(4))), "reach gave torch.float32 of (4,)"),
    "learner without a policy": (broken(Learner, build_policy=gives(None)), "built a NoneType"),
    "learner without phases": (broken(Learner, phases=gives(None)), "phases returned a NoneType"),
    "learner that searches before the run": (broken(Learner, phases=gives(Phases(-1, 1))), "warmup_epochs"),
    "learner that adapts to nothing": (broken(Learner, adapted_to=gives(None)), "adapted_to returned a NoneType"),
    "policy with no optimizer of torch": (policy(build_optimizer=gives("adam")), "its optimizer is a str"),
    "policy without a loss": (policy(loss=gives(None)), "its loss is NoneType"),
    "policy with many losses": (policy(loss=gives(torch.zeros(4))), "its loss is a tensor of shape (4,)"),
    "policy with no metrics": (policy(metrics=gives(None)), "its metrics are a NoneType"),
    "policy with odd metrics": (policy(metrics=gives({"entropy": "high"})), "'entropy' is a str"),
    "policy without repeats": (policy(repeats=0), "declares repeats as 0"),
    "task without a head": (broken(Classify, build_head=gives(None)), "build_head gave a NoneType"),
    "task with odd state": (broken(Classify, build_state=gives(3)), "build_state gave a int"),
    "task that takes no step": (broken(Classify, step=gives(None)), "a step gave a NoneType"),
    "task with a reward for the batch": (
        broken(Classify, reward_per_image=gives(torch.tensor(0.0))),
        "gave reward of pass 0 of shape () for 4 images",
    ),
    "task that prepares nothing": (broken(Classify, prepare=gives(None)), "prepare gave a NoneType"),
    "task without metrics": (broken(Classify, build_metrics=gives(None)), "build_metrics gave a NoneType"),
    "task without figures": (broken(Classify, build_metrics=metrics(None)), "its metrics gave a NoneType"),
    "task without its headline": (broken(Classify, build_metrics=metrics({})), "no number for its headline 'score'"),
    "task with NaN": (broken(Classify, build_metrics=metrics({"score": float("nan")})), "'score' is nan"),
    "task with infinity": (broken(Classify, build_metrics=metrics({"score": float("inf")})), "'score' is inf"),
    "task with words": (broken(Classify, build_metrics=metrics({"score": "good"})), "'score' holds a str"),
    "task with a tensor": (
        broken(Classify, build_metrics=metrics({"score": 1.0, "other": torch.ones(())})),
        "'other' holds a Tensor",
    ),
    "task with half a view": (broken(Classify, views=gives(0.5)), "views gave 0.5"),
    "task with odd controls": (broken(Classify, controls=gives([3])), "did not return a list of controls"),
    "task that is fitted to nothing": (broken(Classify, fit=gives(None)), "not plain JSON data"),
    "data that opens to nothing": (broken(Data, open=gives(None)), "open returned a NoneType"),
    "data without classes": (broken(Data, open=splits(classes=())), "its classes are ()"),
    "data with numbered classes": (broken(Data, open=splits(classes=[0, 1])), "its classes are [0, 1]"),
    "data without images": (broken(Data, open=splits(NoImages())), "the train split has no image"),
    "data with a number for a split": (broken(Data, open=splits(4)), "its train split is a int"),
    "data without a shape": (broken(Data, open=splits(image=(1, 2, 2))), "the shape of its images is (1, 2, 2)"),
    "data of another shape than it said": (
        broken(Data, image=ImageShape(1, 4, 4)),
        "its images are 1x2x2, but it declared 1x4x4",
    ),
    "data that raises": (broken(Data, open=splits(RaisingImages())), "raised OSError: the disk is gone"),
    "data with nothing for a sample": (broken(Data, open=splits(each_sample(None))), "is a NoneType"),
    "data with small images": (
        broken(Data, open=splits(each_sample(Sample(IMAGE[:, :1], 0)))),
        "is torch.float32 of (1, 1, 2)",
    ),
    "data with bytes": (broken(Data, open=splits(each_sample(Sample(IMAGE.byte(), 0)))), "is torch.uint8 of (1, 2, 2)"),
    "data with NaN": (broken(Data, open=splits(each_sample(Sample(IMAGE * torch.nan, 0)))), "holds NaN or infinity"),
    "data of a class too many": (
        broken(Data, open=splits(each_sample(Sample(IMAGE, 2)))),
        "is class 2; there are 0 to 1",
    ),
    "data of a class before the first": (broken(Data, open=splits(each_sample(Sample(IMAGE, -1)))), "is class -1"),
    "data with words for classes": (
        broken(Data, open=splits(each_sample(Sample(IMAGE, "even")))),
        "is a str, not the number of a class",
    ),
    "prior that gives nothing": (broken(Given, start=gives(None)), "gave 'NoneType' instead of one order"),
    "prior that gives a patch twice": (
        broken(Given, start=gives(Order.trusted(torch.zeros(4, dtype=torch.long), 4))),
        "patch 0 appears twice",
    ),
    "prior without scores": (broken(Scoring, score=gives(None)), "gave None as the score of"),
    "prior with a NaN among its scores": (
        broken(Scoring, score=lambda self, patches, orders: {**dict.fromkeys(orders, 0.0), "row": float("nan")}),
        "gave nan as the score of row",
    ),
    "tokenizer without tokens": (broken(Zeros, tokens=gives(None)), "gave NoneType, not whole numbers"),
    "tokenizer with halves": (broken(Zeros, tokens=gives(torch.full((4, 4, 1), 0.5))), "gave torch.float32"),
    "tokenizer beyond its vocabulary": (broken(Zeros, tokens=gives(torch.full((4, 4, 1), 2))), "gave 2 to 2"),
    "tokenizer of one token": (broken(Zeros, vocabulary=property(gives(1))), "its vocabulary is 1"),
}
# For each kind, a method that every run calls.
CALLED = [
    (Rows, "cells"),
    (Net, "encode"),
    (Learner, "build_policy"),
    (Classify, "loss_per_image"),
    (Data, "open"),
    (Given, "start"),
    (Zeros, "tokens"),
]


def run(component, tmp_path, **changed):
    host = host_with_broken(component)
    content = {**RECIPE, **(sections(component) if component else {}), **changed}
    return run_experiment(compose(content, host, "trial"), host, tmp_path / "run")


def test_the_right_ones_make_a_run(tmp_path):
    _, result = run(None, tmp_path)
    assert result.metrics.test["score"] == 1.0


@pytest.mark.parametrize("component", [Scoring, Zeros, Given])
def test_the_right_priors_make_a_start(tmp_path, component):
    assert run(component, tmp_path)[1].order.prior is not None


@pytest.mark.parametrize(("component", "reason"), WRONG.values(), ids=WRONG)
def test_a_wrong_component_is_named_with_its_plugin(tmp_path, component, reason):
    with pytest.raises(ReorderKitError) as caught:
        run(component, tmp_path)
    message = str(caught.value)
    assert reason in message
    assert f"{component.kind.name} {component.name!r}" in message or f"{component.name!r} does not visit" in message
    assert f"plugin 'theirs' of {DISTRIBUTION}" in message or "does not visit" in message or "plain JSON" in message
    assert not (tmp_path / "run" / "result.json").exists()


@pytest.mark.parametrize("error", [LookupError("no table"), SystemExit(0), GeneratorExit()], ids=repr)
@pytest.mark.parametrize(("component", "method"), CALLED, ids=[each.name for each, _ in CALLED])
def test_whatever_a_component_raises_it_is_named_with_its_plugin(tmp_path, component, method, error):
    with pytest.raises(PluginError) as caught:
        run(broken(component, **{method: raises(error)}), tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{component.kind.name} {component.name!r} of plugin 'theirs' of {DISTRIBUTION} raised ")
    assert f"raised {type(error).__name__}" in message
    assert "REORDER_KIT_TRACEBACK=1" in message
    assert repr(caught.value.__cause__) == repr(error)


@pytest.mark.parametrize(("component", "method"), CALLED, ids=[each.name for each, _ in CALLED])
def test_ctrl_c_in_the_code_of_a_component_is_ctrl_c(tmp_path, component, method):
    with pytest.raises(KeyboardInterrupt):
        run(broken(component, **{method: raises(KeyboardInterrupt())}), tmp_path)


def test_a_sample_that_raises_in_another_process_is_told_as_in_this_one(tmp_path):
    data = {**RECIPE["data"], "workers": 1}
    with pytest.raises(ReorderKitError, match="raised OSError: the disk is gone") as caught:
        run(broken(Data, open=splits(RaisingImages())), tmp_path, data=data)
    assert "worker" not in str(caught.value)
    assert f"data-source 'their-data' (plugin 'theirs' of {DISTRIBUTION})" in str(caught.value)


# Controls, which tasks provide

IN_RUN = {
    "start": ({"starting_order": gives("row")}, "its start is a str"),
    "start of some patches": ({"starting_order": gives(Order([0, 1], 4))}, "its start is Order(2 of 4 patches: 0 1)"),
    "policy": ({"policy": gives("random")}, "built a str instead of a Policy"),
    "reward": ({"reward": gives(torch.zeros(1))}, "one reward for each of 4 images"),
}
BESIDE = {
    "recipe": (broken(Kept, recipe=gives(None)), "its recipe is a NoneType"),
    "change": (broken(Evaluated, change=gives(None)), "did not return a model and a batch"),
    "images": (broken(Evaluated, comparable=gives(None)), "comparable returned a NoneType"),
}


@pytest.mark.parametrize(("methods", "reason"), IN_RUN.values(), ids=IN_RUN)
def test_a_wrong_control_of_the_run_is_named(tmp_path, methods, reason):
    task = broken(Classify, controls=gives([broken(InRun, **methods)()]))
    order = {**RECIPE["order"], "control": "their-control"}
    with pytest.raises(ReorderKitError, match="control 'their-control'") as caught:
        run(task, tmp_path, order=order)
    assert reason in str(caught.value)


@pytest.mark.parametrize(("control", "reason"), BESIDE.values(), ids=BESIDE)
def test_a_wrong_control_beside_the_run_is_named(tmp_path, control, reason):
    task = broken(Classify, controls=gives([control()]))
    with pytest.raises(ReorderKitError, match="control 'their-control'") as caught:
        run(task, tmp_path, controls=["their-control"])
    assert reason in str(caught.value)


def test_every_kind_is_broken_in_some_way():
    broken_kinds = {component.kind.name for component, _ in WRONG.values()}
    assert broken_kinds == {each.kind.name for each in RIGHT} == {component.kind.name for component, _ in CALLED}
