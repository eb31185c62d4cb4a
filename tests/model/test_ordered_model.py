import json
import shutil

import pytest
import torch

import reorder_kit
from reorder_kit.data.data_loading import evaluation_loader
from reorder_kit.data_sources.digits import Digits
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.building import build_model
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.loaded_run import LoadedRun
from reorder_kit.interfaces import CLASS, Batch, ImageShape, TaskContext
from reorder_kit.orders.order import Order
from reorder_kit.recipe.settings import TrainSettings
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.testing import host_with
from reorder_kit.training.devices import build_accelerator
from reorder_kit.training.evaluation import evaluate

IMAGE = ImageShape(1, 8, 8)
CLASSES = [str(digit) for digit in range(10)]
RECIPE = {
    "format_version": 1,
    "name": "small",
    "data": {"name": "digits", "batch_size": 200},
    "backbone": {"name": "local", "patch_size": 2, "dim": 8, "heads": 2, "depth": 1, "dropout": 0.1},
    "order": {"start": "spiral", "learner": {"name": "softsort", "warmup_epochs": 0, "search_epochs": 1}},
    "optimizer": {"lr": 3e-3},
    "train": {"epochs": 2, "ema_decay": 0.9, "device": "cpu"},
}


@pytest.fixture(scope="module")
def host():
    return host_with()


@pytest.fixture(scope="module")
def finished(host, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "small"
    reorder_kit.run(RECIPE, out=out, host=host)
    return RunFolder(out)


def build(host, seed=0, order="row", learner=None):
    content = {**RECIPE, "seed": seed, "order": {"start": order, "learner": learner}}
    experiment = compose(content, host, "test")
    facts = experiment.facts(IMAGE)
    context = TaskContext(facts, IMAGE, experiment.kind, CLASSES)
    return build_model(experiment, context, experiment.start.order(facts.grid))


def weights(model):
    return {**model.backbone.state_dict(), **model.head.state_dict()}


def all_equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_weights_depend_on_the_seed_alone(host):
    reference = weights(build(host))
    for order, learner in [("hilbert", None), ("row", "softsort"), ("spiral", "reinforce")]:
        assert all_equal(weights(build(host, order=order, learner=learner)), reference)
    assert not all_equal(weights(build(host, seed=1)), reference)


def test_building_leaves_the_global_random_stream_as_it_was(host):
    before = torch.get_rng_state()
    build(host)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_patches_are_encoded_in_the_order_of_the_policy(host):
    model = build(host, order="spiral").eval()
    images = torch.randn(3, 1, 8, 8)
    encoded = []

    def watch(sequence):
        encoded.append(sequence)
        return sequence

    features = model.watched(watch).read(Batch(images))
    # The first slots of a clockwise spiral on a 4x4 grid: the upper edge, then down on the right.
    assert features.order.indices[:6].tolist() == [0, 1, 2, 3, 7, 11]
    assert torch.equal(encoded[0].patches[:, 5], model.backbone.tokenize(images).patches[:, 11])


def test_the_model_of_a_run_reproduces_its_test_figures_exactly(host, finished):
    splits = Digits().open(0)
    run = LoadedRun.open(finished.path, host)
    loader = evaluation_loader(splits.test, CLASS, "test", 200, 0)
    accelerator = build_accelerator(TrainSettings(device="cpu"))
    figures = evaluate(run.evaluated_model, run.experiment.task, loader, run.context, accelerator, run.progress)
    assert figures == finished.read_result().metrics.test


def test_the_model_of_a_run_is_ready_to_be_used(host, finished):
    model = reorder_kit.load_run(str(finished.path), host).model
    assert not model.training
    assert model.policy.best_order() == Order(finished.read_result().order.final)
    assert model.policy.best_order() == Order(json.loads(finished.order.read_text())["order"])


def test_loading_touches_neither_the_random_stream_nor_the_data(host, finished, monkeypatch):
    def refuse(self, seed):
        raise AssertionError("the data was opened")

    monkeypatch.setattr(Digits, "open", refuse)
    before = torch.get_rng_state()
    LoadedRun.open(finished.path, host)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_folder_without_a_run_is_an_error(host, tmp_path):
    with pytest.raises(ReorderKitError, match="has no checkpoint"):
        LoadedRun.open(tmp_path, host)


@pytest.mark.parametrize("name", ["ema", "policy"])
def test_torn_weights_are_an_error_that_names_the_file(name, host, finished, tmp_path):
    copy = RunFolder(shutil.copytree(finished.path, tmp_path / "copy"))
    torn = copy.latest_checkpoint() / f"{name}.safetensors"
    torn.write_bytes(torn.read_bytes()[:-10])
    with pytest.raises(ReorderKitError, match=f"{name}.safetensors: is damaged"):
        LoadedRun.open(copy.path, host)


@pytest.fixture
def no_downloads(monkeypatch):
    """Let timm build a named model, and note whether it was asked for its weights; its facts take none."""
    import timm

    asked = []
    create = timm.create_model

    def create_without_weights(name, pretrained=False, **options):
        for_facts = torch.get_default_device().type == "meta"
        assert not (for_facts and pretrained)
        if not for_facts:
            asked.append(pretrained)
        return create(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", create_without_weights)
    return asked


def test_pretrained_weights_are_fetched_once_and_not_again_where_a_checkpoint_replaces_them(
    host, no_downloads, tmp_path, monkeypatch
):
    backbone = {"name": "timm", "model": "test_vit", "pretrained": True, "patch_size": 4}
    recipe = {**RECIPE, "backbone": backbone, "order": {"start": "row"}, "train": {"epochs": 1, "device": "cpu"}}
    reorder_kit.run(recipe, out=tmp_path / "run", host=host)
    assert no_downloads == [True]
    LoadedRun.open(tmp_path / "run", host)
    assert no_downloads == [True, False]
    RunFolder(tmp_path / "run").result.unlink()
    reorder_kit.run(recipe, out=tmp_path / "run", resume=True, host=host)
    assert no_downloads == [True, False, False]
