"""docs/orders.md: its statements about its blocks are true."""

from __future__ import annotations

import re

import numpy as np
import pytest

from page_blocks import PageRun
from pages import Page
from reorder_kit import Grid, Order

PAGE = Page("docs/orders.md")
TEXT = PAGE.text


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The variables of the page after its blocks have run, their output, and their folder."""
    home = tmp_path_factory.mktemp("orders")
    printed = []
    run = PageRun(PAGE)
    run.variables["print"] = lambda *values: printed.append(" ".join(map(str, values)))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        run.run()
    return run.variables, printed, home


def test_what_is_printed_stands_beside_it(page):
    _, printed, _ = page
    assert printed == re.findall(r"print\(.*\)  # (.*)", TEXT)
    assert printed


def test_orders_are_what_is_said_of_them(page):
    variables, _, _ = page
    assert variables["hilbert"].grid == Grid(14, 14)
    assert variables["first_half"] == Order([3, 0], 4)
    assert variables["backwards"] == Order([1, 2, 0, 3])


def test_files_hold_what_is_said_of_them(page):
    *_, home = page
    assert (home / "hilbert.png").read_bytes().startswith(b"\x89PNG")
    assert np.load(home / "mine.npy").tolist() == [3, 0, 2, 1]
    (by_hand,) = re.findall(r'^`(\{"grid".*\})`\.$', TEXT, re.MULTILINE)
    (home / "by-hand.json").write_text(by_hand)
    assert Order.load(home / "by-hand.json") == Order.load(home / "mine.json")


def test_every_method_that_is_named_exists():
    named = set(re.findall(r"`order\.(\w+)\(", TEXT)) | {"kendall_tau", "mean_rank_shift", "adjacency", "compose"}
    assert {name for name in named if not hasattr(Order, name)} == set()
