"""The package: its entry point, and its recipes, which train."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from reorder_kit_transformers import encoder
from reorder_kit_transformers.families import FAMILIES, REFUSED, VISION_PARTS
from transformers import Dinov2Config, Dinov2Model

from reorder_kit.experiment.compose import compose
from reorder_kit.interfaces import ImageShape
from reorder_kit.testing import host_with
from reorder_kit.training.run import run_experiment

PACKAGE = Path(__file__).parents[1]
PROJECT = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]


def recipe(name):
    return yaml.safe_load((PACKAGE / "recipes" / f"{name}.yaml").read_text())


def test_its_plugin_gives_the_backbone():
    (path,) = PROJECT["entry-points"]["reorder_kit"].values()
    assert "transformers" in host_with(import_module(path)).backbones


def test_the_readme_names_every_family_and_every_refusal_and_its_recipes_hold():
    text = (PACKAGE / "README.md").read_text()
    named = {name for row in text.splitlines() if row.startswith("| `") for name in re.findall(r"`([^`]+)`", row)}
    assert FAMILIES.keys() | REFUSED.keys() | VISION_PARTS.keys() <= named
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    scratch, _ = (block["backbone"] for block in blocks if "backbone" in block)
    scratch.pop("name")
    facts = encoder.Transformers.facts(encoder.Transformers.Options.model_validate(scratch), ImageShape(1, 8, 8))
    assert (facts.dim, facts.depth) == (64, 3)


@pytest.mark.slow
def test_the_recipe_from_scratch_reads_four_patches(tmp_path):
    content = recipe("dinov2_digits")
    content["train"] |= {"epochs": 3, "device": "cpu"}
    host = host_with(encoder)
    folder, _ = run_experiment(compose({**content, "controls": []}, host, "trial"), host, tmp_path / "run")
    result = json.loads((folder.path / "result.json").read_text())
    assert result["encoder"]["slots"] == 4
    assert result["metrics"]["test"]["top1"] > 0.3


@pytest.mark.slow
def test_the_recipe_with_weights_reads_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = Dinov2Config(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=56, patch_size=14)
    Dinov2Model(config).save_pretrained("dinov2-small")
    noise = torch.Generator().manual_seed(0)
    for name in ("cat", "dog"):
        folder = tmp_path / "photos" / "train" / name
        folder.mkdir(parents=True)
        for number in range(12):
            pixels = torch.randint(256, (32, 32, 3), dtype=torch.uint8, generator=noise)
            Image.fromarray(pixels.numpy()).save(folder / f"{number}.png")
    content = recipe("dinov2_pretrained")
    content["train"] |= {"epochs": 1, "device": "cpu"}
    host = host_with(encoder)
    folder, _ = run_experiment(compose({**content, "controls": []}, host, "trial"), host, tmp_path / "run")
    result = json.loads((folder.path / "result.json").read_text())
    assert result["encoder"]["slots"] == 64
