"""The blocks of docs/timm.md run unchanged, and its lines are those that the command prints."""

from __future__ import annotations

import re
from pathlib import Path

import numpy
import pytest
import torch

from pages import Page
from reorder_kit.cli._timm_lines import lines_for_model, named_model
from reorder_kit.orders.grid import Grid
from timm_cases import arrived

PAGE = Page("docs/timm.md")
WRAP, LINES = PAGE.blocks("python")


def test_the_lines_are_those_that_the_command_prints() -> None:
    (name,) = re.findall(r"export-order \S+ --timm (\w+)", PAGE.text)
    named = named_model(name, Grid(14, 14))
    assert LINES.strip() == lines_for_model(*named, Path("order.npy"), 196).text


def test_both_blocks_put_the_same_order_into_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(WRAP, names)
    model, in_order = names["model"], names["in_order"]
    numpy.save("order.npy", in_order.order.indices.numpy())
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    row, _ = arrived(model.blocks, model, images)
    wrapped, _ = arrived(model.blocks, in_order, images)
    exec(LINES, names)
    lines, _ = arrived(model.blocks, model, images)
    torch.testing.assert_close(wrapped, torch.cat([row[:, :1], row[:, 1:][:, in_order.order.indices]], dim=1))
    torch.testing.assert_close(lines, wrapped)
    assert not torch.equal(lines, row)
