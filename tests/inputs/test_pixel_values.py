"""Values of pixels: 16 bits, 12 of which are used; numbers without a scale; masks of 1 bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pictures_in_sources import (
    ALL,
    OF_MASKS,
    Item,
    encoded,
    found_in,
    open_source,
    pixels,
    plain,
    read,
    wide_png,
    wide_tiff,
)
from reorder_kit.interfaces import IGNORED, Finding, Unreadable

SHAPE = (12, 8)
NO_JPEG = [source for source in ALL if source != "fmow"]


def noise(bits: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Values of this many bits, including the highest."""
    values = np.random.default_rng(seed).integers(0, 2**bits, (*SHAPE, channels))
    values[0, 0] = 2**bits - 1
    return values


def in_8_bits(values: np.ndarray, bits: int) -> np.ndarray:
    """White stays white, and the steps in between are as wide as possible."""
    colors = np.floor(values / 2 ** (bits - 8)).astype(np.uint8)
    return colors if colors.shape[2] == 3 else colors[..., :1].repeat(3, axis=2)


def tiff(values: np.ndarray, order: str) -> bytes:
    return encoded(values[..., 0].astype(f"{order}u2"), "TIFF")


FILES = {
    "gray PNG": (1, wide_png),
    "gray PNG with opacity": (2, lambda values: wide_png(np.dstack([values[..., :1], np.full(SHAPE, 65535)]))),
    "color PNG": (3, wide_png),
    "color PNG with opacity": (4, lambda values: wide_png(np.dstack([values[..., :3], np.full(SHAPE, 65535)]))),
    "gray TIFF": (1, lambda values: tiff(values, "<")),
    "gray TIFF, upper byte first": (1, lambda values: tiff(values, ">")),
    "color TIFF": (3, lambda values: wide_tiff(values, "<")),
    "color TIFF, upper byte first": (3, lambda values: wide_tiff(values, ">")),
}


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("name", FILES)
def test_the_bits_in_use_become_8(name: str, bits: int, tmp_path: Path) -> None:
    channels, encode = FILES[name]
    values = noise(bits, channels)
    sample = read(open_source("image-folder", tmp_path, [Item(encode(values))] * 2, bit_depth=bits).test, 0)
    colors = values[..., :3] if channels > 2 else values[..., :1]
    assert np.array_equal(pixels(sample, SHAPE), in_8_bits(colors, bits))
    [found] = found_in(sample)
    assert "16-bit images are converted to 8 bits" in found
    assert f"{2**bits - 1:,} as white" in found


@pytest.mark.parametrize("source", NO_JPEG)
def test_images_of_12_bits_that_would_be_almost_black_are_told_of(source: str, tmp_path: Path) -> None:
    dark = [Item(wide_png(noise(12, seed=seed))) for seed in (0, 1)]
    splits = open_source(source, tmp_path, dark, train=[Item(wide_png(noise(12, seed=9)))])
    [told] = [finding for finding in splits.findings if "almost black" in finding.what]
    assert "data.bit_depth=12" in told.what
    assert "4,095" in told.what
    assert told.count == 1
    assert pixels(read(splits.test, 0), SHAPE).max() == 15


@pytest.mark.parametrize("source", NO_JPEG)
def test_the_option_makes_them_as_bright_as_they_are(source: str, tmp_path: Path) -> None:
    values = noise(12)
    train = [Item(wide_png(noise(12, seed=9)))]
    splits = open_source(source, tmp_path, [Item(wide_png(values))] * 2, train=train, bit_depth=12)
    assert not [finding for finding in splits.findings if "bit" in finding.what]
    assert np.array_equal(pixels(read(splits.test, 0), SHAPE), in_8_bits(values, 12))


@pytest.mark.parametrize("name", FILES)
def test_dark_images_of_every_kind_are_told_of(name: str, tmp_path: Path) -> None:
    channels, encode = FILES[name]
    splits = open_source("image-folder", tmp_path, plain(2, 200), train=[Item(encode(noise(10, channels)))])
    [told] = [finding for finding in splits.findings if "almost black" in finding.what]
    assert "data.bit_depth=10" in told.what


@pytest.mark.parametrize("bits", [13, 16])
def test_images_that_use_more_than_12_bits_are_not(bits: int, tmp_path: Path) -> None:
    train = [Item(wide_png(noise(12))), Item(wide_png(noise(bits)))]
    splits = open_source("image-folder", tmp_path, plain(2, 200), train=train)
    assert not [finding for finding in splits.findings if "almost black" in finding.what]


def of_12_bits_and_8(root: Path, source: str, count: int, **options: Any) -> tuple[Finding, ...]:
    """As many training images of 12 bits as of 8, with the former after the latter in lists sorted by class."""
    bright = [Item(encoded(noise(8, 3, seed).astype(np.uint8))) for seed in range(count)]
    dark = [Item(wide_png(noise(12, seed=seed))) for seed in range(count)]
    return open_source(source, root, plain(2, 200), train=[*bright, *dark], **options).findings


@pytest.mark.parametrize("source", NO_JPEG)
def test_dark_images_at_the_end_of_a_long_list_are_told_of(source: str, tmp_path: Path) -> None:
    findings = of_12_bits_and_8(tmp_path, source, 40)
    assert any("data.bit_depth=12" in finding.what and finding.count > 8 for finding in findings)


@pytest.mark.parametrize("source", NO_JPEG)
def test_a_mix_of_8_and_16_bits_is_told_of(source: str, tmp_path: Path) -> None:
    [mix] = [finding for finding in of_12_bits_and_8(tmp_path, source, 2) if "and 14 have 8" in finding.what]
    assert (mix.what[:40], mix.count) == ("sampled training images have 16 bits, an", 2)


def test_a_mix_is_not_told_of_where_the_bits_are_given(tmp_path: Path) -> None:
    assert of_12_bits_and_8(tmp_path, "image-folder", 2, bit_depth=12) == ()


def test_a_given_depth_of_16_bits_is_believed(tmp_path: Path) -> None:
    train = [Item(wide_png(noise(12)))]
    assert not open_source("image-folder", tmp_path, plain(2, 200), train=train, bit_depth=16).findings


@pytest.mark.parametrize("name", ["gray PNG", "color PNG", "color TIFF"])
def test_a_value_of_more_bits_than_the_option_says_is_not_cut_off(name: str, tmp_path: Path) -> None:
    channels, encode = FILES[name]
    values = noise(12, channels)
    values[3, 4] = 4096
    unreadable = open_source("image-folder", tmp_path, [Item(encode(values))] * 2, bit_depth=12).test[0]
    assert isinstance(unreadable, Unreadable)
    assert "4,096" in unreadable.reason
    assert "data.bit_depth" in unreadable.reason


@pytest.mark.parametrize(
    ("dtype", "kind"), [(np.float32, "floating-point numbers"), (np.int32, "signed, or of 32 bits")]
)
@pytest.mark.parametrize("source", NO_JPEG)
def test_numbers_without_a_scale_are_refused(source: str, dtype: type, kind: str, tmp_path: Path) -> None:
    data = encoded(np.linspace(0, 1, 96).reshape(SHAPE).astype(dtype), "TIFF")
    mask = encoded(np.ones(SHAPE, dtype=np.uint8))
    unreadable = open_source(source, tmp_path, [Item(data, mask=mask)] * 2).test[0]
    assert isinstance(unreadable, Unreadable)
    assert f"the pixels are {kind}, which have no fixed scale" in unreadable.reason


def pgm(values: np.ndarray, largest: int) -> bytes:
    """A PGM with its largest value; above 255 with two bytes each, the high byte first."""
    height, width = values.shape
    return f"P5 {width} {height} {largest}\n".encode() + values.astype(">u2" if largest > 255 else "u1").tobytes()


@pytest.mark.parametrize("largest", [100, 255, 4095, 65535])
def test_the_largest_value_that_a_pgm_says_is_white(largest: int, tmp_path: Path) -> None:
    values = np.zeros(SHAPE, dtype=np.int64)
    values[0, 0], values[0, 1] = largest, largest // 2
    sample = read(open_source("image-folder", tmp_path, [Item(pgm(values, largest))] * 2, ending="pgm").test, 0)
    found = pixels(sample, SHAPE)
    assert found[0, 0].tolist() == [255, 255, 255]
    assert set(found[0, 1].tolist()) <= {126, 127, 128}
    assert not found[1:].any()
    assert bool(found_in(sample)) == (largest > 255)


def test_the_bits_of_a_pgm_of_16_bits_are_an_option_too(tmp_path: Path) -> None:
    values = noise(12)
    data = pgm(values[..., 0], 65535)
    assert "data.bit_depth=12" in open_source("image-folder", tmp_path / "0", plain(2), [Item(data)]).findings[0].what
    sample = read(open_source("image-folder", tmp_path / "1", [Item(data)] * 2, bit_depth=12).test, 0)
    assert np.array_equal(pixels(sample, SHAPE), in_8_bits(values, 12))


def test_signed_values_have_no_fixed_scale(tmp_path: Path) -> None:
    data = encoded(noise(12)[..., 0].astype("<u2"), "TIFF", tiffinfo={339: 2})  # tag 339: 2 is signed
    unreadable = open_source("image-folder", tmp_path, [Item(data)] * 2).test[0]
    assert isinstance(unreadable, Unreadable)
    assert "no fixed scale" in unreadable.reason


@pytest.mark.parametrize("largest", [1, 20, 300])
@pytest.mark.parametrize("source", OF_MASKS)
def test_a_mask_whose_values_would_be_scaled_is_refused(source: str, largest: int, tmp_path: Path) -> None:
    mask = pgm(np.zeros(SHAPE, dtype=np.int64), largest)
    unreadable = open_source(source, tmp_path, [masked(mask, 1)] * 2).test[0]
    assert isinstance(unreadable, Unreadable)
    assert f"a PGM with the largest value {largest}" in unreadable.reason


def masked(mask: bytes, first: int) -> Item:
    return Item(encoded(np.full((*SHAPE, 3), first, dtype=np.uint8)), mask=mask)


MASK_SOURCES = [source for source in OF_MASKS if source != "voc masks"]
SHIP = np.zeros(SHAPE, dtype=bool)
SHIP[2:5, 1:7] = True


def values_option(source: str, values: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {"values" if source == "segmentation-folder" else "mask_values": values}


@pytest.mark.parametrize("source", MASK_SOURCES)
def test_a_mask_of_1_bit_stands_for_0_and_255(source: str, tmp_path: Path) -> None:
    items = [masked(encoded(SHIP), 1), masked(encoded(np.where(SHIP, 255, 0).astype(np.uint8)), 2)]
    splits = open_source(source, tmp_path, items, **values_option(source, (0, 255)))
    one_bit, eight_bits = read(splits.test, 0), read(splits.test, 1)
    for sample in (one_bit, eight_bits):
        assert np.array_equal(sample.target[:, :8].numpy() == 1, SHIP)
    assert found_in(one_bit) == ["masks with 1 bit have 0 and 1; 1 is read as 255"]
    assert found_in(eight_bits) == []


@pytest.mark.parametrize("source", OF_MASKS)
def test_a_mask_of_1_bit_is_0_and_1_where_1_is_a_class(source: str, tmp_path: Path) -> None:
    splits = open_source(source, tmp_path, [masked(encoded(SHIP), 1)] * 2)
    sample = read(splits.test, 0)
    assert np.array_equal(sample.target[:, :8].numpy() == 1, SHIP)
    assert found_in(sample) == []


@pytest.mark.parametrize("source", MASK_SOURCES)
@pytest.mark.parametrize("values", [(0, 1, 255), (0, 128)])
def test_a_mask_of_1_bit_is_taken_as_255_only_where_that_is_plain(
    source: str, values: tuple[int, ...], tmp_path: Path
) -> None:
    classes = ("ground", "ship", "sky")[: len(values)]
    options = {"classes": classes, **values_option(source, values)}
    answer = open_source(source, tmp_path, [masked(encoded(SHIP), 1)] * 2, **options).test[0]
    if 1 in values:
        assert not isinstance(answer, Unreadable)
        assert np.array_equal(answer.target[:, :8].numpy() == 1, SHIP)
        assert IGNORED not in answer.target[:, :8]
    else:
        assert isinstance(answer, Unreadable)
        assert "pixels have the value 1" in answer.reason
