"""Image files of every kind: too large ones, and rare modes, frames and color spaces."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from pictures_in_sources import ALL, OF_MASKS, Item, encoded, found_in, open_source, pixels, read
from reorder_kit.interfaces import Unreadable

SHAPE = (12, 8)
NOISE = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), dtype=np.uint8)
FIRST = "only the first of several frames is read"


def bomb(side: int) -> bytes:
    """A black PNG of 1 bit, of a few kilobytes, however large it is."""
    line = b"\0" + bytes((side + 7) // 8)
    packed = zlib.compressobj(9)
    data = b"".join(packed.compress(line * 64) for _ in range(side // 64)) + packed.flush()
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )


def test_a_small_file_of_many_pixels_is_named_and_not_decoded(tmp_path: Path) -> None:
    data = bomb(16384)
    assert len(data) < 64_000
    unreadable = open_source("image-folder", tmp_path, [Item(data)] * 2).test[0]
    assert isinstance(unreadable, Unreadable)
    assert unreadable.path.endswith("test00.png")
    assert "16384x16384 pixels" in unreadable.reason
    assert "data.most_pixels" in unreadable.reason


@pytest.mark.parametrize("source", ALL)
def test_the_limit_on_pixels_is_an_option(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = [Item(encoded(NOISE)), Item(encoded(NOISE[:, :7]))]
    splits = open_source(source, tmp_path, items, most_pixels=12 * 8 - 1)
    with monkeypatch.context() as patched:
        patched.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("it is decoded"))
        unreadable = splits.test[0]
    assert isinstance(unreadable, Unreadable)
    assert "12x8 pixels exceed the 95" in unreadable.reason
    read(splits.test, 1)


@pytest.mark.parametrize("source", OF_MASKS)
def test_a_mask_of_too_many_pixels_is_not_decoded(source: str, tmp_path: Path) -> None:
    mask = encoded(np.zeros((20, 20), dtype=np.uint8))
    unreadable = open_source(source, tmp_path, [Item(encoded(NOISE), mask=mask)] * 2, most_pixels=399).test[0]
    assert isinstance(unreadable, Unreadable)
    assert "20x20 pixels exceed the 399" in unreadable.reason


def test_the_limit_is_a_number_of_pixels(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="most_pixels"):
        open_source("image-folder", tmp_path, [], most_pixels=0)


def frames(ending: str) -> bytes:
    made = [Image.fromarray(values) for values in (NOISE, 255 - NOISE, NOISE[::-1].copy())]
    lossless = {"lossless": True} if ending == "WEBP" else {}
    made[0].save(file := BytesIO(), ending, save_all=True, append_images=made[1:], **lossless)
    return file.getvalue()


@pytest.mark.parametrize("ending", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_is_read_and_the_others_are_reported(ending: str, tmp_path: Path) -> None:
    data = frames(ending)
    sample = read(open_source("image-folder", tmp_path, [Item(data)] * 2).test, 0)
    with Image.open(BytesIO(data)) as image:
        assert np.array_equal(pixels(sample, SHAPE), np.asarray(image.convert("RGB")))
    assert found_in(sample) == [FIRST]


def test_the_further_pictures_of_a_phone_are_not_reported(tmp_path: Path) -> None:
    data = frames("MPO")
    sample = read(open_source("image-folder", tmp_path, [Item(data)] * 2).test, 0)
    with Image.open(BytesIO(data)) as image:
        assert np.array_equal(pixels(sample, SHAPE), np.asarray(image))
    assert found_in(sample) == []


def test_cmyk_becomes_color_by_the_plain_formula_and_is_reported(tmp_path: Path) -> None:
    values = np.zeros((*SHAPE, 4), dtype=np.uint8)
    values[...] = (0, 255, 51, 0)  # all magenta, and a fifth of yellow
    data = encoded(Image.fromarray(values, "CMYK"), "TIFF")
    sample = read(open_source("image-folder", tmp_path, [Item(data)] * 2).test, 0)
    assert pixels(sample, SHAPE)[0, 0].tolist() == [255, 0, 204]
    assert found_in(sample) == ["CMYK images are converted to RGB without their color profile"]


def test_a_gray_jpeg_has_three_equal_channels(tmp_path: Path) -> None:
    data = encoded(NOISE[..., 0], "JPEG")
    sample = read(open_source("image-folder", tmp_path, [Item(data)] * 2).test, 0)
    with Image.open(BytesIO(data)) as image:
        assert image.mode == "L"
        assert np.array_equal(pixels(sample, SHAPE), np.asarray(image)[..., None].repeat(3, axis=2))
    assert found_in(sample) == []


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    image = Image.fromarray(np.arange(96, dtype=np.uint8).reshape(SHAPE) % 3)
    image.putpalette([1, 2, 3, 40, 50, 60, 255, 254, 253])
    sample = read(open_source("image-folder", tmp_path, [Item(encoded(image))] * 2).test, 0)
    assert pixels(sample, SHAPE)[0, :3].tolist() == [[1, 2, 3], [40, 50, 60], [255, 254, 253]]
    assert found_in(sample) == []


def test_an_image_of_1_bit_is_black_and_white(tmp_path: Path) -> None:
    bits = NOISE[..., 0] > 127
    sample = read(open_source("image-folder", tmp_path, [Item(encoded(bits))] * 2).test, 0)
    assert np.array_equal(pixels(sample, SHAPE)[..., 1], np.where(bits, 255, 0))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
@pytest.mark.parametrize("source", OF_MASKS)
def test_a_mask_of_several_channels_is_refused(source: str, mode: str, tmp_path: Path) -> None:
    mask = encoded(Image.new(mode, (8, 12)))
    unreadable = open_source(source, tmp_path, [Item(encoded(NOISE), mask=mask)] * 2).test[0]
    assert isinstance(unreadable, Unreadable)
    assert f"a mask must have one channel of whole numbers; this image has the mode {mode}" in unreadable.reason


@pytest.mark.parametrize("source", OF_MASKS)
def test_a_transparent_palette_of_a_mask_changes_no_number(source: str, tmp_path: Path) -> None:
    numbers = np.arange(96, dtype=np.uint8).reshape(SHAPE) % 2
    image = Image.fromarray(numbers)
    image.putpalette([0, 0, 0, 255, 0, 0])
    item = Item(encoded(NOISE), mask=encoded(image, "PNG", transparency=1))
    sample = read(open_source(source, tmp_path, [item] * 2).test, 0)
    assert np.array_equal(sample.target[:, :8].numpy(), numbers)
