"""Random recipes with absurd values: validate and a run agree, and neither raises anything else."""

from __future__ import annotations

import datetime
import json
import math
import time
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st

from campaign import CASES, cases
from reorder_kit.experiment.doubts import doubts
from tests.contract.test_validate_refuses_what_run_refuses import (
    _only_data_tells,
    composed,
    recipes,
    refusal_of_run,
)
from tests.contract.test_validate_refuses_what_run_refuses import untrained as untrained  # a fixture

SECONDS = 30
STRANGE: list[Any] = [
    None, True, False, 0, 1, -1, 1.5, -0.0, 1e-320, 1e39, -1e308, math.nan, math.inf, -math.inf, 2**31, 2**32, 2**63,
    10**18, 10**80, -(10**80), "", " ", "x" * 1000, "\0", "\ud800", "nan", "1e3", "row", "../..", "/dev/full",
    "~nobody/a",
    [], [[]], [0], [None], [1, 2, 3], ["row", "row"], {}, {"name": None}, {"name": "row"}, {"name": "row", "row": 1},
    {"": ""}, {0: 0}, {None: None}, datetime.date(2020, 1, 1), b"bytes", 1 + 1j, (1, 2), {1, 2},
]  # fmt: skip
"""Values that YAML can hold, and additional ones from a Python program."""
KEYS = ["name", "", "0", "class", "__init__", "options", "set", "x" * 500, 0, None, True, "\0"]


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every field of a recipe, and every element of its lists."""
    items: Any = ()
    if isinstance(content, dict):
        items = content.items()
    elif isinstance(content, list):
        items = enumerate(content)
    return [found for key, value in items for found in [(*path, key), *places(value, (*path, key))]]


@st.composite
def strange_recipes(draw: st.DrawFn) -> Any:
    content = deepcopy(draw(recipes()))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 4]))):
        *above, last = draw(st.sampled_from(places(content)))
        section = content
        for key in above:
            section = section[key]
        value = deepcopy(draw(st.sampled_from(STRANGE)))
        if isinstance(section, dict) and draw(st.integers(0, 4)) == 0:
            if draw(st.booleans()):
                del section[last]
                continue
            last = draw(st.sampled_from(KEYS))
        section[last] = value
    return content


def check(content: Any) -> None:
    """Either validate refuses it with a message, or a run not refused for its data accepts it."""
    note(repr(content))
    began = time.monotonic()
    experiment, invalid = composed(content)
    if experiment is None:
        event("refused")
        assert 0 < len(str(invalid)) < 20_000
        json.dumps([problem.path for problem in invalid.problems])
    else:
        event("runs")
        doubts(experiment)
        refused = refusal_of_run(content)
        assert refused is None or _only_data_tells(content, refused), f"only a run refuses it: {refused}"
    assert time.monotonic() - began < SECONDS


@pytest.mark.usefixtures("untrained")
@given(strange_recipes())
@settings(max_examples=cases(80), deadline=None, derandomize=not CASES, suppress_health_check=list(HealthCheck))
def test_recipes_with_strange_values(content):
    check(content)


@pytest.mark.slow
@pytest.mark.usefixtures("untrained")
@given(strange_recipes())
@settings(max_examples=500, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_many_recipes_with_strange_values(content):
    check(content)
