"""The contract of backbones, as the kit checks it."""

from __future__ import annotations

import pytest
from reorder_kit_transformers.encoder import Transformers

from reorder_kit.interfaces import ImageShape
from reorder_kit.testing import check_backbone

SMALL = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12}
SQUARE = [ImageShape(3, 8, 8)]


def test_a_vit_keeps_it() -> None:
    check_backbone(Transformers, {"model": "vit", "config": SMALL, "patch_size": 4}, [ImageShape(3, 4, 12)])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "config", "options"),
    [
        ("vit", {}, {"slot_positions": "learned"}),
        ("deit", {}, {"readout": "mean"}),
        ("dinov3_vit", {"num_register_tokens": 2}, {}),
        ("dinov3_vit", {}, {"readout": "last"}),
        ("ijepa", {}, {"slot_positions": "sincos"}),
        ("beit", {"use_absolute_position_embeddings": True}, {}),
    ],
)
def test_others_keep_it_on_any_grid(family, config, options) -> None:
    check_backbone(Transformers, {"model": family, "config": {**SMALL, **config}, "patch_size": 4, **options})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "config", "options"),
    [
        ("beit", {"use_relative_position_bias": True}, {}),
        ("beit", {"use_shared_relative_position_bias": True, "use_mean_pooling": False}, {}),
        ("siglip_vision_model", {}, {}),
        ("siglip_vision_model", {}, {"readout": "mean"}),
        ("siglip_vision_model", {"vision_use_head": False}, {}),
        ("clip_vision_model", {}, {}),
        ("vit_mae", {}, {}),
    ],
)
def test_others_keep_it_on_square_grids_and_resampled(family, config, options) -> None:
    given = {"model": family, "patch_size": 4, **options}
    check_backbone(Transformers, {**given, "config": {**SMALL, **config}}, SQUARE)
    check_backbone(Transformers, {**given, "config": {**SMALL, **config, "image_size": 12}}, [ImageShape(3, 4, 12)])


@pytest.mark.slow
@pytest.mark.parametrize("family", ["dinov2", "dinov2_with_registers"])
def test_dinov2_keeps_it(family) -> None:
    config = {name: value for name, value in SMALL.items() if name != "intermediate_size"}
    check_backbone(Transformers, {"model": family, "config": {**config, "mlp_ratio": 2}, "patch_size": 4}, SQUARE)
