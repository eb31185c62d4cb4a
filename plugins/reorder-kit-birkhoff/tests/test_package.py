"""The package: its entry point, and its recipe."""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from itertools import takewhile
from pathlib import Path

import pytest
import yaml

from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.doubts import doubts
from reorder_kit.experiment.validate import validate
from reorder_kit.testing import host_with
from reorder_kit.training.run import run_experiment

ROOT = Path(__file__).parents[1]
ENTRY_POINTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["reorder_kit"]
MODULES = {name: import_module(path) for name, path in ENTRY_POINTS.items()}
HOST = host_with(*MODULES.values())
RECIPE = ROOT / "recipes" / "local_low_rank.yaml"


def test_the_entry_point_provides_the_learner_of_its_name():
    assert list(MODULES) == ["low-rank"]
    assert HOST.order_learners.get("low-rank").__module__ == MODULES["low-rank"].__name__
    assert MODULES["low-rank"].reorder_kit_api == "1.0"


def test_the_recipe_is_valid_and_raises_no_doubts():
    assert doubts(validate(yaml.safe_load(RECIPE.read_text()), HOST, RECIPE.name)) == []


def test_the_header_runs_the_recipe_and_says_what_to_expect():
    header = " ".join(takewhile(lambda line: line.startswith("#"), RECIPE.read_text().splitlines()))
    assert header.startswith("# reorder-kit run plugins/reorder-kit-birkhoff/recipes/local_low_rank.yaml")
    assert re.search(r"\bCPU\b.*\b(second|minute)s?\b.*\bExpect\b.*\d", header)


@pytest.mark.slow
def test_a_shortened_run_learns_an_order(tmp_path):
    recipe = yaml.safe_load(RECIPE.read_text())
    recipe["train"]["epochs"] = 6
    experiment = compose(recipe, HOST, RECIPE.name)
    _, result = run_experiment(experiment, HOST, tmp_path / "run")
    assert set(result.controls) == {"fixed-start", "learned-static"}
    assert sorted(result.order.final) == list(range(16))
    assert result.order.final != result.order.start
