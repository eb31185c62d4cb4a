"""Transparent pictures are placed on one background, white by default."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pictures_in_sources import ALL, Item, encoded, found_in, open_source, pixels, read, wide_png

HIDDEN = "fully transparent images are read without their opacity, which would hide them"
WHITE = "transparent images get the background color [255, 255, 255] (data.background)"
SHAPE = (12, 9)
LINE = np.zeros(SHAPE, dtype=bool)
LINE[3:6, 2:7] = True
# A black drawing, with everything else transparent and black, too.
DRAWING = np.dstack([np.zeros((*SHAPE, 3), dtype=np.uint8), np.where(LINE, 255, 0).astype(np.uint8)])
BLACK_ON_WHITE = np.where(LINE, 0, 255).astype(np.uint8)[..., None].repeat(3, axis=2)


def palette(transparency: bytes | int) -> bytes:
    """The drawing in a palette of black, which is 0 and transparent, and black, which is 1."""
    image = Image.fromarray(LINE.astype(np.uint8))
    image.putpalette([0, 0, 0, 0, 0, 0])
    return encoded(image, "PNG", transparency=transparency)


def gif() -> bytes:
    image = Image.fromarray(LINE.astype(np.uint8))
    image.putpalette([9, 9, 9, 0, 0, 0])
    return encoded(image, "GIF", transparency=0)


def gray_key() -> bytes:
    """Gray, in which 200 is transparent."""
    return encoded(np.where(LINE, 0, 200).astype(np.uint8), "PNG", transparency=200)


def color_key() -> bytes:
    """Color, in which one color is transparent."""
    values = np.where(LINE[..., None], (0, 0, 0), (1, 2, 3)).astype(np.uint8)
    return encoded(values, "PNG", transparency=(1, 2, 3))


def wide(channels: int) -> bytes:
    values = np.zeros((*SHAPE, channels), dtype=np.uint16)
    values[..., -1] = np.where(LINE, 65535, 0)
    return wide_png(values)


def wide_key(channels: int) -> bytes:
    """16 bits, in which one value or color is transparent, whose upper byte alone is not unique."""
    values = np.where(LINE, 0, 7)[..., None].repeat(channels, axis=2)
    return wide_png(values, b"\x00\x07" * channels)


@pytest.mark.parametrize("source", ALL)
def test_a_black_drawing_on_nothing_is_black_on_white(source: str, tmp_path: Path) -> None:
    item = Item(encoded(DRAWING))
    splits = open_source(source, tmp_path, [item] * 2)
    sample = read(splits.test, 0)
    assert np.array_equal(pixels(sample, SHAPE), BLACK_ON_WHITE)
    assert found_in(sample) == [WHITE]
    assert not read(splits.train, 0).findings


@pytest.mark.parametrize("source", [source for source in ALL if source != "fmow"])
def test_the_background_is_an_option(source: str, tmp_path: Path) -> None:
    splits = open_source(source, tmp_path, [Item(encoded(DRAWING))] * 2, background=(200, 30, 0))
    sample = read(splits.test, 0)
    expected = np.where(LINE[..., None], 0, (200, 30, 0))
    assert np.array_equal(pixels(sample, SHAPE), expected)
    assert found_in(sample) == [WHITE.replace("[255, 255, 255]", "[200, 30, 0]")]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encoded(np.dstack([DRAWING[..., 0], DRAWING[..., 3]])), id="gray and opacity"),
        pytest.param(palette(b"\x00\xff"), id="opacities of a palette"),
        pytest.param(palette(0), id="one color of a palette"),
        pytest.param(gray_key(), id="one gray"),
        pytest.param(color_key(), id="one color"),
        pytest.param(gif(), id="GIF"),
        pytest.param(encoded(DRAWING, "WEBP", lossless=True), id="WebP"),
        pytest.param(encoded(DRAWING, "TIFF"), id="TIFF"),
    ],
)
def test_every_kind_of_transparency_shows_white(data: bytes, tmp_path: Path) -> None:
    sample = read(open_source("image-folder", tmp_path, [Item(data)] * 2).test, 0)
    assert np.array_equal(pixels(sample, SHAPE), BLACK_ON_WHITE)
    assert found_in(sample) == [WHITE]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(wide(2), id="gray and opacity"),
        pytest.param(wide(4), id="color and opacity"),
        pytest.param(wide_key(1), id="one gray"),
        pytest.param(wide_key(3), id="one color"),
    ],
)
@pytest.mark.parametrize("bit_depth", [None, 12])
def test_transparency_of_16_bits_shows_white(data: bytes, bit_depth: int | None, tmp_path: Path) -> None:
    sample = read(open_source("image-folder", tmp_path, [Item(data)] * 2, bit_depth=bit_depth).test, 0)
    assert np.array_equal(pixels(sample, SHAPE), BLACK_ON_WHITE)
    assert WHITE in found_in(sample)


def hidden(opacity: int | np.ndarray = 0) -> np.ndarray:
    """Colors hidden by complete transparency."""
    colors = np.random.default_rng(0).integers(0, 256, (*SHAPE, 4), dtype=np.uint8)
    colors[..., 3] = opacity
    return colors


def bmp_with_unused_opacity() -> bytes:
    """32 bits per pixel, with a header that declares the last 8 as opacity (version 4)."""
    pixels = hidden()[::-1, :, [2, 1, 0, 3]].tobytes()
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    height, width = SHAPE
    header = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, 3, len(pixels), 0, 0, 0, 0) + masks + bytes(52)
    start = 14 + len(header)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + header + pixels


@pytest.mark.parametrize("source", ALL)
def test_opacity_that_hides_a_whole_image_is_none(source: str, tmp_path: Path) -> None:
    sample = read(open_source(source, tmp_path, [Item(encoded(hidden()))] * 2).test, 0)
    assert np.array_equal(pixels(sample, SHAPE), hidden()[..., :3])
    assert found_in(sample) == [HIDDEN]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(bmp_with_unused_opacity(), hidden()[..., :3], id="BMP"),
        pytest.param(encoded(hidden(LINE.astype(np.uint8))), hidden()[..., :3], id="opacity from 0 to 1"),
        pytest.param(encoded(hidden()[..., [0, 3]]), hidden()[..., [0, 0, 0]], id="gray"),
        pytest.param(wide_png(hidden().astype(np.uint16) << 8), hidden()[..., :3], id="16 bits"),
        pytest.param(encoded(hidden(), "TIFF"), hidden()[..., :3], id="TIFF"),
    ],
)
def test_hiding_opacity_of_every_kind_is_none(data: bytes, expected: np.ndarray, tmp_path: Path) -> None:
    sample = read(open_source("image-folder", tmp_path, [Item(data)] * 2).test, 0)
    assert np.array_equal(pixels(sample, SHAPE), expected)
    assert HIDDEN in found_in(sample)


def test_an_empty_image_is_background_and_told_of(tmp_path: Path) -> None:
    empty = encoded(np.zeros((*SHAPE, 4), dtype=np.uint8))
    sample = read(open_source("image-folder", tmp_path, [Item(empty)] * 2, background=(200, 30, 0)).test, 0)
    assert (pixels(sample, SHAPE) == (200, 30, 0)).all()
    assert found_in(sample) == ["fully transparent images of one color become [200, 30, 0] (data.background)"]


def test_what_is_half_transparent_is_mixed(tmp_path: Path) -> None:
    values = np.zeros((*SHAPE, 4), dtype=np.uint8)
    values[..., 0], values[..., 3] = 100, 51  # a fifth
    splits = open_source("image-folder", tmp_path, [Item(encoded(values))] * 2, background=(0, 200, 50))
    assert pixels(read(splits.test, 0), SHAPE)[0, 0].tolist() == [20, 160, 40]


def test_an_opaque_image_with_opacity_is_not_reported(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (*SHAPE, 4), dtype=np.uint8)
    values[..., 3] = 255
    sample = read(open_source("image-folder", tmp_path, [Item(encoded(values))] * 2).test, 0)
    assert np.array_equal(pixels(sample, SHAPE), values[..., :3])
    assert found_in(sample) == []


def test_gray_is_laid_on_the_gray_of_the_background(tmp_path: Path) -> None:
    item = Item(encoded(DRAWING))
    options = {"channels": 1, "mean": (0,), "std": (1 / 255,), "background": (255, 0, 0)}
    splits = open_source("image-folder", tmp_path, [item] * 2, **options)
    image = read(splits.test, 0).image.round()
    # The luma of red: 0.299 * 255.
    assert sorted(image[:, :, 2:10].unique().tolist()) == [0, 76]


def test_a_background_is_a_color_of_bytes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="background"):
        open_source("image-folder", tmp_path, [], background=(0, 0, 256))
