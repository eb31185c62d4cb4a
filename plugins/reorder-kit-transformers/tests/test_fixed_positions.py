"""The positions of ViT-MAE in an encoder as it is built, without the weights that other tests put there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from reorder_kit_transformers.encoder import Transformers
from transformers.models.vit_mae.modeling_vit_mae import build_2d_sinusoidal_position_embedding

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import ImageShape

IMAGE = ImageShape(3, 12, 12)
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12}


def untouched(image: ImageShape = IMAGE, **config: Any) -> Transformers:
    options = {"model": "vit_mae", "config": {**SMALL, **config}, "patch_size": 4}
    torch.manual_seed(0)
    return Transformers(Transformers.Options.model_validate(options), image).eval()


@pytest.mark.parametrize(("image", "config", "side"), [(IMAGE, {}, 3), (ImageShape(3, 4, 8), {"image_size": 20}, 5)])
def test_an_encoder_from_scratch_has_the_table_that_transformers_defines(image, config, side):
    table = untouched(image, **config).model.embeddings.position_embeddings
    row, column = build_2d_sinusoidal_position_embedding(side, side, 16, cls_token=True).chunk(2, dim=-1)
    # Checkpoints have the column before the row: transformers says so where it initializes the model.
    torch.testing.assert_close(table, torch.cat([column, row], dim=-1).unsqueeze(0))
    assert not table.requires_grad
    assert table[:, 1:].abs().amax(dim=-1).min() > 0.5


@torch.no_grad()
def test_an_image_with_its_patches_shuffled_has_another_readout():
    backbone, images = untouched(), torch.randn(2, 3, 12, 12)
    shuffled = images.roll((4, 8), dims=(2, 3))
    first, second = (backbone.summarize(backbone.encode(backbone.tokenize(each))) for each in (images, shuffled))
    assert (first - second).abs().max() > 1e-4


def test_a_width_without_sines_and_cosines_is_refused():
    with pytest.raises(ReorderKitError, match="need a width that 4 divides, not 6"):
        untouched(hidden_size=6)
