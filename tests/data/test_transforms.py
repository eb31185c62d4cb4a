"""Named transforms, Fit, and the path of an image to the model."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import AutoAugmentPolicy, InterpolationMode, v2

from reorder_kit.data.fit import Fit
from reorder_kit.data.pipeline import ImagePipeline
from reorder_kit.data.transforms import KNOWN_TRANSFORMS, NamedTransform, TransformChoice
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import ImageShape

CHOICE: pydantic.TypeAdapter[NamedTransform] = pydantic.TypeAdapter(TransformChoice)

REQUIRED: dict[str, dict[str, Any]] = {
    "CenterCrop": {"size": 8},
    "Fit": {"size": [8, 6]},
    "GaussianBlur": {"kernel_size": 3},
    "Pad": {"padding": 2},
    "RandomAdjustSharpness": {"sharpness_factor": 2.0},
    "RandomAffine": {"degrees": 10},
    "RandomCrop": {"size": 8},
    "RandomPosterize": {"bits": 4},
    "RandomResize": {"min_size": 8, "max_size": 12},
    "RandomResizedCrop": {"size": 8},
    "RandomRotation": {"degrees": 10},
    "RandomShortestSize": {"min_size": 8},
    "RandomSolarize": {"threshold": 128},
    "Resize": {"size": 8},
    "ScaleJitter": {"target_size": [8, 8]},
}


def photo(height: int, width: int, channels: int = 3, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (channels, height, width), dtype=torch.uint8, generator=generator)


def pipeline(names: list[Any], size: tuple[int, int], channels: int = 3) -> ImagePipeline:
    transforms = [CHOICE.validate_python(name) for name in names]
    return ImagePipeline(transforms, ImageShape(channels, *size), [0.5] * channels, [0.25] * channels, "data.here")


@pytest.mark.parametrize("name", sorted(KNOWN_TRANSFORMS))
def test_every_known_transform_turns_an_image_into_an_image(name: str) -> None:
    transform = CHOICE.validate_python({"name": name, **REQUIRED.get(name, {})}).build()
    image = transform(tv_tensors.Image(photo(48, 48)))
    assert isinstance(image, Tensor)
    assert image.ndim == 3
    assert image.dtype == torch.uint8


def test_a_bare_name_is_enough_where_no_argument_is_needed() -> None:
    flip = CHOICE.validate_python("RandomHorizontalFlip").build()
    assert isinstance(flip, v2.RandomHorizontalFlip)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("RandomHorizontalFlp", r"unknown transform 'RandomHorizontalFlp' \(did you mean 'RandomHorizontalFlip'\?\)"),
        ("MixUp", "unknown transform 'MixUp'"),
        ("Compose", "unknown transform 'Compose'"),
        ("CenterCrop", r"CenterCrop needs the argument 'size' \(it takes size\)"),
        ({"name": "RandomHorizontalFlip", "prob": 0.5}, r"RandomHorizontalFlip has no argument 'prob' \(it takes p\)"),
        ({"name": "RandomChannelPermutation", "p": 0.5}, r"no argument 'p' \(it takes none\)"),
        ({"name": "RandomHorizontalFlip", "p": 1.5}, "RandomHorizontalFlip: .*0.*1"),
        ({"name": "Resize", "size": 8, "interpolation": "bicubi"}, r"cannot be 'bicubi' \(did you mean 'bicubic'\?\)"),
        ({"size": 8}, "name"),
        (7, "valid dictionary"),
    ],
)
def test_a_mistake_in_a_transform_is_named(written: Any, said: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=said):
        CHOICE.validate_python(written)


def test_interpolation_and_policy_are_given_by_name() -> None:
    resize = CHOICE.validate_python({"name": "Resize", "size": 9, "interpolation": "bicubic"}).build()
    image = tv_tensors.Image(photo(16, 16))
    assert torch.equal(resize(image), v2.Resize(9, interpolation=InterpolationMode.BICUBIC)(image))
    assert not torch.equal(resize(image), v2.Resize(9)(image))
    augment: Any = CHOICE.validate_python({"name": "AutoAugment", "policy": "cifar10"}).build()
    assert augment.policy == AutoAugmentPolicy.CIFAR10


def test_a_transform_survives_being_written_down() -> None:
    crop = CHOICE.validate_python({"name": "RandomResizedCrop", "size": 64, "scale": [0.5, 1.0]})
    assert crop.model_dump(mode="json") == {"name": "RandomResizedCrop", "size": 64, "scale": [0.5, 1.0]}
    assert CHOICE.validate_python(crop.model_dump(mode="json")) == crop


def test_the_schema_allows_a_bare_name() -> None:
    assert {"type": "string"} in CHOICE.json_schema()["anyOf"]


def test_an_image_of_the_size_is_left_untouched() -> None:
    image = photo(64, 48)
    assert torch.equal(Fit([64, 48])(image), image)


@pytest.mark.parametrize(
    ("height", "width", "size", "resized"),
    [
        (375, 500, 224, 256),  # the usual evaluation on ImageNet
        (112, 112, 56, 64),
        (70, 70, 64, 64),  # below 64 * 256 / 224 = 73: no margin
        (32, 32, 64, 64),
        (20, 40, 64, 64),
    ],
)
def test_fit_to_a_square_is_resize_and_centre_crop(height: int, width: int, size: int, resized: int) -> None:
    image = photo(height, width)
    expected = v2.Compose([v2.Resize(resized), v2.CenterCrop(size)])(tv_tensors.Image(image))
    assert torch.equal(Fit(size)(image), expected)


def test_fit_only_crops_an_image_that_has_one_of_the_sides() -> None:
    image = photo(64, 100)
    assert torch.equal(Fit(64)(image), image[:, :, 18:82])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 40), st.integers(1, 40))
def test_fit_reaches_every_size_from_every_size(height: int, width: int, to_height: int, to_width: int) -> None:
    # Of a white image every pixel stays white: padding would be black.
    fitted = Fit([to_height, to_width])(torch.full((1, height, width), 255, dtype=torch.uint8))
    assert fitted.shape == (1, to_height, to_width)
    assert (fitted == 255).all()


def test_normalisation_follows_the_named_transforms() -> None:
    image = torch.tensor([[[0, 255]], [[51, 102]], [[204, 153]]], dtype=torch.uint8)
    flipped = pipeline([{"name": "RandomHorizontalFlip", "p": 1.0}], (1, 2))(image)
    # (value / 255 - 0.5) / 0.25, columns exchanged
    expected = torch.tensor([[[2.0, -2.0]], [[-0.4, -1.2]], [[0.4, 1.2]]])
    torch.testing.assert_close(flipped, expected)
    assert type(flipped) is Tensor


def test_grey_images_are_normalised_too() -> None:
    image = torch.full((1, 2, 2), 255, dtype=torch.uint8)
    torch.testing.assert_close(pipeline([], (2, 2), channels=1)(image), torch.full((1, 2, 2), 2.0))


def test_another_size_than_the_declared_one_is_refused() -> None:
    with pytest.raises(ReorderKitError) as caught:
        pipeline(["RandomHorizontalFlip", {"name": "Resize", "size": 8}], (8, 8))(photo(16, 20))
    assert "data.here: [RandomHorizontalFlip(), Resize(size=8)]" in caught.value.message
    assert "3x16x20 into 3x8x10, but 3x8x8 is needed" in caught.value.message


def test_another_number_of_channels_is_refused() -> None:
    with pytest.raises(ReorderKitError, match=r"into 1x8x8, but 3x8x8"):
        pipeline(["Grayscale"], (8, 8))(photo(8, 8))


def test_a_transform_that_cannot_take_the_image_is_named() -> None:
    with pytest.raises(ReorderKitError, match=r"RandomCrop\(size=32\)\] fails on an image of 3x16x16"):
        pipeline([{"name": "RandomCrop", "size": 32}], (32, 32))(photo(16, 16))


def test_random_transforms_draw_from_the_global_generator() -> None:
    crop = pipeline([{"name": "RandomResizedCrop", "size": 8}, "RandAugment"], (8, 8))
    torch.manual_seed(3)
    first = crop(photo(16, 16))
    torch.manual_seed(3)
    assert torch.equal(crop(photo(16, 16)), first)
    assert not torch.equal(crop(photo(16, 16)), first)


def test_a_check_leaves_the_random_stream_as_it_was() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    pipeline([{"name": "RandomResizedCrop", "size": 8}], (8, 8)).check(photo(16, 16))
    assert torch.equal(torch.rand(3), expected)
