"""Operations of recurrent encoders, whose fused layers would count as zero."""

from __future__ import annotations

import pytest
import torch

import reorder_kit
from reorder_kit.testing import host_with

DIM, SLOTS = 8, 16


@pytest.mark.parametrize(("cell", "gates"), [("gru", 3), ("lstm", 4)])
def test_operations_of_a_recurrent_layer_are_those_of_its_gates(cell, gates, tmp_path):
    """By hand: in each slot, each gate multiplies the input and the state by a square matrix."""
    recipe = {
        "format_version": 1,
        "name": "recurrent",
        "data": {"name": "digits", "batch_size": 400},
        "backbone": {"name": "recurrent", "cell": cell, "grid": [4, 4], "dim": DIM, "depth": 1},
        "train": {"epochs": 1, "device": "cpu"},
    }
    was_enabled = torch._C._get_mkldnn_enabled()
    cost = reorder_kit.run(recipe, out=tmp_path / "run", host=host_with()).result.encoder
    assert (cost.slots, cost.operations) == (SLOTS, 2 * SLOTS * gates * 2 * DIM**2)
    assert torch._C._get_mkldnn_enabled() is was_enabled
