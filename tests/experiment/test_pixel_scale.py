"""Weights that were trained on pixels of another scale than the data gives."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch

from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.doubts import doubts
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import IMAGENET, ImageShape, PixelScale
from reorder_kit.jobs.smoke import few_steps
from reorder_kit.studies.checking import check_study

HALF = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
PRETRAINED = {"name": "timm", "model": "vit_tiny_patch16_224", "pretrained": True}
FOLDER = {"name": "image-folder", "root": "photos", "image_size": 32}


def told(backbone, data, **train):
    train = {"epochs": 1, **train}
    recipe = {"format_version": 1, "name": "trial", "data": data, "backbone": backbone, "train": train}
    experiment = compose(recipe, PluginHost(third_party=False), "trial")
    return [doubt for doubt in doubts(experiment) if doubt.startswith("data: ")]


def test_the_model_of_these_tests_was_trained_on_that_scale():
    known = timm.get_pretrained_cfg(PRETRAINED["model"])
    assert {"mean": list(known.mean), "std": list(known.std)} == HALF


def test_data_of_the_default_scale_is_told_the_one_to_set():
    assert told(PRETRAINED, FOLDER) == [
        "data: pixels are scaled by mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], but the weights of "
        "backbone 'timm' usually expect mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]; set data.mean and data.std to "
        "that, unless yours were trained otherwise"
    ]
    assert told(PRETRAINED, {**FOLDER, **HALF}) == []


def test_weights_of_another_run_have_the_scale_of_its_data():
    weights = {"run": "runs/other", "parts": ["backbone"]}
    assert told(PRETRAINED, FOLDER, weights=weights) == []
    assert len(told(PRETRAINED, FOLDER, weights={**weights, "parts": ["head"]})) == 1


def test_gray_images_are_compared_with_the_average_of_the_colors():
    gray = {**FOLDER, "channels": 1}
    assert "usually expect mean: [0.5], std: [0.5]" in told(PRETRAINED, gray)[0]
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
    assert "digits does not say how it scales its own" in doubt


@pytest.mark.parametrize(("name", "size"), [("arm", "base"), ("mamba", "tiny")])
def test_released_weights_expect_the_scale_of_imagenet(name, size, tmp_path):
    (tmp_path / "released.pth").touch()
    backbone = {"name": name, "size": size, "patch_size": 16, "weights": str(tmp_path / "released.pth")}
    assert told(backbone, FOLDER) == []
    assert "usually expect mean: [0.485, 0.456, 0.406]" in told(backbone, {**FOLDER, **HALF})[0]
    backbone.pop("weights")
    assert told(backbone, {**FOLDER, **HALF}) == []


def test_weights_in_a_file_are_taken_to_be_timms(tmp_path):
    (tmp_path / "weights.pth").touch()
    backbone = {**PRETRAINED, "pretrained": False, "weights": str(tmp_path / "weights.pth")}
    assert len(told(backbone, FOLDER)) == 1
    assert told({**PRETRAINED, "pretrained": False}, FOLDER) == []


CLIP = PixelScale((0.4815, 0.4578, 0.4082), (0.2686, 0.2613, 0.2758))


@pytest.mark.parametrize(
    ("one", "other", "are_close"),
    [
        (IMAGENET, ((0.49, 0.46, 0.41), (0.23, 0.22, 0.23)), True),
        (IMAGENET, CLIP, False),
        (IMAGENET.of_channels(1), CLIP.of_channels(1), False),
        (((0.5,), (0.5,)), ((0.54,), (0.54,)), True),
        (((0.5,), (0.5,)), ((0.56,), (0.5,)), False),
        (((0.5,), (0.5,)), ((0.5,), (0.56,)), False),
        (((0.0,), (0.01,)), ((0.0,), (1 / 255,)), False),
        (((0.5,), (0.2,)), IMAGENET, False),
    ],
)
def test_differences_below_a_tenth_are_ignored(one, other, are_close):
    assert PixelScale(*one).is_close(PixelScale(*other)) is are_close
    assert PixelScale(*other).is_close(PixelScale(*one)) is are_close


def test_gray_is_the_average_and_every_color_has_the_scale_of_gray():
    assert PixelScale((0.1, 0.2, 0.6), (1.0, 2.0, 6.0)).of_channels(1) == (pytest.approx((0.3,)), (3.0,))
    assert PixelScale((0.3,), (3.0,)).of_channels(3) == ((0.3,) * 3, (3.0,) * 3)
    assert IMAGENET.of_channels(3) == IMAGENET


def test_a_study_names_the_backbone_whose_weights_need_another_scale():
    study = {
        "format_version": 1,
        "name": "trial",
        "seeds": 2,
        "recipe": {"task": {"name": "classification"}, "train": {"epochs": 1}},
        "data": {"photos": {key: value for key, value in FOLDER.items() if key != "name"} | {"name": "image-folder"}},
        "backbones": {
            "half": PRETRAINED,
            "fits": {**PRETRAINED, "set": {"data.mean": HALF["mean"], "data.std": HALF["std"]}},
        },
        "starts": {"row": None},
        "learners": {},
        "controls": [],
    }
    checked = check_study(study, PluginHost(third_party=False), "trial", Path())
    (warning,) = [words for words in checked.warnings if "usually expect" in words]
    assert warning.startswith("data.photos of backbones.half: pixels are scaled by mean: [0.485")


def test_a_smoke_run_knows_the_scale():
    recipe = {"format_version": 1, "name": "trial", "data": FOLDER, "backbone": PRETRAINED, "train": {"epochs": 1}}
    experiment = compose(recipe, PluginHost(third_party=False), "trial")
    assert few_steps(experiment).data_source.pixel_scale == IMAGENET
