"""What is refused, by name and with the reason, before anything is built."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from reorder_kit_transformers.encoder import Transformers
from transformers import PreTrainedConfig

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import ImageShape

IMAGE = ImageShape(3, 8, 8)
SMALL = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}


def options(**given):
    return Transformers.Options.model_validate({"model": "vit", "config": SMALL, "patch_size": 4, **given})


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"model": "swin"}, "swin cannot be read in another order: its blocks attend within windows"),
        ({"model": "convnext"}, "its blocks work on the 2-D image"),
        ({"model": "timm_wrapper"}, "use the backbone timm"),
        ({"model": "dinov2_with_register"}, "did you mean dinov2_with_registers"),
        ({"model": None}, "give model .* or pretrained"),
        (
            {"config": {"hiden_size": 8}},
            "'hiden_size' is not a setting of the encoder of vit.*did you mean hidden_size",
        ),
        ({"config": {"patch_size": 4}}, "give the option patch_size"),
        ({"config": {"encoder_stride": 4}}, "'encoder_stride' is not a setting"),
        ({"model": "vit_mae", "config": {"mask_ratio": 0.5}}, "'mask_ratio' is not a setting"),
        ({"model": "dinov3_vit", "config": {"image_size": 8}}, "'image_size' is not a setting"),
        ({"model": "siglip_vision_model", "readout": "cls"}, "siglip_vision_model has no CLS token"),
        ({"pretrained": "./no_such_folder", "model": None}, "there is no folder ./no_such_folder"),
        ({"patch_size": None}, "give patch_size"),
    ],
)
def test_options_that_mean_nothing_are_refused(given, reason) -> None:
    with pytest.raises(ValidationError, match=reason):
        options(**given)


@pytest.mark.parametrize(
    ("given", "image", "reason"),
    [
        ({"config": {**SMALL, "num_attention_heads": 3}}, IMAGE, "width 8 with 3 heads"),
        ({"config": {**SMALL, "hidden_act": 3}}, IMAGE, "transformers refuses this config of vit"),
        ({"config": {**SMALL, "num_channels": 3}}, ImageShape(1, 8, 8), "reads 3 channels, but the images have 1"),
        ({"patch_size": [4, 2]}, IMAGE, "cuts square patches, not 4x2"),
        ({"patch_size": 3}, IMAGE, "cannot be cut into patches of 3x3"),
        ({}, ImageShape(3, 8, 8, frames=2), "reads single images"),
        ({"model": "clip_vision_model"}, ImageShape(3, 8, 12), "for a square grid, not for 2x3"),
        ({"config": {**SMALL, "image_size": [8, 12]}}, IMAGE, "for a square grid, not for 2x3"),
        (
            {"model": "beit", "config": {**SMALL, "use_relative_position_bias": True}},
            ImageShape(3, 8, 12),
            "positions of beit for a square grid",
        ),
        ({"model": "dinov3_vit", "config": {**SMALL, "hidden_size": 12}}, IMAGE, "a width that 4 divides, not 6"),
    ],
)
def test_encoders_that_cannot_be_built_for_the_images_are_refused(given, image, reason) -> None:
    with pytest.raises(ReorderKitError, match=reason):
        Transformers.facts(options(**given), image)


def test_facts_come_from_the_configuration() -> None:
    facts = Transformers.facts(options(), IMAGE)
    assert (facts.grid.num_patches, facts.dim, facts.depth, facts.has_positions) == (4, 8, 1, True)
    assert not facts.downloads


def test_a_name_on_the_hub_downloads_and_a_folder_does_not() -> None:
    of_hub = options().model_copy(update={"pretrained": "owner/name"})
    of_folder = options().model_copy(update={"pretrained": "/checkpoints/vit"})
    without = Transformers.without_downloads(of_hub)
    assert [Transformers.facts(each, IMAGE).downloads for each in (of_hub, of_folder, without)] == [True, False, False]


def test_a_hub_that_is_out_of_reach_is_said_with_the_recipe(monkeypatch) -> None:
    def out_of_reach(source):
        raise OSError("no connection")

    monkeypatch.setattr(PreTrainedConfig, "get_config_dict", out_of_reach)
    with pytest.raises(ValidationError, match=r"cannot read the configuration of owner/name: no connection .*download"):
        options(pretrained="owner/name", model=None)
