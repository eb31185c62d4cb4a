"""A sequence of one slot: no state is carried between slots, but every weight must have a gradient."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from reorder_kit.interfaces import ImageShape
from reorder_kit.testing import host_with
from reorder_kit.testing.backbone import backbone_case, the_gradient_reaches_every_parameter

LOCAL = {"mixer": "local", "heads": 2}
MAMBA = {"mixer": "mamba", "state": 2}
OF_ONE_PATCH: list[dict[str, Any]] = [
    {"name": "mamba", "state": 2},
    {"name": "arm"},
    {"name": "mamba2", "head_dim": 8},
    {"name": "gated-deltanet"},
    {"name": "transformer-xl", "heads": 2},
    {"name": "violin", "heads": 2},
]
OF_ONE_CELL: list[dict[str, Any]] = [
    {"name": "hierarchical", "levels": [LOCAL, MAMBA]},
    {"name": "hierarchical", "levels": [MAMBA, MAMBA | {"bidirectional": False}], "readout": "last"},
    {"name": "vmamba", "depths": (1, 1)},
]
CASES = [each | {"patch_size": 8, "depth": 1} for each in OF_ONE_PATCH] + [
    each | {"patch_size": 4} for each in OF_ONE_CELL
]


@pytest.mark.parametrize("options", CASES, ids=lambda options: str(options["name"]))
def test_every_weight_has_a_gradient(options: dict[str, Any]) -> None:
    given = {key: value for key, value in options.items() if key != "name"} | {"dim": 8}
    case = backbone_case(host_with().backbones.get(options["name"]), given, ImageShape(1, 8, 8))
    the_gradient_reaches_every_parameter(case)
    backbone = case.build().float().train()
    sequence = backbone.tokenize(case.images().float())
    valid = torch.ones(3, sequence.num_slots, dtype=torch.bool)
    backbone.summarize(backbone.encode(replace(sequence, valid=valid))).square().sum().backward()
    assert [name for name, value in backbone.named_parameters() if value.grad is None] == []
