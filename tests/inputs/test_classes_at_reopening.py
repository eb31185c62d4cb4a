"""Classes renamed, added, removed or reordered since a run was trained, which knows them only by number."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import reorder_kit
from reorder_kit.cli.main import app
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.same_classes import require_same_classes
from reorder_kit.jobs.one_run import train_in_folder
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.testing import host_with
from reorder_kit.transfer.runs import OrderTrial
from resealed import reseal
from says import says

HOST = host_with()
SHADES = {"bright": 220, "dark": 20, "grey": 120}


def paint(root):
    """Images of three shades, which any model can distinguish."""
    for name, shade in SHADES.items():
        paint_class(root / name, shade)


def paint_class(folder, shade):
    folder.mkdir(parents=True)
    for number in range(16):
        Image.fromarray(np.full((8, 8, 3), shade + number, dtype=np.uint8)).save(folder / f"{number}.png")


def recipe(root, **changes):
    return {
        "format_version": 1,
        "name": "shades",
        "data": {"name": "image-folder", "root": str(root), "batch_size": 16, "train_transforms": []},
        "backbone": {"name": "local", "patch_size": 4, "dim": 8, "heads": 2, "depth": 1},
        "train": {"epochs": 1, "device": "cpu"},
        **changes,
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    home = tmp_path_factory.mktemp("trained")
    paint(home / "photos")
    reorder_kit.run(recipe(home / "photos"), out=home / "run", host=HOST)
    return home


@pytest.fixture
def own(trained, tmp_path):
    """A run and its data, to be changed."""
    shutil.copytree(trained / "photos", tmp_path / "photos")
    shutil.copytree(trained / "run", tmp_path / "run")
    written = tmp_path / "run" / "recipe.yaml"
    written.write_text(written.read_text().replace(str(trained), str(tmp_path)))
    reseal(tmp_path / "run")
    return tmp_path


def rename_dark(root):
    (root / "dark").rename(root / "zebra")  # the last of the classes now
    return "class 1 was 'dark' and is now 'grey'"


def add_beige(root):
    paint_class(root / "beige", 150)
    return "class 0 was 'bright' and is now 'beige'"


def add_violet(root):
    paint_class(root / "violet", 150)
    return "an additional class, 'violet'"


def remove_grey(root):
    shutil.rmtree(root / "grey")
    return "class 2, 'grey', is gone"


def exchange_names(root):
    (root / "bright").rename(root / "kept")
    (root / "dark").rename(root / "bright")
    (root / "kept").rename(root / "dim")
    return "class 1 was 'dark' and is now 'dim'"


CHANGES = [rename_dark, add_beige, add_violet, remove_grey, exchange_names]
every_change = pytest.mark.parametrize("change", CHANGES)


@pytest.fixture
def call():
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@every_change
@pytest.mark.parametrize("command", ["evaluate", "saliency"])
def test_other_classes_are_refused(own, call, change, command):
    assert call(command, own / "run").exit_code == 0
    expected = change(own / "photos")
    done = call(command, own / "run")
    assert done.exit_code == 2
    assert expected in done.stderr


@every_change
def test_a_report_shows_no_image_of_data_with_other_classes(own, call, change):
    expected = change(own / "photos")
    assert call("report", own / "run").exit_code == 0
    page = (own / "run" / "report" / "report.html").read_text()
    assert "classes of its data differ" in page
    assert expected.split("'")[1] in page
    assert "data:image/png" not in page
    done = call("report", own / "run", "--set", f"data.root={own / 'photos'}")
    assert done.exit_code == 2
    assert expected in done.stderr


@every_change
def test_a_run_is_not_resumed_with_other_classes(own, change):
    (own / "run" / "result.json").unlink()
    expected = change(own / "photos")
    with pytest.raises(ReorderKitError) as raised:
        reorder_kit.run(recipe(own / "photos"), out=own / "run", resume=True, host=HOST)
    assert expected in raised.value.message


def test_a_run_of_a_study_is_not_resumed_with_other_classes(own):
    (own / "run" / "result.json").unlink()
    expected = rename_dark(own / "photos")
    with pytest.raises(ReorderKitError) as raised:
        train_in_folder(recipe(own / "photos"), own / "run", HOST, "a study")
    assert expected in raised.value.message


def test_a_transfer_tries_no_order_on_other_classes(own):
    trial = OrderTrial("trial", own / "run", {"row": own / "run" / "order.json"})
    assert set(trial.train(HOST)) == {"row"}
    expected = rename_dark(own / "photos")
    with pytest.raises(ReorderKitError) as raised:
        trial.train(HOST)
    assert expected in raised.value.message


@every_change
def test_a_head_is_not_taken_to_other_classes(own, change):
    expected = change(own / "photos")
    weights = {"train": {"epochs": 1, "device": "cpu", "weights": str(own / "run")}}
    with pytest.raises(ReorderKitError) as raised:
        reorder_kit.run(recipe(own / "photos", **weights), out=own / "further", host=HOST)
    assert says(raised.value.message, "train.weights", expected)
    assert "parts: [backbone]" in raised.value.hint
    assert not (own / "further").exists()


def test_a_backbone_is_taken_to_other_classes(own):
    rename_dark(own / "photos")
    weights = {"run": str(own / "run"), "parts": ["backbone"]}
    train = {"epochs": 1, "device": "cpu", "weights": weights}
    reorder_kit.run(recipe(own / "photos", train=train), out=own / "further", host=HOST)
    assert RunFolder(own / "further").is_finished


def test_a_head_is_taken_to_the_same_classes(own):
    train = {"epochs": 1, "device": "cpu", "weights": str(own / "run")}
    reorder_kit.run(recipe(own / "photos", train=train), out=own / "further", host=HOST)
    assert RunFolder(own / "further").is_finished


@pytest.mark.parametrize(
    ("recorded", "opened", "named"),
    [
        (["a", "b"], ["b", "a"], ("class 0", "'a'", "'b'")),
        (["a", "b"], ["a", "c"], ("class 1", "'b'", "'c'")),
        (["a"], ["a", "b"], ("additional", "'b'")),
        (["a", "b"], ["a"], ("class 1", "'b'", "gone")),
        ([], ["a"], ("additional", "'a'")),
    ],
)
def test_the_first_class_that_differs_is_named(recorded, opened, named):
    with pytest.raises(ReorderKitError) as raised:
        require_same_classes(recorded, opened, "runs/x")
    assert says(raised.value.message, "runs/x", *named)


@pytest.mark.parametrize("classes", [[], ["a"], ["b", "a"]])
def test_the_same_classes_are_accepted_whatever_holds_them(classes):
    require_same_classes(classes, tuple(classes), "runs/x")
