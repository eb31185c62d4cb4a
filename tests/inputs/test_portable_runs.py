"""Runs opened elsewhere: another working directory or folder, data in another location, a missing plugin."""

from __future__ import annotations

import json
import logging
import shutil

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

import reorder_kit
from reorder_kit.cli.main import app
from reorder_kit.data_sources.coco_detection import CocoDetection
from reorder_kit.data_sources.hf import HuggingFace
from reorder_kit.data_sources.multi_label_csv import MultiLabelCsv
from reorder_kit.errors import ReorderKitError
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orderings.custom import Custom
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.testing import host_with
from reorder_kit.tokenizers.vq_vae import VqVaeTokenizer
from resealed import reseal
from says import says

HOST = host_with()
RECIPE = {
    "format_version": 1,
    "name": "photos",
    "data": {"name": "image-folder", "root": "photos", "batch_size": 8, "train_transforms": []},
    "backbone": {"name": "local", "patch_size": 4, "dim": 8, "heads": 2, "depth": 1},
    "train": {"epochs": 1, "device": "cpu"},
}


def paint_photos(root):
    """Different bright and dark pictures."""
    for number in range(24):
        path = root / ("bright", "dark")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        shade = 255 - number if number % 2 == 0 else number
        Image.fromarray(np.full((8, 8, 3), shade, dtype=np.uint8)).save(path)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with data and a run, whose recipe names the data relative to that folder."""
    home = tmp_path_factory.mktemp("project")
    paint_photos(home / "photos")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        reorder_kit.run(RECIPE, out="run", host=HOST)
    return home


@pytest.fixture
def copied(project, tmp_path):
    """The same project, to be moved; the data of the original cannot be reached from there."""
    shutil.copytree(project, tmp_path / "project")
    run = tmp_path / "project" / "run"
    for file in (run / "recipe.yaml", run / "environment.json"):
        file.write_text(file.read_text().replace(str(project), str(tmp_path / "gone")))
    reseal(run)
    return tmp_path / "project"


@pytest.fixture
def cli(tmp_path, monkeypatch):
    """The command line in an unrelated working directory."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def score(folder):
    return RunFolder(folder).read_result().score


def evaluated(done):
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["orders"][0]["metrics"]["top1"]


def test_paths_are_written_down_as_they_are_found_from_anywhere(project):
    content = yaml.safe_load((project / "run" / "recipe.yaml").read_text())
    assert content["data"]["root"] == str(project / "photos")


@pytest.mark.parametrize("command", ["evaluate", "saliency", "report", "export-order"])
def test_a_run_opens_from_another_working_directory(project, cli, command):
    done = cli(command, project / "run")
    assert done.exit_code == 0, done.output


def test_a_run_folder_copied_elsewhere_finds_its_data_where_that_stayed(project, cli, tmp_path):
    shutil.copytree(project / "run", tmp_path / "copy")
    assert evaluated(cli("evaluate", tmp_path / "copy", "--json")) == score(project / "run")


def test_data_that_was_moved_with_the_run_is_found(copied, cli, caplog):
    with caplog.at_level(logging.WARNING):
        assert evaluated(cli("evaluate", copied / "run", "--json")) == score(copied / "run")
    assert any(says(message, "data.root", "gone", "project/photos") for message in caplog.messages)


def test_a_run_folder_copied_elsewhere_with_its_data_moved_opens_from_another_working_directory(copied, cli, tmp_path):
    (copied / "photos").rename(tmp_path / "moved")
    done = cli("evaluate", copied / "run")
    assert done.exit_code == 2
    assert says(done.stderr, "data.root", "gone/photos")
    place = f"data.root={tmp_path / 'moved'}"
    assert evaluated(cli("evaluate", copied / "run", "--set", place, "--json")) == score(copied / "run")
    for command in ("saliency", "report", "export-order"):
        done = cli(command, copied / "run", "--set", place)
        assert done.exit_code == 0, done.output
    assert "data:image/png" in (copied / "run" / "report" / "report.html").read_text()
    loaded = reorder_kit.load_run(copied / "run", HOST, {"data.root": str(tmp_path / "moved")})
    assert len(loaded.experiment.open_data().test) > 0


def test_a_place_is_relative_to_the_working_directory(copied, cli, tmp_path):
    (copied / "photos").rename(tmp_path / "moved")
    done = cli("evaluate", copied / "run", "--set", "data.root=../moved", "--set", "data.workers=0", "--json")
    assert evaluated(done) == score(copied / "run")


@pytest.mark.parametrize("command", ["evaluate", "saliency", "report", "export-order"])
def test_no_command_takes_what_would_change_the_result(project, cli, command):
    done = cli(command, project / "run", "--set", "data.split_seed=1")
    assert done.exit_code == 2
    assert says(done.stderr, "data.split_seed", "only locations of data", "data.root")


@pytest.mark.parametrize("field", ["seed", "backbone.dim", "data.image_size", "data", "data.batch_size", "order.start"])
def test_what_would_change_the_result_is_no_place(project, field):
    with pytest.raises(ReorderKitError) as raised:
        reorder_kit.load_run(project / "run", HOST, {"data.root": str(project), field: 1})
    (problem,) = raised.value.problems
    assert problem.path == field


def test_a_mistyped_place_is_refused_with_the_one_that_is_meant(project, cli):
    done = cli("evaluate", project / "run", "--set", "data.rot=/data")
    assert done.exit_code == 2
    assert says(done.stderr, "data.rot", "no such field", "data.root")


def test_a_report_says_if_the_data_is_not_in_the_given_place(project, cli):
    done = cli("report", project / "run", "--set", "data.root=nowhere")
    assert done.exit_code == 2
    assert "nowhere" in done.stderr


@pytest.fixture
def stopped(project, tmp_path):
    """A run stopped after its only epoch, before its result."""
    shutil.copytree(project / "run", tmp_path / "stopped")
    (tmp_path / "stopped" / "result.json").unlink()
    return tmp_path / "stopped"


def test_a_run_is_resumed_from_another_working_directory(project, stopped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    at_root = {"data.root": "../" * len(tmp_path.parts[1:]) + str(project / "photos").lstrip("/")}
    again = reorder_kit.run(RECIPE, at_root, out=stopped, resume=True, host=HOST)
    assert again.score == score(project / "run")


def test_other_data_of_the_same_relative_name_is_not_resumed_with(stopped, tmp_path, monkeypatch):
    paint_photos(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ReorderKitError, match=r"data\.root"):
        reorder_kit.run(RECIPE, out=stopped, resume=True, host=HOST)


def test_a_run_whose_data_is_gone_is_resumed_with_the_data_where_it_is_now(copied, tmp_path):
    (copied / "photos").rename(tmp_path / "moved")
    expected = score(copied / "run")
    (copied / "run" / "result.json").unlink()
    recipe = (copied / "run" / "recipe.yaml").read_bytes()
    place = {"data.root": str(tmp_path / "moved")}
    again = reorder_kit.run(RECIPE, place, out=copied / "run", resume=True, host=HOST)
    assert again.score == expected
    assert (copied / "run" / "recipe.yaml").read_bytes() == recipe  # it records how the run began


ORDERING = """
from reorder_kit import hookimpl
from reorder_kit.interfaces import Ordering

class Backwards(Ordering):
    name = "backwards"

    def cells(self, height, width):
        return [(row, column) for row in range(height) for column in range(width)][::-1]

@hookimpl
def register_orderings():
    return [Backwards]
"""


def test_a_missing_plugin_is_named_with_what_provided_it(install, cli, tmp_path, monkeypatch):
    with pytest.MonkeyPatch.context() as patch:
        place = install("backwards-dist", {"back": "backwards_module"}, {"backwards_module": ORDERING}, "2.5").parent
        recipe = {**RECIPE, "data": {"name": "digits", "batch_size": 600}, "order": {"start": "backwards"}}
        reorder_kit.run(recipe, out=tmp_path / "run", host=PluginHost())
        patch.setenv("REORDER_KIT_BLOCK", "back")
        done = cli("evaluate", tmp_path / "run")
        assert done.exit_code == 2
        assert says(done.stderr, "order.start.name", "'backwards'", "'back' of backwards-dist 2.5", "blocked")
    shutil.rmtree(place)
    done = cli("evaluate", tmp_path / "run")
    assert done.exit_code == 2
    assert says(done.stderr, "order.start.name", "'backwards'", "backwards-dist 2.5", "pip install backwards-dist==2.5")


def test_a_component_that_no_plugin_of_the_run_provided_keeps_its_hint(project, cli, tmp_path):
    shutil.copytree(project / "run", tmp_path / "run")
    recipe = tmp_path / "run" / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("name: row", "name: rwo"))
    reseal(tmp_path / "run")
    done = cli("evaluate", tmp_path / "run")
    assert says(done.stderr, "'rwo'", "did you mean 'row'?")


@pytest.mark.parametrize("plugins", [None, "no JSON", "[1]", '[{"name": "x"}]'])
def test_a_run_without_a_list_of_plugins_opens(project, cli, tmp_path, plugins):
    shutil.copytree(project / "run", tmp_path / "run")
    file = tmp_path / "run" / "plugins.json"
    file.unlink() if plugins is None else file.write_text(plugins)
    recipe = tmp_path / "run" / "recipe.yaml"
    assert cli("evaluate", tmp_path / "run").exit_code == 0
    recipe.write_text(recipe.read_text().replace("name: row", "name: rwo"))
    reseal(tmp_path / "run")
    assert says(cli("evaluate", tmp_path / "run").stderr, "'rwo'", "did you mean 'row'?")


def test_files_of_orders_and_tokenizers_are_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Custom.Options(file="order.json").file == tmp_path / "order.json"
    assert VqVaeTokenizer.Options(file="codes.safetensors").file == tmp_path / "codes.safetensors"


def test_paths_below_the_root_stay_relative_to_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    coco = CocoDetection.Options(root="coco", train="annotations/train.json", images="images", image_size=8)
    assert (coco.root, str(coco.train), str(coco.images)) == (tmp_path / "coco", "annotations/train.json", "images")
    table = MultiLabelCsv.Options(root="photos", file="table.csv", image_size=8)
    assert (table.root, str(table.file)) == (tmp_path / "photos", "table.csv")


def test_a_name_on_the_hub_stays_a_name_and_a_folder_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "saved").mkdir(parents=True)
    options = {"image_size": 8}
    assert str(HuggingFace.Options(dataset="owner/other", **options).dataset) == "owner/other"
    assert HuggingFace.Options(dataset="owner/saved", **options).dataset == tmp_path / "owner" / "saved"
