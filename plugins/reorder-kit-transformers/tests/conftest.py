"""Small encoders of every family, with weights that hide nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from reorder_kit_transformers.encoder import Transformers

from reorder_kit.interfaces import ImageShape
from reorder_kit.testing.fixtures import run_an_epoch

__all__ = ["run_an_epoch"]

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
NARROW = {**SMALL, "intermediate_size": 24}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "vit": ("vit", NARROW),
    "deit": ("deit", NARROW),
    "beit": ("beit", {**NARROW, "use_relative_position_bias": True}),
    "beit shared": (
        "beit",
        {
            **NARROW,
            "use_shared_relative_position_bias": True,
            "use_absolute_position_embeddings": True,
            "use_mean_pooling": False,
        },
    ),
    "dinov2": ("dinov2", {**SMALL, "mlp_ratio": 2, "use_swiglu_ffn": True}),
    "dinov2 with registers": ("dinov2_with_registers", {**SMALL, "mlp_ratio": 2, "num_register_tokens": 3}),
    "dinov3": ("dinov3_vit", {**NARROW, "num_register_tokens": 2, "use_gated_mlp": True}),
    "siglip": ("siglip_vision_model", NARROW),
    "clip": ("clip_vision_model", NARROW),
    "mae": ("vit_mae", NARROW),
    "msn": ("vit_msn", NARROW),
    "ijepa": ("ijepa", NARROW),
}
Build = Callable[..., Transformers]


IMAGE = ImageShape(3, 12, 12)


def built(case: str, image: ImageShape = IMAGE, config: Any = None, **options: Any) -> Transformers:
    """A small encoder in double precision, without dropout, every weight at random."""
    family, settings = CASES[case]
    given = {"model": family, "config": {**settings, **(config or {})}, "patch_size": 4, **options}
    torch.manual_seed(0)
    backbone = Transformers(Transformers.Options.model_validate(given), image).double().eval()
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.normal_(std=0.3)
    return backbone


@pytest.fixture
def build() -> Build:
    """Makes a small encoder, by its name in :data:`CASES`."""
    return built


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    """Each of the encoders."""
    return str(request.param)


@pytest.fixture
def images() -> torch.Tensor:
    """Four images of 12x12 pixels."""
    return torch.randn(4, 3, 12, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
