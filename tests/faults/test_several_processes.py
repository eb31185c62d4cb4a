import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import reorder_kit
from reorder_kit.data.data_loading import evaluation_loader
from reorder_kit.data_sources.digits import Digits
from reorder_kit.errors import ReorderKitError
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import CLASS
from reorder_kit.recipe.settings import TrainSettings
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.training.devices import build_accelerator
from reorder_kit.training.evaluation import evaluate
from reorder_kit.training.image_scores import ImageScores
from resealed import reseal

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(children, tmp_path_factory):
    """A run of reinforce trained by two processes; the number of test images is odd."""
    out = tmp_path_factory.mktemp("run") / "run"
    recipe = {
        "format_version": 1,
        "name": "pair",
        "data": {"name": "digits", "batch_size": 128},
        "task": "watched",
        "backbone": {"name": "local", "patch_size": 2, "dim": 8, "heads": 2, "depth": 1},
        "order": {
            "learner": {
                "name": "reinforce",
                "warmup_epochs": 0,
                "search_epochs": 2,
                "temperature": {"shape": "constant", "peak": 0.2},
                "groups": 4,
                "baseline": "ema",
            }
        },
        "train": {"epochs": 2, "device": "cpu"},
    }
    children.train_group(recipe, out)
    return RunFolder(out)


def test_ranks_draw_different_orders(finished):
    first, second = (
        [json.loads(line) for line in finished.sampled_orders(process).read_text().splitlines()] for process in range(2)
    )
    assert [line["epoch"] for line in first] == [line["epoch"] for line in second] == [1, 2]
    for ours, theirs in zip(first, second, strict=True):
        assert sorted(ours["order"]) == sorted(theirs["order"]) == list(range(16))
        assert ours["order"] != theirs["order"]


def test_ranks_end_with_the_same_weights_and_the_same_policy(finished):
    first, second = (load_file(f"{finished.path}-process-{process}.safetensors") for process in range(2))
    assert first.keys() == second.keys()
    assert any(name.startswith("policy.") for name in first)
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_the_policy_has_learned(finished):
    logits = load_file(finished.latest_checkpoint() / "policy.safetensors")["logits"]
    assert not torch.equal(logits, torch.linspace(0, -1, 16))


def test_every_image_is_counted_once_and_the_figures_are_those_of_one_process(finished):
    figures = finished.read_result().as_dict()["metrics"]["test"]
    assert figures["images"] == 497
    host = PluginHost(third_party=False)
    recipe = finished.recipe.read_text().replace("name: watched", "name: classification")
    finished.recipe.write_text(recipe)
    reseal(finished.path)
    splits = Digits().open(0)
    loader = evaluation_loader(splits.test, CLASS, "test", 128, 0)
    scores, run = ImageScores(497), reorder_kit.load_run(finished.path, host)
    alone = evaluate(
        run.evaluated_model,
        run.experiment.task,
        loader,
        run.context,
        build_accelerator(TrainSettings(device="cpu")),
        run.progress,
        image_scores=scores,
    )
    # Scores of images are in the order of the split, whichever process computed them.
    assert np.load(finished.test_scores).tolist() == scores.gather().tolist()
    assert 0 < scores.gather().sum() < 497
    alone = alone.model_dump()
    assert alone.pop("loss") == pytest.approx(figures.pop("loss"), rel=1e-6)
    assert alone == figures


def test_a_run_of_two_processes_cannot_go_on_with_one(children, recipe, wait_for_lines, tmp_path):
    out = tmp_path / "run"
    recipe = {**recipe, "task": "classification", "train": {**recipe["train"], "epochs": 100}}
    group = children.start_group("train", recipe, str(out))
    wait_for_lines(out / "metrics.jsonl", 2)  # by then there is a checkpoint of the first epoch
    for process in group:
        process.kill()
        process.join()
    host = PluginHost(third_party=False)
    with pytest.raises(ReorderKitError, match="was trained with 2 processes, not 1") as error:
        reorder_kit.run(recipe, out=out, resume=True, host=host)
    assert "--nproc-per-node 2" in error.value.hint


def test_two_killed_processes_go_on_as_if_they_had_not_been_killed(
    children, reinforce, outcome, wait_for_lines, tmp_path
):
    children.train_group(reinforce, tmp_path / "whole")
    killed = tmp_path / "killed"
    group = children.start_group("train", reinforce, str(killed))
    wait_for_lines(killed / "metrics.jsonl", 2)
    for process in group:
        process.kill()
        process.join()
    assert not (killed / "result.json").exists()
    children.train_group(reinforce, killed, resume=True)
    assert outcome(killed) == outcome(tmp_path / "whole")


@pytest.mark.parametrize(
    "backbone",
    [
        {"name": "longformer", "dim": 16, "depth": 2, "heads": 2, "window": 1},
        {"name": "transformer-xl", "dim": 16, "depth": 2, "heads": 2, "segment": 3, "memory": 3, "readout": "cls"},
        {"name": "mamba", "dim": 8, "depth": 2, "cls_position": "end", "gradient_checkpointing": True},
    ],
    ids=lambda backbone: backbone["name"],
)
def test_every_backbone_trains_in_two_processes(backbone, children, recipe, tmp_path):
    train = {**recipe["train"], "epochs": 2, "accumulate": 2}
    learner = {"name": "softsort", "warmup_epochs": 0, "search_epochs": 1}
    changed = {**recipe, "backbone": {**backbone, "patch_size": 2}, "train": train, "order": {"learner": learner}}
    children.train_group(changed, tmp_path / "run")
    first, second = (load_file(f"{tmp_path / 'run'}-process-{process}.safetensors") for process in range(2))
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    assert json.loads((tmp_path / "run" / "result.json").read_text())["metrics"]["test"]["images"] == 497


@pytest.mark.parametrize("learner", ["evolution", "random-search", "segment-search"])
def test_learners_that_try_orders_decide_alike_in_every_process(learner, children, recipe, tmp_path):
    """The batches of the two processes are different, and the last ones smaller."""
    trials = {"warmup_epochs": 0, "search_epochs": 3, "candidates": 12, "screen_images": 50, "significance": 0.9}
    changed = {**recipe, "order": {"learner": {"name": learner, "explore_share": 0.0, **trials}}}
    children.train_group(changed, tmp_path / "run")
    first, second = (load_file(f"{tmp_path / 'run'}-process-{process}.safetensors") for process in range(2))
    assert first["policy.replacements"] > 0
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_gradients_and_means_of_the_policy_are_averaged_and_counts_are_those_of_the_first(children, tmp_path):
    children.finish(*children.start_group("average", str(tmp_path)))
    for process in range(2):
        ended = load_file(tmp_path / f"process-{process}.safetensors")
        assert ended["gradient"].tolist() == [1.5, -3.0]  # the mean of (1, -2) and (2, -4)
        assert ended["mean"] == 5.0
        assert ended["count"] == 0


def test_rows_gathered_from_all_processes_have_the_gradient_of_one_process(children, tmp_path):
    import child_process

    children.finish(*children.start_group("gather", str(tmp_path)))
    first, second = (load_file(tmp_path / f"process-{process}.safetensors") for process in range(2))
    for number, sizes in enumerate(child_process.GATHERED_SIZES):
        inputs, weight = child_process.gather_case(number)
        weight.requires_grad_()
        rows = inputs @ weight
        parts = [slice(0, sizes[0]), slice(sizes[0], sum(sizes))]
        torch.stack([child_process.contrast(rows, part) for part in parts]).mean().backward()
        for found, part in ((first, parts[0]), (second, parts[1])):
            torch.testing.assert_close(found[f"rows-{number}"], rows.detach())
            torch.testing.assert_close(found[f"gradient-{number}"], weight.grad)
            assert found[f"mine-{number}"].tolist() == [part.start, part.stop]
        if sizes[0] == sizes[1]:  # then it is the gradient of the mean over all images
            whole = weight.detach().clone().requires_grad_()
            child_process.contrast(inputs @ whole, slice(0, sum(sizes))).backward()
            torch.testing.assert_close(first[f"gradient-{number}"], whole.grad)
    assert first["labels"].tolist() == second["labels"].tolist() == [0, 1, 2, 10, 11, 12, 13]


@pytest.mark.parametrize("task", [pytest.param("detection", marks=pytest.mark.slow), "segmentation"])
def test_a_head_that_looks_at_places_trains_in_two_processes(task, children, recipe, tmp_path):
    """The norm of the summary has no gradient then."""
    changed = {
        **recipe,
        "data": {"name": "scenes", "train_images": 24, "validation_images": 3, "test_images": 2, "batch_size": 8},
        "task": task,
        "backbone": {"name": "vit", "patch_size": 8, "dim": 16, "heads": 2, "depth": 1, "readout": "mean"},
        "train": {**recipe["train"], "epochs": 3, "accumulate": 2},
    }
    children.train_group(changed, tmp_path / "run")
    assert json.loads((tmp_path / "run" / "result.json").read_text())["metrics"]["test"]["images"] == 2
