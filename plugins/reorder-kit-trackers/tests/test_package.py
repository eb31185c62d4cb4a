"""The package: every entry point is a plugin that loads without its library."""

from __future__ import annotations

import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from reorder_kit.errors import RecipeError
from reorder_kit.experiment import compose
from reorder_kit.testing import host_with

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
MODULES = {name: import_module(path) for name, path in PROJECT["entry-points"]["reorder_kit"].items()}


def test_each_plugin_provides_the_tracker_of_its_name_and_imports_no_library():
    host = host_with(*MODULES.values())
    assert sorted(host.trackers) == sorted(MODULES) == ["mlflow", "trackio", "wandb"]
    for name in MODULES:
        tracker = host.trackers.get(name)
        (needed,) = PROJECT["optional-dependencies"][name]
        assert needed.startswith(tracker.install.removeprefix("pip install "))
        assert tracker.__module__ == MODULES[name].__name__


@pytest.mark.parametrize("name", MODULES)
def test_a_missing_library_is_said_with_the_command(name, monkeypatch):
    monkeypatch.setattr(compose, "find_spec", lambda library: None)
    content = {
        "format_version": 1,
        "name": "night",
        "data": "digits",
        "backbone": {"name": "local", "patch_size": 2},
        "trackers": [name],
    }
    with pytest.raises(RecipeError) as caught:
        compose.compose(content, host_with(*MODULES.values()), "night")
    (problem,) = caught.value.problems
    assert problem.hint == host_with(MODULES[name]).trackers.get(name).install


def test_importing_the_plugins_imports_no_tracker():
    assert not {name for name in MODULES if getattr(MODULES[name], name, None) is sys.modules.get(name, object())}
