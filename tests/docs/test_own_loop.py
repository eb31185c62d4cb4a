"""The two training loops of docs/own-loop.md run unchanged."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from page_blocks import blocks_of
from pages import Page
from reorder_kit.orders.order import Order

FILES = {
    file[1]: block.source
    for block in blocks_of(Page("docs/own-loop.md"))
    if (file := re.match(r"# (\w+)\.py\n", block.source))
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("own_loop")
    for name, source in FILES.items():
        (folder / f"{name}.py").write_text(source)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    for name in FILES:
        sys.modules.pop(name, None)


def load(name: str) -> Any:
    return importlib.import_module(name)


def test_every_file_is_there() -> None:
    assert list(FILES) == ["digits_reader", "own_loop", "lightning_loop"]


def test_five_slots_reach_the_output(written: Path) -> None:
    torch.manual_seed(0)
    model = load("digits_reader").Reader()
    patches = torch.randn(2, 16, 32, requires_grad=True)
    model.read(patches).sum().backward()
    assert (patches.grad.abs().sum(dim=(0, 2)) > 0).tolist() == [False] * 11 + [True] * 5


def test_the_plain_loop_trains_and_searches(written: Path) -> None:
    accuracy, order = load("own_loop").train(seed=0, epochs=5)
    assert 0.3 < accuracy < 1
    assert order != Order.identity(16)
    assert load("own_loop").train(seed=0, epochs=5) == (accuracy, order)


@pytest.mark.filterwarnings("ignore")  # Lightning's own, which differ between versions
def test_the_lightning_module_trains_and_its_checkpoint_holds_the_policy(written: Path, tmp_path: Path) -> None:
    lightning_loop = load("lightning_loop")
    quiet = {"default_root_dir": tmp_path, "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    accuracy, module = lightning_loop.train(seed=0, epochs=5, **quiet)
    assert 0.3 < accuracy < 1
    assert module.policy.phase == "hardened"
    (checkpoint,) = tmp_path.rglob("*.ckpt")
    loaded = lightning_loop.LitReader.load_from_checkpoint(checkpoint)
    assert loaded.policy.best_order() == module.policy.best_order() != Order.identity(16)
