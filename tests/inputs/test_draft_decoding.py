"""Large JPEGs decoded at a fraction of their size: only on request, and never smaller than needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reorder_kit.data.decoding import Decoding
from reorder_kit.data.image_file import Picture, read_image
from reorder_kit.host.plugin_host import PluginHost

SOURCES = PluginHost(third_party=False).data_sources


def photo(path: Path, height: int, width: int, **options: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(path, **options)
    return str(path)


@pytest.mark.parametrize(
    ("size", "least_side", "decoded"),
    [
        ((320, 480), None, (320, 480)),
        ((320, 480), 100, (160, 240)),
        ((320, 480), 80, (80, 120)),
        ((320, 480), 81, (160, 240)),
        ((320, 480), 10, (40, 60)),
        ((320, 480), 400, (320, 480)),
    ],
)
def test_both_sides_keep_the_pixels_that_are_needed(
    size: tuple[int, int], least_side: int | None, decoded: tuple[int, int], tmp_path: Path
) -> None:
    picture = read_image(photo(tmp_path / "a.jpg", *size), Decoding(3, least_side=least_side))
    assert isinstance(picture, Picture)
    assert tuple(picture.pixels.shape[1:]) == decoded


def test_other_files_are_decoded_as_they_are(tmp_path: Path) -> None:
    picture = read_image(photo(tmp_path / "a.png", 320, 480), Decoding(3, least_side=20))
    assert isinstance(picture, Picture)
    assert tuple(picture.pixels.shape) == (3, 320, 480)


def test_a_photo_on_its_side_is_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = read_image(photo(tmp_path / "a.jpg", 320, 480, exif=exif), Decoding(3, least_side=80))
    assert isinstance(picture, Picture)
    assert tuple(picture.pixels.shape[1:]) == (120, 80)


def test_it_is_off_unless_asked_for_and_changes_pixels_only_slightly(tmp_path: Path) -> None:
    for number in range(20):
        photo(tmp_path / f"class-{number % 2}" / f"{number}.jpg", 256, 256 + 8 * number)
    kind = SOURCES.get("image-folder")
    usual, drafted = (
        kind(kind.Options(root=tmp_path, image_size=32, train_transforms=[{"name": "Fit", "size": 32}], **more)).open(0)
        for more in ({}, {"draft_decoding": True})
    )
    one, other = usual.train[0].image, drafted.train[0].image
    assert not torch.equal(one, other)
    assert float((one - other).abs().mean()) < 0.2
    assert usual.image == drafted.image


def test_without_a_size_it_is_refused(tmp_path: Path) -> None:
    kind = SOURCES.get("image-folder")
    with pytest.raises(ValueError, match="draft_decoding does nothing"):
        kind.Options(root=tmp_path, draft_decoding=True)
