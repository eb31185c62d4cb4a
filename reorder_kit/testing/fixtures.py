"""Pytest fixtures: put ``pytest_plugins = ["reorder_kit.testing.fixtures"]`` into conftest.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reorder_kit.experiment.compose import compose
from reorder_kit.testing.host import host_with
from reorder_kit.training.run import run_experiment

RECIPE: dict[str, Any] = {
    "format_version": 1,
    "name": "trial",
    "data": {"name": "digits", "batch_size": 200},
    "backbone": {"name": "local", "patch_size": 2, "dim": 8, "depth": 1},
    "controls": [],
    "train": {"epochs": 1, "device": "cpu"},
}
"""An epoch on the bundled digits, which takes a second or two."""


@pytest.fixture
def run_an_epoch(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that trains for an epoch with given plugins and recipe sections, and returns the run folder.

    Use it as in ``run_an_epoch(Checkerboard, order={"start": "checkerboard"})``. Other sections are those of
    :data:`RECIPE`.
    """

    def run(*plugins: object, **sections: Any) -> Path:
        host = host_with(*plugins)
        out = tmp_path / f"run-{len(list(tmp_path.glob('run-*')))}"
        run_folder, _ = run_experiment(compose({**RECIPE, **sections}, host, "trial"), host, out)
        return run_folder.path

    return run
