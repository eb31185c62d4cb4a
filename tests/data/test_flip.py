"""The fast flips give the same results and random draws as torchvision's transforms."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torchvision import tv_tensors
from torchvision.transforms import v2

from reorder_kit.data.flip import Flip, quick
from reorder_kit.data.normalize import Normalize


def after(transform: Any, pictures: Any) -> tuple[Any, torch.Tensor]:
    torch.manual_seed(5)
    return [transform(pictures) for _ in range(12)], torch.rand(1)


@pytest.mark.parametrize("kind", [v2.RandomHorizontalFlip, v2.RandomVerticalFlip])
@pytest.mark.parametrize("probability", [0.0, 0.3, 0.5, 1.0])
def test_flips_are_those_of_torchvision(kind: type[nn.Module], probability: float) -> None:
    pictures = {
        "image": tv_tensors.Image(torch.randint(0, 256, (3, 5, 7), dtype=torch.uint8)),
        "boxes": tv_tensors.BoundingBoxes([[0.5, 1, 3, 4.25]], format="XYXY", canvas_size=(5, 7)),
        "mask": tv_tensors.Mask(torch.randint(0, 9, (5, 7), dtype=torch.uint8)),
        "classes": torch.tensor([4]),
    }
    theirs = kind(p=probability)
    ours = quick(theirs)
    assert isinstance(ours, Flip)
    (expected, next_theirs), (found, next_ours) = after(theirs, pictures), after(ours, pictures)
    assert torch.equal(next_theirs, next_ours)
    for one, other in zip(expected, found, strict=True):
        assert [type(value) for value in one.values()] == [type(value) for value in other.values()]
        assert all(torch.equal(value, other[name]) for name, value in one.items())
    plain = pictures["image"].as_subclass(torch.Tensor)
    expected, found = after(theirs, plain)[0], after(ours, plain)[0]
    assert all(torch.equal(one, other) for one, other in zip(expected, found, strict=True))


def test_other_transforms_stay_as_they_are() -> None:
    class Own(v2.RandomHorizontalFlip):
        """May do anything."""

    for transform in (v2.ColorJitter(), Own()):
        assert quick(transform) is transform


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.int16])
def test_numbers_are_those_of_torchvision(dtype: torch.dtype) -> None:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    theirs = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std)])
    image = torch.randint(0, 256, (9, 8, 3)).to(dtype).permute(2, 0, 1)
    before = image.clone()
    assert torch.equal(Normalize(mean, std)(image), theirs(image))
    assert torch.equal(image, before)
