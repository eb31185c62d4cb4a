"""Launcher variables of a run's processes: complete, or absent."""

from __future__ import annotations

import pytest

from reorder_kit.errors import ReorderKitError
from reorder_kit.training.launch import check_launch
from says import says


@pytest.mark.parametrize("value", [9, "1.5", "x", "-1", "", "9" * 30])
@pytest.mark.parametrize(
    "variables",
    [
        {"RANK": "{}"},
        {"RANK": "0", "WORLD_SIZE": "{}", "LOCAL_RANK": "0"},
        {"LOCAL_WORLD_SIZE": "{}", "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"},
        {"WORLD_SIZE": "2", "RANK": "{}", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"},
        {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "{}", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"},
    ],
    ids=str,
)
def test_impossible_numbers_of_processes_are_refused(variables, value):
    given = {name: text.format(value) for name, text in variables.items()}
    named = next(name for name, text in variables.items() if text == "{}")
    if named == "LOCAL_WORLD_SIZE" and value == 9:
        check_launch(given)  # fewer processes than possible
        return
    with pytest.raises(ReorderKitError, match=f"{named}|WORLD_SIZE") as error:
        check_launch(given)
    assert says(error.value.hint, "torchrun", named)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"MASTER_ADDR": "localhost"},
        {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"},
        {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"},
        {
            "RANK": "3",
            "LOCAL_RANK": "1",
            "WORLD_SIZE": "4",
            "LOCAL_WORLD_SIZE": "2",
            "MASTER_ADDR": "h",
            "MASTER_PORT": "1",
        },
    ],
    ids=str,
)
def test_what_launchers_say_is_accepted(variables):
    check_launch(variables)
