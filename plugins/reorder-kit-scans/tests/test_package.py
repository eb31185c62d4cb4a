"""The package: its entry points, its study, and the table in its README."""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from itertools import takewhile
from pathlib import Path

import pytest
import yaml

from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.fixed_orders import fixed_orders
from reorder_kit.interfaces import Grid
from reorder_kit.studies.cells import Cell, RowKey, recipe_of
from reorder_kit.studies.checking import check_study
from reorder_kit.studies.plan import plan_of
from reorder_kit.testing import host_with
from reorder_kit.training.run import run_experiment

ROOT = Path(__file__).parents[1]
ENTRY_POINTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["reorder_kit"]
MODULES = {name: import_module(path) for name, path in ENTRY_POINTS.items()}
HOST = host_with(*MODULES.values())
STUDY = ROOT / "studies" / "scans.yaml"
README = (ROOT / "README.md").read_text()


def checked():
    return check_study(yaml.safe_load(STUDY.read_text()), HOST, STUDY.name, STUDY.parent).study


@pytest.mark.parametrize("name", MODULES)
def test_each_entry_point_provides_the_ordering_of_its_name(name):
    assert HOST.orderings.get(name).__module__ == MODULES[name].__name__
    assert MODULES[name].reorder_kit_api == "1.0"


def test_the_scans_in_the_readme_are_orders_of_the_core_and_differ():
    sections = [
        yaml.safe_load(found) for found in re.findall(r"\| `(\{name: .+?\})` \|", (ROOT / "README.md").read_text())
    ]
    core, orders = host_with().orderings, set()
    for section in sections:
        ordering = core.get(section.pop("name"))
        orders.add(ordering(ordering.Options.model_validate(section)).order(Grid(3, 4)))
    assert len(orders) == len(sections) == 8


def test_with_all_turns_these_scans_are_as_many_orders_as_the_readme_says():
    scans = ("row", "column", "boustrophedon", "diagonal", "snake")
    names = [name.partition("-")[0] for name in fixed_orders(host_with(), Grid(8, 8))]
    (said,) = re.findall(
        r"makes (\d+) different orders of an 8x8 grid", " ".join((ROOT / "README.md").read_text().split())
    )
    assert sum(names.count(scan) for scan in scans) == int(said)


def test_the_study_is_valid_and_compares_every_ordering_of_the_package():
    plan = plan_of(checked(), HOST)
    assert not plan.warnings
    starts = checked().starts.values()
    assert set(MODULES) <= {start.section["name"] for start in starts}


def test_the_header_of_the_study_runs_it():
    header = list(takewhile(lambda line: line.startswith("#"), STUDY.read_text().splitlines()))
    assert header[0].startswith("# reorder-kit study plugins/reorder-kit-scans/studies/scans.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("start", ["moore", "peano", "windows-4"])
def test_a_run_of_the_study_starts_from_the_order(start, tmp_path):
    recipe = recipe_of(checked(), Cell(RowKey("digits", "local", start), 0), HOST, tmp_path)
    recipe["train"]["epochs"] = 1
    _, result = run_experiment(compose(recipe, HOST, start), HOST, tmp_path / start)
    section = checked().starts[start].section
    ordering = HOST.orderings.get(section["name"])
    options = ordering.Options.model_validate({key: value for key, value in section.items() if key != "name"})
    assert list(result.order.start) == ordering(options).order(Grid(8, 8)).indices.tolist()
