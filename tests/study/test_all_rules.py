"""``all-rules`` among the starts of a study: every fixed order of its grid."""

from __future__ import annotations

from pathlib import Path

import pytest

from reorder_kit.errors import RecipeError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.fixed_orders import fixed_orders
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orders.grid import Grid
from reorder_kit.studies.cells import Cell, RowKey, pool_of, recipe_of
from reorder_kit.studies.checking import check_study
from reorder_kit.studies.plan import plan_of

HOST = PluginHost(third_party=False)
CONTENT = {
    "format_version": 1,
    "name": "wide",
    "seeds": 8,
    "recipe": {"train": {"epochs": 1, "device": "cpu"}},
    "data": ["digits"],
    "backbones": {"local": {"grid": [2, 2]}},
    "starts": {"random": None, "all-rules": None, "informed": {"prior": "informed"}},
    "controls": [],
}


def checked(**changes):
    return check_study({**CONTENT, **changes}, HOST, "wide.yaml", Path()).study


def mistakes(**changes):
    with pytest.raises(RecipeError) as error:
        checked(**changes)
    return [str(problem) for problem in error.value.problems]


def test_all_rules_are_the_fixed_orders_of_the_grid():
    study, orders = checked(), fixed_orders(HOST, Grid(2, 2))
    assert list(study.starts) == ["random", *orders, "informed"]
    for name, order in orders.items():
        recipe = recipe_of(study, Cell(RowKey("digits", "local", name), 0), HOST, Path())
        assert compose(recipe, HOST, name).start.order(Grid(2, 2)) == order
    assert pool_of(study, HOST) == tuple(orders)
    plan = plan_of(study, HOST)
    assert plan.comparisons == {"best-fixed": 1, "order-matters": 1}
    chosen = f"the best fixed order is chosen on validation images from {len(orders)}: row, "
    assert plan.questions[1].startswith(chosen)


@pytest.mark.parametrize("short", ["all-rules", ["all-rules"]])
def test_the_name_alone_is_enough(short):
    assert list(checked(starts=short).starts) == list(fixed_orders(HOST, Grid(2, 2)))


def test_what_is_written_down_names_every_order():
    study = checked()
    assert check_study(study.as_plain_data(), HOST, "again", Path()).study == study


def test_a_rule_that_is_named_as_well_is_there_once():
    assert next(iter(checked(starts={"row": None, "all-rules": None}).starts)) == "row"
    assert mistakes(starts={"all-rules": None, "row": "spiral"}) == [
        "starts.row: has the same name as another order in all-rules (give it another name)"
    ]


def test_grids_of_two_sizes_are_refused():
    backbones = {"small": {"name": "local", "grid": [2, 2]}, "large": {"name": "local", "grid": [4, 4]}}
    assert mistakes(backbones=backbones) == [
        "starts.all-rules: all rows must compare the same orders, but the grids are 2x2 of small and 4x4 of large "
        "(make one study per grid, or name the starts)"
    ]


def test_mistakes_elsewhere_are_told_instead():
    assert mistakes(backbones={"local": {"grid": [2, 2], "windw": 3}}) == [
        "backbones.local.windw: there is no such field (did you mean 'window'?)"
    ]
