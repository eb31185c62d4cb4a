"""Checkpoints in folders: loaded whole, or refused by name; a run no longer needs them."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest
import torch
import transformers
from pydantic import ValidationError
from reorder_kit_transformers import encoder
from reorder_kit_transformers.encoder import Transformers
from safetensors.torch import load_file, save_file

from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.loaded_run import LoadedRun
from reorder_kit.interfaces import ImageShape, Order, Proposal
from reorder_kit.testing import host_with

IMAGE = ImageShape(3, 12, 12)
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
OF_IMAGES = {"image_size": 12, "patch_size": 4}


def save(folder: Any, kind: str = "ViT", settings: dict[str, Any] | None = None, model: str = "Model") -> Any:
    """A checkpoint with random weights, as transformers saves it."""
    config = getattr(transformers, f"{kind}Config")(**{**SMALL, **OF_IMAGES, **(settings or {})})
    torch.manual_seed(1)
    saved = getattr(transformers, f"{kind}{model}")(config).eval()
    with torch.no_grad():
        for parameter in saved.parameters():
            parameter.normal_(std=0.3)
    saved.save_pretrained(folder)
    return saved


def load(folder: Any, image: ImageShape = IMAGE, **options: Any) -> Transformers:
    given = Transformers.Options.model_validate({"pretrained": str(folder), **options})
    return Transformers(given, image).eval()


def images() -> torch.Tensor:
    return torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))


def last_tokens(backbone: Transformers) -> torch.Tensor:
    sequence = Proposal(Order(torch.arange(8, -1, -1))).apply(backbone.tokenize(images()))
    encoded = backbone.encode(sequence)
    patches = encoded.sequence.order.restore(encoded.sequence.patches)
    return patches if encoded.extra_tokens is None else torch.cat([encoded.extra_tokens, patches], dim=1)


@pytest.mark.parametrize(
    ("kind", "settings", "model"),
    [
        ("ViT", {"layer_norm_eps": 0.1}, "Model"),
        ("ViT", {}, "ForImageClassification"),
        ("Beit", {"use_relative_position_bias": True, "use_mean_pooling": False}, "Model"),
        ("DINOv3ViT", {"num_register_tokens": 2}, "Model"),
        ("SiglipVision", {}, "Model"),
        ("CLIPVision", {}, "Model"),
        ("ViTMAE", {"decoder_hidden_size": 16, "decoder_num_attention_heads": 2, "mask_ratio": 0.0}, "ForPreTraining"),
    ],
)
@torch.no_grad()
def test_a_folder_gives_the_encoder_that_was_saved(tmp_path, kind, settings, model):
    saved = save(tmp_path, kind, settings, model)
    encoder_of_saved = getattr(saved, saved.base_model_prefix, saved) if model != "Model" else saved
    backbone = load(tmp_path)
    arguments = {"noise": torch.arange(9.0).expand(2, -1)} if kind == "ViTMAE" else {}
    expected = encoder_of_saved(images(), **arguments).last_hidden_state
    torch.testing.assert_close(last_tokens(backbone), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["CLIP", "Siglip"])
@torch.no_grad()
def test_of_images_and_texts_the_encoder_of_images_is_taken(tmp_path, kind):
    text = {**SMALL, "vocab_size": 10, "max_position_embeddings": 4, "bos_token_id": 1, "eos_token_id": 2}
    parts = {"text_config": text, "vision_config": {**SMALL, **OF_IMAGES}}
    torch.manual_seed(1)
    saved = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**parts)).eval()
    saved.save_pretrained(tmp_path)
    expected = saved.vision_model(images()).last_hidden_state
    torch.testing.assert_close(last_tokens(load(tmp_path)), expected, rtol=1e-5, atol=1e-5)


def test_the_options_are_filled_in_from_the_checkpoint(tmp_path, monkeypatch):
    save(tmp_path / "folder", settings={"hidden_act": "relu"})
    monkeypatch.chdir(tmp_path)
    options = Transformers.Options.model_validate({"pretrained": "folder", "config": {"hidden_dropout_prob": 0.1}})
    filled = {**SMALL, "image_size": 12, "num_channels": 3, "hidden_act": "relu", "hidden_dropout_prob": 0.1}
    assert (options.model, options.config, options.patch_size) == ("vit", filled, 4)
    assert options.pretrained == str(tmp_path / "folder")
    shutil.rmtree(tmp_path / "folder")
    assert Transformers.Options.model_validate(options.model_dump(mode="json")) == options
    facts = Transformers.facts(options, IMAGE)
    assert (facts.dim, facts.depth, facts.downloads) == (16, 2, False)
    assert Transformers(Transformers.without_downloads(options), IMAGE).model.config.hidden_act == "relu"


@torch.no_grad()
def test_positions_are_resampled_to_images_of_another_size(tmp_path):
    saved = save(tmp_path)
    wide = torch.randn(2, 3, 8, 20)
    backbone = load(tmp_path, ImageShape(3, 8, 20))
    encoded = backbone.encode(backbone.tokenize(wide))
    expected = saved(wide, interpolate_pos_encoding=True).last_hidden_state
    torch.testing.assert_close(encoded.sequence.patches, expected[:, 1:], rtol=1e-5, atol=1e-5)


def test_half_precision_is_loaded_as_single(tmp_path):
    save(tmp_path)
    changed(tmp_path, lambda weights: {name: value.bfloat16() for name, value in weights.items()})
    assert {parameter.dtype for parameter in load(tmp_path).parameters()} == {torch.float32}


def changed(folder, change):
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, metadata={"format": "pt"})


def without(end):
    """Without the one weight whose name, which the file has in an older form, ends so."""

    def change(weights):
        kept = {key: value for key, value in weights.items() if not key.endswith(end)}
        assert len(kept) == len(weights) - 1
        return kept

    return change


def with_nan(weights):
    weights["layernorm.weight"][3] = torch.nan
    return weights


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without(".1.intermediate.dense.weight"), r"1 weights of the encoder are missing \(layers.1.mlp.fc1.weight\)"),
        (without("layernorm.bias"), r"missing \(layernorm.bias\)"),
        (with_nan, r"NaN or infinite \(layernorm.weight\)"),
    ],
)
def test_damaged_weights_are_refused(tmp_path, change, reason):
    save(tmp_path)
    changed(tmp_path, change)
    with pytest.raises(ReorderKitError, match=reason):
        load(tmp_path)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"config": {"num_hidden_layers": 1}}, "weights of the encoder are left over"),
        ({"config": {"num_hidden_layers": 3}}, "weights of the encoder are missing"),
        ({"config": {"hidden_size": 8}}, "transformers cannot load"),
        ({"patch_size": 2}, "transformers cannot load"),
        ({"model": "vit", "config": SMALL, "patch_size": 4}, r"has other settings \(image_size, layer_norm_eps"),
        ({"model": "deit", "config": SMALL, "patch_size": 4}, "is a vit, not a deit"),
    ],
)
def test_a_recipe_that_asks_for_another_encoder_is_refused(tmp_path, options, reason):
    save(tmp_path, settings={"layer_norm_eps": 0.1})
    with pytest.raises(ReorderKitError, match=reason):
        load(tmp_path, **options)


def test_images_of_other_channels_are_refused_before_anything_is_loaded(tmp_path):
    save(tmp_path)
    options = Transformers.Options.model_validate({"pretrained": str(tmp_path)})
    with pytest.raises(ReorderKitError, match="reads 3 channels, but the images have 1"):
        Transformers.facts(options, ImageShape(1, 12, 12))


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (None, "holds no config.json"),
        ("{", "cannot read the configuration"),
        ({"model_type": "swin"}, "swin cannot be read in another order"),
        ({"model_type": "llava", "vision_config": {"model_type": "clip_vision_model"}}, "'llava' is not an encoder"),
        ({"model_type": "vit", "patch_size": [4, 2]}, "its patches are not square"),
    ],
)
def test_folders_that_cannot_be_read_are_refused_with_the_recipe(tmp_path, config, reason):
    if config is not None:
        (tmp_path / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    with pytest.raises(ValidationError, match=reason):
        load(tmp_path)


@pytest.mark.slow
def test_a_run_is_opened_again_without_its_checkpoint(tmp_path, run_an_epoch):
    save(tmp_path / "checkpoint", settings={"num_channels": 1, "image_size": 8, "patch_size": 2})
    backbone = {"name": "transformers", "pretrained": str(tmp_path / "checkpoint")}
    folder = run_an_epoch(encoder, backbone=backbone)
    shutil.rmtree(tmp_path / "checkpoint")
    run = LoadedRun.open(folder, host_with(encoder))
    assert run.model.backbone.depth == 2
