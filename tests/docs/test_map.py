"""docs/map.md and the layers of docs/design.md name existing files."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_answer_of_the_map_is_there():
    rows = re.findall(r"^\| (.+\?) \| (.+) \|$", (ROOT / "docs" / "map.md").read_text(), re.MULTILINE)
    assert len(rows) >= 12
    named = {question: re.findall(r"`(reorder_kit/[\w/.]+)`", answer) for question, answer in rows}
    assert [question for question, paths in named.items() if not paths] == []
    assert [path for paths in named.values() for path in paths if not (ROOT / path).exists()] == []


def test_the_layers_are_told_from_the_top():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = project["tool"]["importlinter"]["contracts"]
    held = [set(layer.split(" | ")) for layer in contract["layers"]]
    table = (ROOT / "docs" / "design.md").read_text().split("## Layers")[1].split("\n## ")[0]
    told = [set(re.findall(r"`(\w+)/?`", row)) for row in table.splitlines() if row.startswith("|")][2:]
    assert told == held
