"""Shortened recipes train on their own data and on photos."""

from __future__ import annotations

import json
import re
import shlex
import tarfile
from pathlib import Path

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

import reorder_kit
from reorder_kit.cli.main import app
from reorder_kit.recipe.library import read_recipe, recipe_names

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EUROSAT = ROOT.parent / "shared" / "data" / "eurosat"
SHORT = {"order.learner.warmup_epochs": 0.5, "order.learner.search_epochs": 1}
FEW = {"data.train_images": 100, "data.validation_images": 50, "data.test_images": 50}


def without_downloads(recipe, folder):
    """Changes that let a recipe run without downloads: synthetic photos and a random state dict."""
    if not recipe["data"].get("download"):
        return {}
    photos = made_photos(folder / "photos", size=64)
    changes = {"data": {"name": "image-folder", "root": str(photos), "image_size": 64, "batch_size": 30}}
    if recipe["backbone"].get("pretrained"):
        model = timm.create_model(recipe["backbone"]["model"], pretrained=False, img_size=64)
        save_file(model.state_dict(), folder / "weights.safetensors")
        changes |= {"backbone.pretrained": False, "backbone.weights": str(folder / "weights.safetensors")}
    return changes


# The causal one causes a warning on purpose.
@pytest.mark.filterwarnings("ignore:.*needs fine-tuning")
@pytest.mark.parametrize("name", [name for name in recipe_names() if not name.startswith("paper/")])
def test_a_recipe_trains_and_tells_what_came_out(name, tmp_path):
    recipe, _ = read_recipe(name)
    short = SHORT if "learner" in recipe["order"] else {}
    changes = {"train.epochs": 2, **short, **(FEW if recipe["data"]["name"] == "scenes" else {})}
    changes |= without_downloads(recipe, tmp_path)
    result = reorder_kit.run(name, changes, out=tmp_path / "run").as_dict()
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == result
    assert (result["format_version"], result["name"]) == (1, name)
    assert {"order", "seconds", "images_per_second", "environment"} <= result.keys()
    assert set(result["controls"]) == set(recipe["controls"])
    for outcome in [result, *result["controls"].values()]:
        assert 0 <= outcome["metrics"]["test"][result["headline"]] <= 1
        assert 0 <= outcome["metrics"]["validation"][result["headline"]] <= 1
    order = result["order"]
    assert {"kendall_tau_to_start", "adjacency", "reach"} <= order.keys()
    slots = order["reach"]["of"]
    patches = slots + order["reach"].get("left_out", 0)
    assert patches in (16, 64)
    assert (slots < patches) == ("keep" in recipe["order"])
    assert len(set(order["start"])) == len(order["start"]) == slots
    assert set(order["start"]) == set(order["final"]) <= set(range(patches))
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 2


def photos_command(photos):
    """The command for photos in the header of the recipe, as words after `reorder-kit`."""
    (command,) = re.findall(r"reorder-kit (run .*PHOTOS.*)", (ROOT / "recipes" / "vit_reinforce.yaml").read_text())
    return [word.replace("PHOTOS", str(photos)) for word in shlex.split(command)]


def train_on(photos, monkeypatch):
    monkeypatch.chdir(photos.parent)
    done = CliRunner().invoke(app, photos_command(photos))
    assert done.exit_code == 0, done.output
    return json.loads((photos.parent / "runs" / "vit_reinforce" / "result.json").read_text())


def made_photos(folder, size):
    """Noise in three colors, which are the classes."""
    generator = torch.Generator().manual_seed(0)
    for channel, name in enumerate(("red", "green", "blue")):
        for split, count in (("train", 30), ("test", 10)):
            of_class = folder / split / name
            of_class.mkdir(parents=True)
            for number in range(count):
                pixels = torch.rand(size, size, 3, generator=generator) * 100
                pixels[..., channel] += 150
                Image.fromarray(pixels.byte().numpy()).save(of_class / f"{number}.jpg")
    return folder


def test_the_command_for_photos_works_as_it_stands(tmp_path, monkeypatch):
    made_photos(tmp_path / "photos", size=64)
    result = train_on(tmp_path / "photos", monkeypatch)
    assert result["metrics"]["test"]["images"] == 30
    assert set(result["metrics"]["test"]["per_class"]) == {"red", "green", "blue"}


@pytest.mark.skipif(not EUROSAT.is_dir(), reason=f"no photos of EuroSAT in {EUROSAT}")
def test_it_trains_on_photos_of_eurosat(tmp_path, monkeypatch):
    for shard in ("train-00", "test-00"):
        with tarfile.open(EUROSAT / f"{shard}.tar.gz") as archive:
            archive.extractall(tmp_path / "photos", filter="data")
    result = train_on(tmp_path / "photos", monkeypatch)
    assert result["metrics"]["test"]["images"] == len(list((tmp_path / "photos" / "test").rglob("*.jpg")))
    # Ten classes in equal shares: with guessing, 0.13 of 1,000 images is three standard deviations above chance.
    assert result["metrics"]["test"]["top1"] > 0.13
