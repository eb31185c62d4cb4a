import json
from pathlib import Path

import pytest

from children import Children, wait_for_lines
from reorder_kit.runs.run_folder import RunFolder

TIMINGS = ("seconds", "images_per_second", "encoder", "environment", "files", "checksum")
"""Keys for durations, the environment, and checksums of these."""


@pytest.fixture(scope="session")
def children():
    return Children(Path(__file__).parent, "child_process")


@pytest.fixture
def recipe():
    """A small run with every source of randomness."""
    return {
        "format_version": 1,
        "name": "small",
        "data": {"name": "digits", "batch_size": 200},
        "task": {"name": "watched", "mixup": 0.2},
        "backbone": {"name": "local", "patch_size": 2, "dim": 8, "heads": 2, "depth": 1, "dropout": 0.1},
        "order": {"start": "row", "learner": {"name": "softsort", "warmup_epochs": 1, "search_epochs": 2}},
        "optimizer": {"lr": 3e-3},
        "train": {"epochs": 4, "ema_decay": 0.9, "device": "cpu"},
    }


@pytest.fixture
def reinforce(recipe):
    learner = {
        "name": "reinforce",
        "warmup_epochs": 1,
        "search_epochs": 2,
        "temperature": {"shape": "constant", "peak": 0.2},
        "groups": 4,
        "baseline": "ema",
    }
    return {**recipe, "order": {"start": "hilbert", "learner": learner}}


@pytest.fixture
def outcome():
    """The content of a run folder, without timings and environment."""
    return _outcome


def _outcome(path):
    folder = RunFolder(Path(path))
    content = {"metrics": [_without_timings(json.loads(line)) for line in folder.metrics.read_text().splitlines()]}
    content["result"] = _without_timings(json.loads(folder.result.read_text()))
    for file in [*folder.orders.iterdir(), folder.order, *folder.checkpoints.rglob("*.safetensors")]:
        content[str(file.relative_to(folder.path))] = file.read_bytes()
    for control in folder.controls.glob("*"):
        content[control.name] = _outcome(control)
    return content


def _without_timings(figures):
    return {name: figure for name, figure in figures.items() if name not in TIMINGS}


@pytest.fixture(name="wait_for_lines")
def _wait_for_lines():
    return wait_for_lines
