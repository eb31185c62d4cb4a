"""Every backbone of the package with several options."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import tiny_timm  # noqa: F401 # timm knows its models by name
from reorder_kit.interfaces import Backbone, ImageShape
from reorder_kit.testing import backbone_case, host_with
from reorder_kit.testing._backbone_case import BackboneCase

LOCAL: dict[str, Any] = {"mixer": "local", "heads": 2}
CUT_2x4: dict[str, Any] = {"patch_size": None, "grid": (2, 4)}
CUT_4x4: dict[str, Any] = {"patch_size": None, "grid": (4, 4)}
BIGBIRD: dict[str, Any] = {"dim": 16, "heads": 2, "depth": 2, "pattern": "bigbird", "block": 2}
# Option sets by recipe name, for patches of 4x4 pixels unless they say otherwise; with each, all slots of a 2x2 grid
# reach the readout. A new backbone adds its sets here.
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "vit": [
        {"dim": 16, "heads": 2, "depth": 3},
        {"dim": 16, "heads": 2, "depth": 2, "readout": "mean", "positions": "sincos"},
        {"dim": 12, "heads": 3, "depth": 2, "positions": "none", "patch_size": (2, 4)},
        {"dim": 16, "heads": 2, "depth": 2, "positions": "rope", "slot_positions": "relative"},
        {"dim": 16, "heads": 2, "depth": 2, "positions": "relative", "slot_positions": "rope", "readout": "mean"},
    ],
    "timm": [
        {"model": "little_eva"},
        {"model": "little_relpos", "causal": True, "patch_size": (4, 2)},
        {"model": "little_beit", "readout": "last"},
        {"model": "little_eva", "causal": True},
        {"model": "little_mixed", "causal": True, "readout": "cls"},
        {"model": "little_beit", "causal": True, "readout": "cls"},
        {"model": "little_vit"},
        {"model": "little_vit", "causal": True, "readout": "last"},
        {"model": "little_cait"},
        {"model": "little_mixed", "readout": "mean", "positions": "none"},
        {"model": "little_relpos", "readout": "mean", "positions": "none"},
    ],
    "gated-deltanet": [
        {"dim": 8, "depth": 2, "heads": 2, "chunk": 3},
        {"dim": 8, "depth": 2, "heads": 1, "value_heads": 2, "bidirectional": False, "positions": "sincos"},
        {
            "dim": 12,
            "depth": 1,
            "heads": 3,
            "expand": 1,
            "bidirectional": False,
            "readout": "last",
            "positions": "none",
            "patch_size": (2, 4),
        },
        {"dim": 8, "depth": 1, "heads": 2, "head_dim": 5, "readout": "mean", "conv_width": 2, "mlp_ratio": 1.0},
        {"dim": 8, "depth": 1, "heads": 2, "value_heads": 4, "readout": "last", "positions": "none"},
        {"dim": 8, "depth": 1, "heads": 2, "cls_position": "start", "positions": "none"},
    ],
    "hierarchical": [
        {**CUT_4x4, "dim": 8, "levels": [LOCAL | {"window": 1}, {"mixer": "mamba", "state": 2}]},
        {
            **CUT_2x4 | {"dim": 8, "readout": "last", "positions": "none"},
            "levels": [{"mixer": "attention", "heads": 2, "causal": True}, LOCAL | {"depth": 2, "causal": True}],
        },
        {
            **CUT_2x4 | {"dim": 8, "growth": 1, "positions": "sincos"},
            "levels": [LOCAL | {"window": 20}, {"mixer": "attention", "heads": 2}],
        },
        {
            **CUT_4x4 | {"dim": 8, "readout": "last"},
            "levels": [
                LOCAL | {"window": 0, "causal": True},
                {"mixer": "mamba", "state": 2, "bidirectional": False},
                LOCAL | {"window": 1},
            ],
        },
        {
            "patch_size": 2,
            "dim": 8,
            "readout": "last",
            "levels": [LOCAL | {"window": 1}, {"mixer": "mamba", "state": 2, "depth": 2}],
        },
    ],
    "local": [
        {"window": 2},
        {"window": 3, "depth": 1},
        {"window": 1, "depth": 3, "causal": False, "positions": "none"},
        {"window": 1, "readout": "mean", "positions": "sincos"},
        {"window": 2, "readout": "cls", "patch_size": (4, 2)},
        {"window": 3, "readout": "cls", "causal": False, "depth": 3},
        {"window": 20, "readout": "cls", "causal": False},
        {"window": 20, "readout": "cls", "depth": 1},
        {"window": 20, "readout": "mean", "causal": False},
        {"window": 20, "readout": "mean"},
        {"window": 0, "readout": "mean"},
        {"window": 2, "positions": "relative", "slot_positions": "rope"},
        {"window": 2, "positions": "rope", "slot_positions": "relative", "readout": "cls"},
    ],
    "longformer": [
        {"dim": 16, "heads": 2, "depth": 2, "window": 1},
        {"dim": 16, "heads": 2, "depth": 1, "window": 1, "positions": "sincos"},
        {"dim": 12, "heads": 3, "depth": 3, "window": 14, "positions": "none", "patch_size": (2, 4)},
        {"dim": 16, "heads": 2, "depth": 2, "window": 0},
        {"dim": 16, "heads": 2, "depth": 2, "window": 2, "readout": "mean"},
        {"dim": 16, "heads": 2, "depth": 1, "window": 1, "readout": "mean", "positions": "none"},
        {"dim": 16, "heads": 2, "depth": 1, "window": 14, "readout": "mean"},
        {"dim": 16, "heads": 2, "depth": 2, "window": 2, "readout": "last", "patch_size": (4, 2)},
        {"dim": 16, "heads": 2, "depth": 2, "window": 1, "positions": "relative", "slot_positions": "sincos"},
        {"dim": 16, "heads": 2, "depth": 2, "window": 1, "slot_positions": "relative", "readout": "mean"},
    ],
    "arm": [
        {"dim": 8, "depth": 2, "state": 2},
        {"dim": 8, "depth": 1, "state": 2, "readout": "cls", "positions": "sincos", "patch_size": (2, 4)},
        {"dim": 12, "depth": 1, "state": 3, "expand": 2, "positions": "none", "slot_positions": "learned"},
        {"dim": 10, "depth": 1, "state": 2, "conv_width": 2, "positions": "none", "slot_positions": "sincos"},
    ],
    "mamba": [
        {"dim": 16, "depth": 2},
        {"dim": 16, "depth": 2, "bidirectional": False, "positions": "sincos"},
        {"dim": 12, "depth": 1, "bidirectional": False, "readout": "last", "positions": "none", "patch_size": (2, 4)},
        {"dim": 16, "depth": 1, "bidirectional": False, "readout": "mean", "state": 3, "conv_width": 2},
        {"dim": 16, "depth": 1, "readout": "last", "expand": 1},
        {"dim": 16, "depth": 1, "readout": "mean", "positions": "none"},
        {"dim": 16, "depth": 1, "cls_position": "start", "positions": "none"},
        {"dim": 16, "depth": 2, "cls_position": "end", "conv_width": 1, "slot_positions": "sincos"},
    ],
    "mamba2": [
        {"dim": 8, "depth": 2, "state": 4, "head_dim": 4, "chunk": 3},
        {"dim": 8, "depth": 2, "state": 4, "head_dim": 8, "bidirectional": False, "positions": "sincos"},
        {
            "dim": 12,
            "depth": 1,
            "state": 3,
            "head_dim": 6,
            "groups": 2,
            "bidirectional": False,
            "readout": "last",
            "positions": "none",
            "patch_size": (2, 4),
        },
        {"dim": 8, "depth": 1, "state": 4, "head_dim": 4, "readout": "mean", "conv_width": 1, "expand": 1},
        {"dim": 8, "depth": 1, "state": 4, "head_dim": 4, "readout": "last", "groups": 4, "positions": "none"},
        {"dim": 8, "depth": 1, "state": 4, "head_dim": 4, "cls_position": "start", "positions": "none"},
    ],
    "recurrent": [
        {},
        {"cell": "lstm", "positions": "sincos", "depth": 1},
        {"bidirectional": True, "positions": "none"},
        {"bidirectional": True, "cell": "lstm", "readout": "mean", "patch_size": (2, 4)},
    ],
    "sparse": [
        {"dim": 16, "heads": 2, "depth": 2, "stride": 2, "causal": True, "readout": "last"},
        {"dim": 16, "heads": 2, "depth": 1, "pattern": "fixed", "block": 2, "positions": "none"},
        {**BIGBIRD, "window": 0, "num_random": 1, "num_global": 0, "readout": "cls", "patch_size": (4, 2)},
        {**BIGBIRD, "window": 1, "num_random": 1, "num_global": 1, "causal": True, "positions": "sincos"},
        {**BIGBIRD, "window": 0, "num_random": 9, "num_global": 0},
        {**BIGBIRD, "window": 0, "num_random": 0, "num_global": 0, "block": 1},
        {**BIGBIRD, "window": 0, "num_random": 0, "num_global": 0, "block": 1, "causal": True, "readout": "cls"},
        {**BIGBIRD, "window": 0, "num_random": 0, "num_global": 1, "block": 1, "readout": "last"},
        {"dim": 16, "heads": 2, "depth": 1, "stride": 3, "readout": "cls", "causal": True},
        {"dim": 16, "heads": 2, "depth": 2, "stride": 30, "readout": "cls"},
        {"dim": 16, "heads": 2, "depth": 2, "pattern": "fixed", "block": 3, "num_summary": 3},
        {"dim": 16, "heads": 2, "depth": 2, "pattern": "fixed", "block": 20, "causal": True, "readout": "cls"},
    ],
    "transformer-xl": [
        {"dim": 16, "heads": 2, "depth": 2, "segment": 2, "memory": 2},
        {"dim": 16, "heads": 2, "depth": 2, "segment": 3, "memory": 1, "readout": "last"},
        {"dim": 12, "heads": 3, "depth": 2, "segment": 2, "memory": 5, "readout": "cls"},
        {"dim": 16, "heads": 2, "depth": 1, "readout": "cls", "positions": "none", "patch_size": (2, 4)},
        {"dim": 16, "heads": 2, "depth": 1, "causal": False, "positions": "sincos"},
        {"dim": 16, "heads": 2, "depth": 2, "segment": 3, "memory": 3, "causal": False, "readout": "cls"},
        {"dim": 16, "heads": 2, "depth": 2, "segment": 2, "memory": 0},
    ],
    "vmamba": [
        {**CUT_2x4, "dim": 4, "depths": (1, 1)},
        {
            "patch_size": None,
            "grid": (4, 2),
            "dim": 4,
            "depths": (2, 1),
            "state": 2,
            "expand": 2,
            "conv_width": 1,
            "positions": "learned",
        },
    ],
    "violin": [
        {"dim": 16, "heads": 2, "depth": 2, "along_sequence": True},
        {"dim": 16, "heads": 2, "depth": 2, "readout": "cls", "positions": "none", "curves": ["row", "hilbert"]},
        {"dim": 12, "heads": 3, "depth": 1, "curves": [], "along_sequence": True, "patch_size": (2, 4)},
        {"dim": 16, "heads": 2, "depth": 1, "along_sequence": True, "readout": "cls", "positions": "sincos"},
        {"dim": 16, "heads": 2, "depth": 2, "along_sequence": True, "readout": "cls", "curves": ["column"]},
    ],
}
REQUIRED: dict[str, dict[str, Any]] = {"timm": {"model": "little_vit"}}
"""Required options of a backbone, other than its patches."""

IMAGES = [ImageShape(1, 8, 8), ImageShape(3, 12, 20), ImageShape(3, 4, 12)]
SMALL = ImageShape(3, 8, 8)
OF_LEVELS = {"hierarchical", "vmamba"}
"""The hierarchical backbones, whose grids must be divisible."""
CLIP = ImageShape(3, 8, 8, frames=3)


HOST = host_with()
BACKBONES: dict[str, type[Backbone]] = {name: HOST.backbones.get(name) for name in HOST.backbones}
QUICK = 3
"""Number of option sets per backbone in every test run; the others are for the full one."""

CASES = [
    pytest.param(
        name,
        options,
        id=f"{name}-{'-'.join(str(value) for value in options.values())}",
        marks=[pytest.mark.slow] if number >= QUICK else [],
    )
    for name, sets in OPTIONS.items()
    for number, options in enumerate(sets)
]
every_case = pytest.mark.parametrize(("name", "options"), CASES)
every_image = pytest.mark.parametrize("image", IMAGES, ids=str)


def case_of(name: str, options: dict[str, Any], image: ImageShape = SMALL) -> BackboneCase:
    """A backbone with patches of 4x4 pixels, unless the options say otherwise."""
    return backbone_case(BACKBONES[name], {"patch_size": 4, **options}, image)


def options_of_4x4_pixels(name: str) -> dict[str, Any]:
    """The first option set of a backbone, with patches of 4x4 pixels."""
    return {**OPTIONS[name][0], "patch_size": 4, "grid": None}


def build(name: str, options: dict[str, Any], image: ImageShape = SMALL, seed: int = 0) -> Backbone:
    """Built like in the kit, with a fixed state of torch's global generator afterward."""
    torch.manual_seed(1_000 + seed)
    return case_of(name, options, image).build(seed)


def images_of(image: ImageShape, batch: int = 3) -> Tensor:
    return torch.randn(batch, *image.axes, dtype=torch.float64)
