"""The fixture that trains for an epoch."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from reorder_kit import testing
from reorder_kit.interfaces import Ordering

pytest_plugins = ["reorder_kit.testing.fixtures"]


class Rows(Ordering):
    """Row by row, from below."""

    name = "rows-from-below"

    def cells(self, height, width):
        return [(row, column) for row in reversed(range(height)) for column in range(width)]


def test_an_epoch_is_trained_with_a_plugin(run_an_epoch):
    folder = run_an_epoch(Rows, order={"start": "rows-from-below"})
    assert yaml.safe_load((folder / "recipe.yaml").read_text())["order"]["start"]["name"] == "rows-from-below"
    order = json.loads((folder / "order.json").read_text())["order"]
    assert order == [12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3]
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 1


def test_nothing_but_the_fixtures_needs_pytest():
    files = Path(testing.__file__).parent.glob("*.py")
    assert [file.name for file in files if "import pytest" in file.read_text()] == ["fixtures.py"]
