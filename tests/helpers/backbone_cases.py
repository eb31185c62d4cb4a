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

# Option sets by recipe name, for patches of 4x4 pixels unless they say otherwise; with each, all slots of a 2x2 grid
# reach the readout. A new backbone adds its sets here.
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "vit": [
        {"dim": 16, "heads": 2, "depth": 3},
        {"dim": 16, "heads": 2, "depth": 2, "readout": "mean", "positions": "sincos"},
        {"dim": 12, "heads": 3, "depth": 2, "positions": "none", "patch_size": (2, 4)},
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
    ],
    "mamba": [
        {"dim": 16, "depth": 2},
        {"dim": 16, "depth": 2, "bidirectional": False, "positions": "sincos"},
        {"dim": 12, "depth": 1, "bidirectional": False, "readout": "last", "positions": "none", "patch_size": (2, 4)},
        {"dim": 16, "depth": 1, "bidirectional": False, "readout": "mean", "state": 3, "conv_width": 2},
        {"dim": 16, "depth": 1, "readout": "last", "expand": 1},
        {"dim": 16, "depth": 1, "readout": "mean", "positions": "none"},
        {"dim": 16, "depth": 1, "cls_position": "start", "positions": "none"},
        {"dim": 16, "depth": 2, "cls_position": "end", "conv_width": 1},
    ],
    "recurrent": [
        {},
        {"cell": "lstm", "positions": "sincos", "depth": 1},
        {"bidirectional": True, "positions": "none"},
        {"bidirectional": True, "cell": "lstm", "readout": "mean", "patch_size": (2, 4)},
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
}
REQUIRED: dict[str, dict[str, Any]] = {"timm": {"model": "little_vit"}}
"""What a backbone cannot be built without, besides its patches."""

IMAGES = [ImageShape(1, 8, 8), ImageShape(3, 12, 20), ImageShape(3, 4, 12)]
SMALL = ImageShape(3, 8, 8)
CLIP = ImageShape(3, 8, 8, frames=3)


HOST = host_with()
BACKBONES: dict[str, type[Backbone]] = {name: HOST.backbones.get(name) for name in HOST.backbones}
QUICK = 3
"""Of so many options of each backbone, tests are quick enough for every test run; the others are for the full one."""

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
    """A backbone of patches of 4x4 pixels, where the options do not say otherwise."""
    return backbone_case(BACKBONES[name], {"patch_size": 4, **options}, image)


def build(name: str, options: dict[str, Any], image: ImageShape = SMALL, seed: int = 0) -> Backbone:
    """As the kit builds it; what tests draw from torch's global generator afterward is the same each time."""
    torch.manual_seed(1_000 + seed)
    return case_of(name, options, image).build(seed)


def images_of(image: ImageShape, batch: int = 3) -> Tensor:
    return torch.randn(batch, *image.axes, dtype=torch.float64)
