"""The checked-in list of timm models matches the installed timm; one model per signature is measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import timm

from benchmark_scripts import script

ROOT = Path(__file__).parents[2]
RAW = ROOT / "benchmarks" / "raw" / "timm-models.jsonl"
LISTED_WITH = "1.0.31"
COMPARED = ("model", "kind", "outcome", "positions", "signature", "reason")


@pytest.fixture(scope="module")
def installed() -> dict[str, tuple[dict[str, Any], Any]]:
    """The record of each model of the installed timm, and the model on the meta device."""
    with script("timm_models") as models:
        return {name: (models.outcome_of(name, model), model) for name, model in models.listed()}


def short(record: dict[str, Any]) -> dict[str, Any]:
    return {key: record.get(key) for key in COMPARED}


@pytest.mark.slow
@pytest.mark.skipif(timm.__version__ != LISTED_WITH, reason=f"the list is that of timm {LISTED_WITH}")
def test_the_list_is_that_of_the_installed_timm(installed: dict[str, tuple[dict[str, Any], Any]]) -> None:
    listed = [json.loads(line) for line in RAW.read_text().splitlines()]
    assert {record["model"]: short(record) for record in listed} == {
        name: short(record) for name, (record, _) in installed.items()
    }


@pytest.mark.slow
def test_a_model_of_each_signature_gives_the_same_in_any_order(
    installed: dict[str, tuple[dict[str, Any], Any]],
) -> None:
    found, seen = {}, set()
    for name, (record, model) in installed.items():
        if record["outcome"] == "right" and record["signature"] not in seen:
            seen.add(record["signature"])
            with script("timm_models") as models:
                found[name] = models.measured(name, model.patch_embed.feat_ratio(as_scalar=False))["outcome"]
    assert len(found) > 30
    assert set(found.values()) == {"right"}
