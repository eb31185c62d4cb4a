"""Every ordering keeps the contract."""

from __future__ import annotations

import json

import pytest
import torch

from reorder_kit.interfaces import Grid, Order
from reorder_kit.orders.checksums import digest_of
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.testing import ORDERING_RULES, check_ordering, host_with, ordering_case

ORDERINGS = host_with().orderings


@pytest.mark.parametrize("rule", ORDERING_RULES, ids=str)
@pytest.mark.parametrize("name", sorted(set(ORDERINGS) - {"custom", "raced"}))
def test_an_ordering_keeps_the_rule(name, rule):
    rule(ordering_case(ORDERINGS.get(name)))


@pytest.mark.parametrize("grid", [Grid(3, 4), Grid(4, 4), Grid(1, 1), Grid(2, 2, frames=3)], ids=str)
def test_the_order_of_a_file_keeps_the_rules_on_its_grid(grid, tmp_path):
    order = Order(torch.randperm(grid.num_patches, generator=torch.Generator().manual_seed(0)))
    OrderFile("mine", grid, order).save(tmp_path / "order.json")
    check_ordering(ORDERINGS.get("custom"), {"file": str(tmp_path / "order.json")}, grids=[grid])


def test_the_winner_of_a_race_keeps_the_rules_on_its_grid(tmp_path):
    grid = Grid(3, 4)
    OrderFile("winner", grid, Order(torch.arange(11, -1, -1))).save(tmp_path / "order.json")
    (tmp_path / "setup.json").touch()
    (tmp_path / "race.json").write_text(json.dumps({"files": {"order.json": digest_of(tmp_path / "order.json")}}))
    check_ordering(ORDERINGS.get("raced"), {"race": str(tmp_path)}, grids=[grid])
