"""The capabilities of tests/capabilities: one folder each, with a plugin in one file and a recipe that uses it."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

import reorder_kit
from reorder_kit.data.data_loading import load_batch
from reorder_kit.experiment.loaded_run import LoadedRun
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import Batch
from reorder_kit.recipe.overrides import override
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.testing import host_with

HERE = Path(__file__).parents[1] / "capabilities"
NAMES = sorted(path.parent.name for path in HERE.glob("*/plugin.py"))
TIMINGS = ("seconds", "images_per_second", "encoder", "environment", "files", "checksum")


@dataclass(frozen=True)
class Capability:
    """A plugin with its recipe.

    Args:
        name: of its folder.
        plugin: the module.
        recipe: the content of recipe.yaml.
        out: where its runs go.
    """

    name: str
    plugin: ModuleType
    recipe: dict[str, Any]
    out: Path

    def host(self, *more: object) -> PluginHost:
        """The built-in plugins without pictures, this one, and more."""
        return host_with(self.plugin, *more)

    def run(
        self, folder: str = "run", changes: dict[str, Any] | None = None, resume: bool = False, plugins: tuple = ()
    ) -> RunFolder:
        """Train the recipe with some fields replaced."""
        recipe = override(self.recipe, (changes or {}).items())
        reorder_kit.run(recipe, out=self.out / folder, resume=resume, host=self.host(*plugins))
        return RunFolder(self.out / folder)

    def open(self, folder: RunFolder) -> LoadedRun:
        """A trained run."""
        return LoadedRun.open(folder.path, self.host())


def load(name: str, out: Path) -> Capability:
    """The capability of a folder."""
    path = HERE / name / "plugin.py"
    module_name = f"capability_{name}"
    if module_name not in sys.modules:
        spec = importlib.util.spec_from_file_location(module_name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        spec.loader.exec_module(module)
    recipe = yaml.safe_load((HERE / name / "recipe.yaml").read_text())
    return Capability(name, sys.modules[module_name], recipe, out)


def prepared(loaded: LoadedRun, images: int, split: str = "validation") -> Batch:
    """The first images of a split, as an evaluation prepares them."""
    experiment, context = loaded.experiment, loaded.context
    samples = getattr(experiment.open_data(), split)
    batch = load_batch(samples, context.kind, split, range(images), experiment.task.views(training=False))
    return experiment.task.prepare(batch, False, context)


def outcome(folder: RunFolder) -> dict[str, Any]:
    """The content of a run folder, without timings and environment."""
    lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    content: dict[str, Any] = {"metrics": [_without_timings(line) for line in lines]}
    content["result"] = _without_timings(folder.read_result().as_dict())
    for file in [*folder.orders.iterdir(), folder.order, *folder.checkpoints.rglob("*.safetensors")]:
        content[str(file.relative_to(folder.path))] = file.read_bytes()
    return content


def _without_timings(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: figure for name, figure in figures.items() if name not in TIMINGS}
