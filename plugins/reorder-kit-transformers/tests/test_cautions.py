"""Warnings about what would go wrong silently: the scale of pixels, and encoders without positions."""

from __future__ import annotations

import json
from typing import Any

import pytest
import transformers
from reorder_kit_transformers.encoder import Transformers

from reorder_kit.interfaces import IMAGENET, BackboneFacts, ImageShape

IMAGE = ImageShape(3, 12, 12)
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
USUAL = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}


def facts(**options: Any) -> BackboneFacts:
    return Transformers.facts(Transformers.Options.model_validate(options), IMAGE)


def caution(**options: Any) -> str:
    return facts(**options).caution


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (HALF, ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))),
        ({**HALF, "image_std": [1, 1, 1]}, ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0))),
        ({**USUAL, "do_normalize": False}, ((0.0,), (1.0,))),
        ({"image_mean": 0.5, "image_std": 0.25}, ((0.5,), (0.25,))),
        ({"image_mean": 1, "image_std": 1, "rescale_factor": 1 / 127.5}, ((0.5,), (0.5,))),
        ({"image_mean": 127.5, "image_std": 255, "do_rescale": False}, ((0.5,), (1.0,))),
        (USUAL, IMAGENET),
        ({"image_mean": [0.5], "image_std": [0.5]}, ((0.5,), (0.5,))),
        ({"image_mean": [0.5, 0.5], "image_std": [0.5]}, None),
        ({"image_mean": "half"}, None),
        ([], None),
        (None, None),
    ],
)
def test_the_scale_of_a_checkpoint_is_that_of_its_folder(tmp_path, content, expected):
    transformers.ViTConfig(**SMALL, image_size=12, patch_size=4).save_pretrained(tmp_path)
    if content is not None:
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(content))
    assert facts(pretrained=str(tmp_path)).pixel_scale == expected
    assert ("the scale of pixels that the checkpoint expects is not known" in caution(pretrained=str(tmp_path))) is (
        expected is None
    )


def test_a_model_on_the_hub_is_named_since_its_scale_is_not_read():
    found = caution(model="vit", pretrained="owner/name", config={**SMALL, "image_size": 12}, patch_size=4)
    assert found.startswith("pretrained: the scale of pixels that owner/name expects is not read")


@pytest.mark.parametrize(
    "setting",
    [None, "use_relative_position_bias", "use_shared_relative_position_bias", "use_absolute_position_embeddings"],
)
def test_a_beit_from_scratch_without_positions_is_warned_of(setting):
    config = SMALL if setting is None else {**SMALL, setting: True}
    found = caution(model="beit", config=config, patch_size=4)
    assert found.startswith("config: beit has no positions") is (setting is None)


@pytest.mark.parametrize("model", ["vit", "dinov3_vit", "vit_mae"])
def test_encoders_with_positions_are_not_warned_of(model):
    assert caution(model=model, config=SMALL, patch_size=4) == ""
