"""Photos are turned upright by their EXIF orientation, and boxes and masks with them."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from pictures_in_sources import ALL, OF_BOXES, OF_MASKS, Item, encoded, found_in, open_source, pixels, read

TURNED = "images are turned upright according to their EXIF orientation"
ALONG = "boxes and masks made on the stored pixels are turned with their images"
BOTH_WAYS = "boxes and masks fit turned images both ways"
ORIENTATIONS = tuple(range(1, 9))
LYING = (5, 6, 7, 8)
# Sources whose boxes and masks are assumed to refer to the upright pixels if in doubt.
UPRIGHT = ("hf boxes", "hf masks")
NOISE = np.random.default_rng(0).integers(0, 256, (7, 12, 3), dtype=np.uint8)


def photo(values: np.ndarray, orientation: int, ending: str = "PNG", **options: Any) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return encoded(values, ending, exif=exif, **options)


def upright(data: bytes) -> np.ndarray:
    """Pillow's result."""
    turned = ImageOps.exif_transpose(Image.open(BytesIO(data)))
    assert turned is not None
    return np.asarray(turned)


def with_object(shape: tuple[int, int], box: tuple[int, int, int, int]) -> np.ndarray:
    """Black, with a white box."""
    values = np.zeros((*shape, 3), dtype=np.uint8)
    left, top, right, bottom = box
    values[top:bottom, left:right] = 255
    return values


def frame(white: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right and bottom edges of the true area."""
    rows, columns = np.flatnonzero(white.any(axis=1)), np.flatnonzero(white.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def size_of(picture: np.ndarray) -> tuple[int, int]:
    return picture.shape[0], picture.shape[1]


@pytest.mark.parametrize("source", ALL)
def test_a_photo_is_turned_upright_by_every_source(source: str, tmp_path: Path) -> None:
    photos = [photo(NOISE, orientation) for orientation in ORIENTATIONS]
    splits = open_source(source, tmp_path, [Item(data) for data in photos])
    for number, (orientation, data) in enumerate(zip(ORIENTATIONS, photos, strict=True)):
        sample, expected = read(splits.test, number), upright(data)
        assert np.array_equal(pixels(sample, size_of(expected)), expected)
        assert (TURNED in found_in(sample)) == (orientation != 1)
    assert not read(splits.train, 0).findings


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize(
    ("ending", "options"),
    [
        ("jpeg", {}),
        ("png", {}),
        ("webp", {"lossless": True}),
        ("tiff", {}),
        ("tiff", {"compression": "tiff_deflate"}),
    ],
)
def test_a_photo_is_turned_upright_in_every_format(
    ending: str, options: dict[str, Any], orientation: int, tmp_path: Path
) -> None:
    data = photo(NOISE, orientation, ending, **options)
    sample = read(open_source("image-folder", tmp_path, [Item(data)] * 2, ending=ending).test, 0)
    expected = upright(data)
    assert size_of(expected) == ((12, 7) if orientation in LYING else (7, 12))
    assert np.array_equal(pixels(sample, size_of(expected)), expected)
    assert found_in(sample) == ([] if orientation == 1 else [TURNED])


BOX = (1, 2, 4, 8)


@pytest.mark.parametrize("shape", [(12, 6), (12, 12)], ids=["upright", "square"])
@pytest.mark.parametrize("source", OF_BOXES)
def test_boxes_made_on_what_the_source_usually_has_frame_the_turned_object(
    source: str, shape: tuple[int, int], tmp_path: Path
) -> None:
    photos = [photo(with_object(shape, BOX), orientation) for orientation in ORIENTATIONS]
    turned = [upright(data) for data in photos]
    boxes = [frame(values[..., 0] == 255) for values in turned]
    items = [Item(data, box if source in UPRIGHT else BOX) for data, box in zip(photos, boxes, strict=True)]
    splits = open_source(source, tmp_path, items)
    kind = "upright" if source in UPRIGHT else "stored"
    guessed = f"{BOTH_WAYS}, and are assumed to be made on the {kind} pixels"
    for number, orientation in enumerate(ORIENTATIONS):
        sample = read(splits.test, number)
        assert sample.target.boxes.tolist() == [list(boxes[number])]
        assert frame(pixels(sample, size_of(turned[number]))[..., 0] == 255) == boxes[number]
        assert found_in(sample) == ([] if orientation == 1 else [TURNED, guessed])


@pytest.mark.parametrize("annotated", ["stored", "upright"])
@pytest.mark.parametrize("source", ["coco-detection", "voc boxes"])
def test_boxes_move_as_the_declared_size_says(source: str, annotated: str, tmp_path: Path) -> None:
    photos = [photo(with_object((12, 6), BOX), orientation) for orientation in LYING]
    boxes = [frame(upright(data)[..., 0] == 255) for data in photos]
    items = [
        Item(data, BOX, (12, 6)) if annotated == "stored" else Item(data, box, (6, 12))
        for data, box in zip(photos, boxes, strict=True)
    ]
    splits = open_source(source, tmp_path, items)
    for number, box in enumerate(boxes):
        sample = read(splits.test, number)
        assert sample.target.boxes.tolist() == [list(box)]
        assert found_in(sample) == ([TURNED, ALONG] if annotated == "stored" else [TURNED])


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("annotated", ["stored", "upright", "unknown"])
def test_the_crop_of_fmow_turns_with_the_image(annotated: str, orientation: int, tmp_path: Path) -> None:
    # At most a tenth of a side, so that the context is twice as large and within the image.
    values = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    box = (20, 10, 24, 13)
    data = photo(values, orientation)
    stored = np.zeros_like(values)
    stored[10 - 3 : 13 + 3, 20 - 4 : 24 + 4] = 255
    left, top, right, bottom = frame(upright(photo(stored, orientation))[..., 0] == 255)
    expected = upright(data)[top:bottom, left:right]
    stored_box = with_object((40, 60), box)
    item = {
        "stored": Item(data, box, (40, 60)),
        "upright": Item(data, frame(upright(photo(stored_box, orientation))[..., 0] == 255), (60, 40)),
        "unknown": Item(data, box),
    }[annotated]
    if annotated == "upright" and orientation not in LYING:
        return  # the two sizes are equal
    sample = read(open_source("fmow", tmp_path, [item] * 2, crop="box").test, 0)
    assert np.array_equal(pixels(sample, size_of(expected)), expected)


def mask_of(values: np.ndarray, orientation: int = 1) -> bytes:
    return photo((values[..., 0] == 255).astype(np.uint8), orientation)


@pytest.mark.parametrize("shape", [(12, 6), (12, 12)], ids=["upright", "square"])
@pytest.mark.parametrize("annotated", ["stored", "upright", "own orientation"])
@pytest.mark.parametrize("source", OF_MASKS)
def test_masks_lie_on_the_turned_object(source: str, annotated: str, shape: tuple[int, int], tmp_path: Path) -> None:
    values = with_object(shape, BOX)
    photos = [photo(values, orientation) for orientation in ORIENTATIONS]
    masks = [
        {"stored": mask_of(values), "upright": mask_of(upright(data)), "own orientation": mask_of(values, orientation)}
        for orientation, data in zip(ORIENTATIONS, photos, strict=True)
    ]
    # On VOC's masks, 1 is the first class after the background.
    items = [Item(data, mask=mask[annotated]) for data, mask in zip(photos, masks, strict=True)]
    splits = open_source(source, tmp_path, items)
    usual = "upright" if source in UPRIGHT else "stored"
    for number, (orientation, data) in enumerate(zip(ORIENTATIONS, photos, strict=True)):
        is_told = shape[0] != shape[1] and orientation in LYING
        sample, expected = read(splits.test, number), upright(data)[..., 0] == 255
        height, width = expected.shape
        is_right = is_told or annotated in (usual, "own orientation")
        if is_right:
            assert np.array_equal(sample.target[:height, :width].numpy() == 1, expected)
        if orientation == 1:
            assert found_in(sample) == []
            continue
        told = {
            "stored": [TURNED, ALONG],
            "upright": [TURNED],
            "own orientation": [TURNED, "masks are turned upright according to their own EXIF orientation"],
        }
        guessed = [TURNED, f"{BOTH_WAYS}, and are assumed to be made on the {usual} pixels"]
        assert found_in(sample) == (told[annotated] if is_told or annotated == "own orientation" else guessed)


def test_the_size_of_a_folder_of_images_is_that_of_the_upright_first_one(tmp_path: Path) -> None:
    lying = [Item(photo(NOISE, 6))]
    splits = open_source(
        "image-folder", tmp_path, lying * 2, lying, image_size=None, eval_transforms=None, train_transforms=None
    )
    assert str(splits.image) == "3x12x7"


def test_broken_exif_data_leaves_the_photo_as_it_is_stored(tmp_path: Path) -> None:
    data = encoded(NOISE, "JPEG", exif=b"Exif\x00\x00no TIFF at all")
    sample = read(open_source("image-folder", tmp_path, [Item(data)] * 2, ending="jpg").test, 0)
    assert np.array_equal(pixels(sample, (7, 12)), np.asarray(Image.open(BytesIO(data))))
    assert found_in(sample) == ["images have unreadable EXIF data and are used as stored"]


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_none(orientation: int, tmp_path: Path) -> None:
    sample = read(open_source("image-folder", tmp_path, [Item(photo(NOISE, orientation))] * 2).test, 0)
    assert np.array_equal(pixels(sample, (7, 12)), NOISE)
    assert found_in(sample) == []
