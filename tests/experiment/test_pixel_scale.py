"""Weights that were trained on pixels of another scale than the data gives."""

from __future__ import annotations

import pytest
import timm
import torch

from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.doubts import doubts
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import IMAGENET, ImageShape, PixelScale

HALF = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
PRETRAINED = {"name": "timm", "model": "vit_tiny_patch16_224", "pretrained": True}
FOLDER = {"name": "image-folder", "root": "photos", "image_size": 32}


def told(backbone, data):
    recipe = {"format_version": 1, "name": "trial", "data": data, "backbone": backbone, "train": {"epochs": 1}}
    experiment = compose(recipe, PluginHost(third_party=False), "trial")
    return [doubt for doubt in doubts(experiment) if doubt.startswith("data: ")]


def test_the_model_of_these_tests_was_trained_on_that_scale():
    known = timm.get_pretrained_cfg(PRETRAINED["model"])
    assert {"mean": list(known.mean), "std": list(known.std)} == HALF


def test_data_of_the_default_scale_is_told_the_one_to_set():
    assert told(PRETRAINED, FOLDER) == [
        "data: pixels have mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], but the backbone's weights were "
        "trained on mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]; set "
        "data: {mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}"
    ]
    assert told(PRETRAINED, {**FOLDER, **HALF}) == []


def test_gray_images_are_compared_with_the_average_of_the_colors():
    gray = {**FOLDER, "channels": 1}
    assert "trained on mean: [0.5], std: [0.5]" in told(PRETRAINED, gray)[0]
    assert told(PRETRAINED, {**gray, "mean": [0.5], "std": [0.5]}) == []


SOURCES = "coco-detection multi-label-csv segmentation-folder torchvision imagenet fmow image-folder"
REQUIRED = {"annotations": "a.json", "classes": ["a", "b"], "root": "data", "dataset": "cifar10"}


@pytest.mark.parametrize("name", SOURCES.split())
def test_every_source_that_scales_does_as_it_says(name):
    source = PluginHost(third_party=False).data_sources.get(name)
    given = {key: value for key, value in REQUIRED.items() if key in source.Options.model_fields}
    scale = {"mean": [0.1, 0.2, 0.3], "std": [1.0, 0.5, 0.25]}
    opened = source(source.Options.model_validate({**given, **scale, "image_size": 8}))
    assert opened.pixel_scale == ((0.1, 0.2, 0.3), (1.0, 0.5, 0.25))
    black = torch.zeros(3, 8, 8, dtype=torch.uint8)
    expected = torch.tensor([-0.1, -0.4, -1.2])[:, None, None].expand(3, 8, 8)
    torch.testing.assert_close(opened.preparation(ImageShape(3, 8, 8)).transform(black).image, expected)


def test_data_that_does_not_tell_its_scale_is_doubted():
    (doubt,) = told({**PRETRAINED, "model": "vit_tiny_patch16_224", "patch_size": 2}, "digits")
    assert "whether those of digits are is not known" in doubt


@pytest.mark.parametrize(("name", "size"), [("arm", "base"), ("mamba", "tiny")])
def test_released_weights_expect_the_scale_of_imagenet(name, size, tmp_path):
    (tmp_path / "released.pth").touch()
    backbone = {"name": name, "size": size, "patch_size": 16, "weights": str(tmp_path / "released.pth")}
    assert told(backbone, FOLDER) == []
    assert "trained on mean: [0.485, 0.456, 0.406]" in told(backbone, {**FOLDER, **HALF})[0]
    backbone.pop("weights")
    assert told(backbone, {**FOLDER, **HALF}) == []


def test_weights_in_a_file_are_taken_to_be_timms(tmp_path):
    (tmp_path / "weights.pth").touch()
    backbone = {**PRETRAINED, "pretrained": False, "weights": str(tmp_path / "weights.pth")}
    assert len(told(backbone, FOLDER)) == 1
    assert told({**PRETRAINED, "pretrained": False}, FOLDER) == []


@pytest.mark.parametrize(
    ("mean", "std", "is_close"),
    [
        (IMAGENET.mean, IMAGENET.std, True),
        ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616), True),
        ((0.481, 0.458, 0.408), (0.269, 0.261, 0.276), False),
        ((0.49, 0.46, 0.41), (0.23, 0.22, 0.23), True),
        ((0.5,), (0.2,), False),
    ],
)
def test_small_differences_are_ignored(mean, std, is_close):
    assert PixelScale(mean, std).is_close(IMAGENET) is is_close
    assert IMAGENET.is_close(PixelScale(mean, std)) is is_close
