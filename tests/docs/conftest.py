"""Plugins written in documents: load them, and use what they provide."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import reorder_kit
from reorder_kit.cli._description import describe_component
from reorder_kit.host.plugin_host import PluginRecord
from reorder_kit.interfaces import TaskWrapper
from reorder_kit.orders.grid import Grid
from reorder_kit.testing import host_with

GRIDS = list(map(Grid.parse, ["1x1", "1x6", "5x1", "2x2", "3x5", "4x4", "7x6", "14x14", "2x3x4"]))

RECIPE_SECTIONS: dict[str, Callable[[str], dict[str, Any]]] = {
    "ordering": lambda name: {"order": {"start": name}},
    "prior": lambda name: {"order": {"start": {"prior": name}}},
    "tokenizer": lambda name: {"order": {"start": {"prior": {"name": "lzma", "tokenizer": name}}}},
    "order-learner": lambda name: {"order": {"start": "spiral", "learner": name}},
    "backbone": lambda name: {"backbone": {"name": name, "patch_size": 2}},
    "task": lambda name: {"task": name},
    "data-source": lambda name: {"data": name},
    "tracker": lambda name: {"trackers": [name]},
}
"""How a recipe names a component of each kind."""


class DocumentedPlugin:
    """A plugin loaded from a document into a separate host, along with the built-in ones."""

    def __init__(self, source: str, folder: Path) -> None:
        file = folder / f"documented_{len(list(folder.glob('*.py')))}.py"
        file.write_text(source)
        spec = importlib.util.spec_from_file_location(file.stem, file)
        self.module = importlib.util.module_from_spec(spec)
        sys.modules[file.stem] = self.module
        spec.loader.exec_module(self.module)
        self.folder = folder / "run"
        self.host = host_with()
        self.record: PluginRecord = self.host.add(self.module, file.stem)

    @property
    def provides(self) -> list[list[str]]:
        """Kind and name of each component."""
        return [provided.split(" ") for provided in self.record.provides]

    def use(self) -> None:
        """Use everything it provides as a person would: orderings on several grids, the rest in a run."""
        assert (self.record.status, self.record.reason) == ("ok", "")
        assert self.provides or self.record.hooks
        for kind, name in self.provides:
            registry = self.host.find_registry(kind)
            assert describe_component(registry, name)["doc"]
            if kind == "ordering":
                self._check_ordering(name)
            if issubclass(registry.get(name), TaskWrapper):
                self.run(task={"name": name, "inner": "classification"})
            elif kind in RECIPE_SECTIONS:
                self.run(**RECIPE_SECTIONS[kind](name))

    def run(self, **sections: Any) -> dict[str, Any]:
        """Train an epoch."""
        content = {
            "format_version": 1,
            "name": "documented",
            "data": {"name": "digits", "batch_size": 200},
            "backbone": {"name": "local", "patch_size": 2, "dim": 8, "depth": 1},
            "train": {"epochs": 1, "device": "cpu"},
        }
        result = reorder_kit.run({**content, **sections}, out=self.folder, host=self.host).as_dict()
        headline = result["metrics"]["test"][result["headline"]]
        assert 0 <= headline <= 1
        assert sorted(result["order"]["final"]) == list(range(len(result["order"]["start"])))
        return result

    def _check_ordering(self, name: str) -> None:
        for grid in GRIDS:
            for options in ({}, {"transpose": True}, {"flip": "both", "reverse": True}):
                ordering = self.host.orderings.get(name)
                checked = ordering.Options.model_validate(options, context={"host": self.host})
                order = ordering(checked).order(grid)
                assert sorted(order.indices.tolist()) == list(range(grid.num_patches))


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Callable[[str], DocumentedPlugin]]:
    """Load the source of a plugin."""
    loaded: list[DocumentedPlugin] = []

    def load(source: str) -> DocumentedPlugin:
        loaded.append(DocumentedPlugin(source, tmp_path))
        return loaded[-1]

    yield load
    for plugin in loaded:
        del sys.modules[plugin.module.__name__]
