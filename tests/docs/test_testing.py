"""The page about testing plugins: its blocks run, and it lists every check."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from reorder_kit import testing
from reorder_kit.interfaces import Grid, Ordering
from reorder_kit.testing import BrokenRulesError, check_ordering

pytest_plugins = ["reorder_kit.testing.fixtures"]

TEXT = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
PAGE: dict = {"__name__": "page"}
exec("\n".join(BLOCKS), PAGE)  # our own document


def test_its_tests_pass(run_an_epoch):
    PAGE["test_bottom_up_keeps_the_contract"]()
    for rule in testing.ORDERING_RULES:
        PAGE["test_bottom_up"](rule)
    PAGE["test_a_recipe_can_name_it"]()
    PAGE["test_a_run_starts_from_it"](run_an_epoch)


def test_every_test_on_the_page_is_called_here():
    called = inspect.getsource(test_its_tests_pass)
    tests = [name for name in PAGE if name.startswith("test_")]
    assert len(tests) == 4
    assert all(f'PAGE["{name}"]' in called for name in tests)


def test_every_check_is_in_the_table_with_its_arguments():
    for name in testing.__all__:
        if name.startswith("check_"):
            arguments = ", ".join(inspect.signature(getattr(testing, name)).parameters)
            assert f"`{name}({arguments})`" in TEXT


def test_the_message_is_what_is_said():
    class Forgetful(Ordering):
        """It leaves a patch out."""

        name = "forgetful"

        def cells(self, height, width):
            cells = [(row, column) for row in range(height) for column in range(width)]
            return cells[1:] if min(height, width) > 1 else cells

    with pytest.raises(BrokenRulesError) as caught:
        check_ordering(Forgetful, grids=[Grid(2, 2)])
    shown = re.search(r"^```text\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)[1]
    assert str(caught.value) == shown.rstrip()
