"""docs/plugins.md: its blocks work, and it names every kind of plugin and every package."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import reorder_kit
from reorder_kit.hookspecs import API_VERSION
from reorder_kit.interfaces import INTERFACES, Grid
from reorder_kit.testing import check_ordering, host_with

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "plugins.md").read_text()


@pytest.mark.parametrize(("block", "name"), list(enumerate(["MyWalk", "OldWalk"])))
def test_a_block_is_a_component_that_keeps_its_contract(block, name):
    names = {}
    exec(re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)[block], names)
    check_ordering(names[name])
    assert names.get("reorder_kit_api", API_VERSION) == API_VERSION
    assert len(host_with(names[name]).orderings.get(names[name].name)().order(Grid(2, 2)).indices) == 4


def test_every_kind_is_in_the_table_of_what_is_written():
    table = TEXT.partition("| kind | what")[2].partition("\n\n")[0]
    told = re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)
    assert sorted(told) == sorted([*(interface.kind.name for interface in INTERFACES), "listener"])


def test_every_package_is_in_the_table():
    packages = {path.parent.name for path in (ROOT / "plugins").glob("*/pyproject.toml")}
    assert packages
    assert packages <= set(re.findall(r"^\| `(reorder-kit-[a-z-]+)` \|", TEXT, re.MULTILINE))


def test_the_message_names_this_version():
    assert f"and reorder-kit {reorder_kit.__version__} has {API_VERSION}\n" in TEXT
