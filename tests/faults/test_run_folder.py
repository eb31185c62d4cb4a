import json
import zipfile

import pytest
import torch
import yaml
from PIL import Image

import reorder_kit
from reorder_kit import hookimpl
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orders.checksums import with_checksum
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.testing import host_with
from resealed import change, reseal

SMALL = {
    "format_version": 1,
    "name": "small",
    "data": {"name": "digits", "batch_size": 400},
    "backbone": {"name": "local", "patch_size": 2, "dim": 8, "heads": 2, "depth": 1},
    "order": {"start": "hilbert"},
    "train": {"epochs": 1, "device": "cpu"},
}


@pytest.fixture(scope="module")
def host():
    return host_with()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run with everything that a run folder can hold."""
    out = tmp_path_factory.mktemp("runs") / "small"
    recipe = {
        **SMALL,
        "order": {"start": "hilbert", "learner": {"name": "reinforce", "warmup_epochs": 0, "search_epochs": 2}},
        "controls": ["fixed-start"],
        "train": {"epochs": 2, "device": "cpu", "ema_decay": 0.9},
    }
    reorder_kit.run(recipe, out=out, host=PluginHost(third_party=False))
    return RunFolder(out)


@pytest.mark.parametrize("control", [None, "fixed-start"])
def test_everything_is_there(control, finished):
    path = finished.controls / control if control else finished.path
    names = {child.name for child in path.iterdir()}
    assert names >= {
        "recipe.yaml",
        "plugins.json",
        "environment.json",
        "fitted.json",
        "metrics.jsonl",
        "orders",
        "order.json",
        "order.png",
        "predictions.png",
        "checkpoints",
        "result.json",
        "tensorboard",
    }
    assert not [name for name in names if "unfinished" in name]
    with Image.open(path / "order.png") as picture:
        picture.verify()


def test_there_is_an_order_for_the_start_and_for_every_epoch(finished):
    names = sorted(path.name for path in finished.orders.glob("*.json"))
    assert names == ["epoch-0001.json", "epoch-0002.json", "start.json"]
    start = OrderFile.load(finished.start_order)
    assert start.order == reorder_kit.order("hilbert", 4, 4)
    assert OrderFile.load(finished.epoch_order(2)).order == OrderFile.load(finished.order).order


def test_the_result_says_what_came_out(finished):
    result = finished.read_result().as_dict()
    assert {"format_version", "name", "metrics", "order", "controls", "seconds", "environment"} <= result.keys()
    assert result["metrics"]["test"]["images"] == 497
    assert result["metrics"]["validation"]["images"] == 100
    assert result["order"]["start"] == reorder_kit.order("hilbert", 4, 4).indices.tolist()
    assert result["order"]["reach"] == {"slots": 3, "of": 16, "is_selection": True}  # window 2, one block
    assert [share > 0 for share in result["order"]["influence"]] == [False] * 13 + [True] * 3
    control = RunFolder(finished.controls / "fixed-start").read_result().as_dict()
    assert result["controls"]["fixed-start"]["metrics"] == control["metrics"]
    assert with_checksum(result["environment"]) == json.loads(finished.environment.read_text())


def test_the_recipe_has_every_default_and_composes_again(finished, host):
    content = yaml.safe_load(finished.recipe.read_text())
    assert content["order"]["learner"]["baseline"] == "leave-one-out"
    assert content["backbone"]["causal"] is True
    assert compose(content, host, "again").resolved() == content


def test_checkpoints_hold_nothing_that_runs_code(finished):
    checkpoint = finished.latest_checkpoint()
    assert {path.suffix for path in checkpoint.iterdir()} == {".safetensors", ".json", ".pt"}
    torch.load(checkpoint / "optimizers.pt", weights_only=True)
    with zipfile.ZipFile(checkpoint / "optimizers.pt") as archive:
        (pickled,) = [archive.read(name) for name in archive.namelist() if name.endswith("data.pkl")]
    assert b"reorder_kit" not in pickled


def test_a_finished_run_is_not_trained_again(host, tmp_path):
    first = reorder_kit.run(SMALL, out=tmp_path / "run", host=host).as_dict()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    assert reorder_kit.run(SMALL, out=tmp_path / "run", resume=True, host=host).as_dict() == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")} == before


def test_runs_of_one_name_stand_beside_each_other_and_the_last_is_gone_on_with(host, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(3):
        reorder_kit.run(SMALL, host=host)
    (tmp_path / "runs" / "small7").mkdir()  # of another name
    (tmp_path / "runs" / "small-old").mkdir()
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {
        "small",
        "small-2",
        "small-3",
        "small7",
        "small-old",
    }
    RunFolder(tmp_path / "runs" / "small-3").result.unlink()
    reorder_kit.run(SMALL, resume=True, host=host)
    assert RunFolder(tmp_path / "runs" / "small-3").is_finished


def test_a_folder_that_is_not_empty_is_not_written_to(host, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ReorderKitError, match="is not an empty folder") as error:
        reorder_kit.run(SMALL, out=tmp_path, host=host)
    assert "--resume" in error.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_file_is_no_run_folder(host, tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(ReorderKitError, match="is not an empty folder"):
        reorder_kit.run(SMALL, out=tmp_path / "run", host=host)


def test_there_must_be_a_run_to_go_on_with(host, tmp_path):
    with pytest.raises(ReorderKitError, match="has no run to resume"):
        reorder_kit.run(SMALL, out=tmp_path / "run", resume=True, host=host)
    assert not (tmp_path / "run").exists()


def test_a_run_does_not_go_on_with_another_recipe(host, tmp_path):
    reorder_kit.run(SMALL, out=tmp_path / "run", host=host)
    with pytest.raises(ReorderKitError, match=r"these fields differ: backbone\.dim, train\.epochs\n"):
        reorder_kit.run(SMALL, {"train.epochs": 2, "backbone.dim": 4}, out=tmp_path / "run", resume=True, host=host)


class StopAfterEpochOne:
    """What a person does with Ctrl-C."""

    @hookimpl
    def epoch_finished(self, run, epoch, record):
        if epoch == 1:
            raise KeyboardInterrupt


def start_and_stop(recipe, out):
    stopping = host_with(StopAfterEpochOne())
    with pytest.raises(KeyboardInterrupt):
        reorder_kit.run(recipe, out=out, host=stopping)


def test_a_run_goes_on_though_its_file_is_called_by_another_path(host, tmp_path, monkeypatch):
    OrderFile("mine", Grid(4, 4), Order(list(reversed(range(16))))).save(tmp_path / "mine.json")
    monkeypatch.chdir(tmp_path)
    start = {"train.epochs": 1}
    first = reorder_kit.run(SMALL, {**start, "order.start": {"file": "./mine.json"}}, out="run", host=host).as_dict()
    spelt = {**start, "order.start": {"file": str(tmp_path / "mine.json")}}
    assert reorder_kit.run(SMALL, spelt, out="run", resume=True, host=host).as_dict() == first
    other = {**start, "order.start": {"file": str(tmp_path / "other" / "mine.json")}}
    (tmp_path / "other").mkdir()
    OrderFile("mine", Grid(4, 4), Order(list(reversed(range(16))))).save(tmp_path / "other" / "mine.json")
    with pytest.raises(ReorderKitError, match=r"these fields differ: order\.start\.file\n"):
        reorder_kit.run(SMALL, other, out="run", resume=True, host=host)


def test_a_run_keeps_the_start_it_had_though_its_file_changes(host, tmp_path):
    file, reverse = tmp_path / "start.json", list(reversed(range(16)))
    OrderFile("start", Grid(4, 4), Order(reverse)).save(file)
    recipe = {**SMALL, "order": {"start": {"file": str(file)}}, "train": {"epochs": 2, "device": "cpu"}}
    start_and_stop(recipe, tmp_path / "run")
    OrderFile("start", Grid(4, 4), Order(range(16))).save(file)
    result = reorder_kit.run(recipe, out=tmp_path / "run", resume=True, host=host).as_dict()
    assert result["order"]["start"] == result["order"]["final"] == reverse


def test_an_entropy_is_that_of_the_step_and_none_of_an_earlier_one(host, tmp_path):
    # One step per epoch; the last step of the search is at temperature 0, where nothing is drawn.
    learner = {"name": "reinforce", "warmup_epochs": 1, "search_epochs": 3}
    recipe = {**SMALL, "data": {"name": "digits", "batch_size": 1200}, "order": {"learner": learner}}
    reorder_kit.run({**recipe, "train": {"epochs": 5, "device": "cpu"}}, out=tmp_path / "run", host=host)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["policy"]["entropy"] > 0 for line in lines] == [False, False, True, False, False]


def test_a_folder_that_cannot_be_made_is_an_error_for_people(host, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ReorderKitError, match=r"file/run: cannot be written: .*file is not a folder") as caught:
        reorder_kit.run(SMALL, out=tmp_path / "file" / "run", host=host)
    assert "another place" in caught.value.hint


@pytest.mark.parametrize("name", ["result.json", "checkpoints/epoch-000001/state.json"])
def test_a_damaged_file_is_named(name, host, tmp_path):
    reorder_kit.run(SMALL, out=tmp_path / "run", host=host)
    damaged = tmp_path / "run" / name
    damaged.write_text(damaged.read_text()[:-20])
    if name != "result.json":
        (tmp_path / "run" / "result.json").unlink()
    with pytest.raises(ReorderKitError, match=rf"{name}: cannot be read"):
        reorder_kit.run(SMALL, out=tmp_path / "run", resume=True, host=host)


def test_a_result_of_another_format_is_refused(host, tmp_path):
    result = reorder_kit.run(SMALL, out=tmp_path / "run", host=host).as_dict()
    folder = RunFolder(tmp_path / "run")
    folder.result.write_text(json.dumps({**result, "format_version": 2}))
    with pytest.raises(ReorderKitError, match=r"result\.json: format_version 2 is not 1"):
        folder.read_result()


def test_a_checkpoint_or_a_recipe_of_another_format_is_refused(host, tmp_path):
    reorder_kit.run(SMALL, out=tmp_path / "run", host=host)
    folder = RunFolder(tmp_path / "run")
    facts = folder.latest_checkpoint() / "state.json"
    folder.result.unlink()
    change(facts, format_version=0)
    with pytest.raises(ReorderKitError, match=r"state\.json: format_version 0 is not 1"):
        reorder_kit.load_run(folder.path, host)
    change(facts, format_version=1)
    folder.recipe.write_text(folder.recipe.read_text().replace("format_version: 1", "format_version: 2"))
    reseal(folder.path)
    with pytest.raises(ReorderKitError, match="format_version"):
        reorder_kit.load_run(folder.path, host)


def test_an_unfinished_run_has_no_result(tmp_path):
    with pytest.raises(ReorderKitError, match="does not hold a finished run"):
        RunFolder(tmp_path).read_result()


def test_a_head_that_looks_at_places_reads_every_patch(host, tmp_path):
    recipe = {
        "format_version": 1,
        "name": "places",
        "data": {"name": "scenes", "train_images": 4, "validation_images": 1, "test_images": 1},
        "task": "segmentation",
        "backbone": {"name": "local", "patch_size": 16, "window": 2, "depth": 1, "dim": 8, "heads": 2},
        "train": {"epochs": 1, "device": "cpu"},
    }
    result = reorder_kit.run(recipe, out=tmp_path / "run", host=host).as_dict()
    assert result["order"]["reach"] == {"slots": 16, "of": 16, "is_selection": False}
    assert all(result["order"]["influence"])
