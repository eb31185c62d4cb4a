"""The pool of fixed orders: distinct, named, and found again by name."""

from __future__ import annotations

import pytest

import reorder_kit
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.fixed_orders import fixed_orders, fixed_section
from reorder_kit.interfaces import Ordering
from reorder_kit.orders.grid import Grid
from reorder_kit.testing import host_with


def test_of_a_row_of_three_every_distinct_order_has_its_plainest_name():
    orders = fixed_orders(host_with(), Grid(1, 3))
    assert {name: order.indices.tolist() for name, order in orders.items()} == {
        "row": [0, 1, 2],
        "center-out": [1, 2, 0],
        "strided": [0, 2, 1],
        "row-reverse": [2, 1, 0],
        "center-out-transpose": [1, 0, 2],
        "strided-flip": [2, 0, 1],
    }


@pytest.mark.parametrize("grid", [Grid(2, 3), Grid(4, 4), Grid(2, 2, frames=2)], ids=str)
def test_orders_are_distinct_full_and_what_their_section_says(grid):
    host = host_with()
    orders = fixed_orders(host, grid)
    assert len({tuple(order.indices.tolist()) for order in orders.values()}) == len(orders)
    for name, order in orders.items():
        section = fixed_section(name, host)
        rule = host.orderings.get(section.pop("name"))
        assert rule(rule.Options.model_validate(section)).order(grid) == order, name
        assert order.is_full


def test_no_variant_of_a_rule_is_missing():
    host = host_with()
    orders = set(fixed_orders(host, Grid(2, 3)).values())
    for name in set(host.orderings) - {"random", "custom", "raced"}:
        for transpose in (False, True):
            for flip in ("none", "horizontal", "vertical", "both"):
                for reverse in (False, True):
                    options = {"transpose": transpose, "flip": flip, "reverse": reverse}
                    assert reorder_kit.order(name, 2, 3, host=host, **options) in orders, (name, options)


def test_plain_names_win_and_chance_has_no_part():
    orders = fixed_orders(host_with(), Grid(4, 4))
    assert {"row", "column", "center-out", "strided", "row-reverse", "hilbert-reverse"} <= orders.keys()
    assert "row-transpose" not in orders  # it is column
    assert "row-flip-both" not in orders  # it is row-reverse
    assert not [name for name in orders if name.startswith(("random", "custom", "raced"))]
    assert not [name for name in fixed_orders(host_with(), Grid(4, 4), flips=False) if "flip" in name]


class TakenName(Ordering):
    """Rows from the bottom, under a name that a variant of another rule has."""

    name = "row-reverse"

    def cells(self, height, width):
        return [(row, column) for row in reversed(range(height)) for column in range(width)]


def test_a_rule_with_the_name_of_a_variant_keeps_it():
    host = host_with(TakenName)
    orders = fixed_orders(host, Grid(2, 2))
    assert orders["row-reverse"].indices.tolist() == [2, 3, 0, 1]
    assert fixed_section("row-reverse", host) == {"name": "row-reverse"}
    assert fixed_section("row-transpose-flip-reverse", host) == {
        "name": "row",
        "transpose": True,
        "flip": "horizontal",
        "reverse": True,
    }


@pytest.mark.parametrize("name", ["rows", "row-revers", "random", "row-reverse-flip"])
def test_a_name_of_no_fixed_order_is_refused(name):
    with pytest.raises(ReorderKitError, match=f"unknown fixed order '{name}'"):
        fixed_section(name, host_with())
