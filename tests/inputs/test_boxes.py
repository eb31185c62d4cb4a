"""Boxes that do not fit into their images, in every source of boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from boxed_inputs import DECLARING, HEIGHT, SOUND, SOURCES, WIDTH, Picture, open_boxed, samples, sound, told, usual
from reorder_kit.data.header_size import header_sizes
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import MULTI_LABEL, Unreadable
from says import says

OUTSIDE = "boxes outside their images are left out"
CUT = "boxes lose more than half of their area at the edges of their images"
TINY = "boxes are smaller than a pixel after scaling"
FLAT = "boxes without width or height are left out"

every_source = pytest.mark.parametrize("source", SOURCES)
every_declaring_source = pytest.mark.parametrize("source", DECLARING)


def spread_boxes(count: int = 40) -> list[tuple[float, ...]]:
    """Left, top, right and bottom edges of boxes all over an image, each at least 6 pixels wide and high."""
    random = np.random.default_rng(0)
    lefts, tops = random.integers(0, WIDTH - 10, count), random.integers(0, HEIGHT - 10, count)
    rights = [random.integers(left + 6, WIDTH) for left in lefts]
    bottoms = [random.integers(top + 6, HEIGHT) for top in tops]
    return [tuple(map(float, box)) for box in zip(lefts, tops, rights, bottoms, strict=True)]


def pictures(boxes: list[Any], declared: str | None = "own") -> list[Picture]:
    """Four boxes an image."""
    return [Picture(boxes[first : first + 4], declared=declared) for first in range(0, len(boxes), 4)]


@every_source
@pytest.mark.parametrize("declared", ["own", None])
def test_boxes_that_fit_are_read_without_a_word(source: str, declared: str | None, tmp_path: Path) -> None:
    edges = spread_boxes()
    splits = open_boxed(source, tmp_path, pictures(usual(source, *edges), declared))
    read = [box for sample in samples(splits.train) for box in sample.target.boxes.tolist()]
    assert read == [list(box) for box in edges]
    assert splits.findings == ()
    assert told(splits.train) == {}


# Sizes that annotations declare


@every_declaring_source
@pytest.mark.parametrize("declared", [(2 * HEIGHT, 2 * WIDTH), (WIDTH, HEIGHT), (HEIGHT, WIDTH + 1)], ids=str)
def test_an_image_of_another_size_than_declared_is_unreadable(
    source: str, declared: tuple[int, int], tmp_path: Path
) -> None:
    other = Picture(usual(source, SOUND), declared=declared)
    splits = open_boxed(source, tmp_path, [sound(source), other, sound(source)])
    first, broken, third = (splits.train[index] for index in range(3))
    assert isinstance(broken, Unreadable)
    assert broken.path.endswith("1.png")
    assert says(broken.reason, f"{declared[0]}x{declared[1]}", f"{HEIGHT}x{WIDTH}")
    assert not isinstance(first, Unreadable)
    assert not isinstance(third, Unreadable)


@every_declaring_source
def test_images_that_were_scaled_without_their_annotations_are_refused(source: str, tmp_path: Path) -> None:
    train = [Picture(usual(source, SOUND), declared=(60, 100)) for _ in range(3)]
    with pytest.raises(ReorderKitError) as error:
        open_boxed(source, tmp_path, [sound(source), *train])
    assert says(error.value.message, "data.root", "3 of 4", "1.png", "60x100", f"{HEIGHT}x{WIDTH}")


@every_declaring_source
@pytest.mark.parametrize("declared", [(0, 0), ("", ""), (HEIGHT, "wide"), (-HEIGHT, WIDTH)], ids=str)
def test_a_size_that_no_image_has_is_not_compared_and_counted(source: str, declared: Any, tmp_path: Path) -> None:
    splits = open_boxed(source, tmp_path, [Picture(usual(source, SOUND), declared=declared)])
    assert len(samples(splits.train)) == 1
    [finding] = splits.findings
    assert finding.what == "annotations without a usable size cannot be compared with their images"
    assert finding.count == 1


@every_declaring_source
def test_a_size_as_text_or_with_a_point_is_a_size(source: str, tmp_path: Path) -> None:
    declared = (f"{HEIGHT}", float(WIDTH))
    splits = open_boxed(source, tmp_path, [Picture(usual(source, SOUND), declared=declared)])
    assert len(samples(splits.train)) == 1
    assert splits.findings == ()


def test_a_lying_photo_has_two_sizes(tmp_path: Path) -> None:
    image = Image.new("RGB", (WIDTH, HEIGHT))
    stored, turned = (HEIGHT, WIDTH), (WIDTH, HEIGHT)
    for orientation, upright in ((1, stored), (3, stored), (6, turned), (8, turned)):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for ending in ("jpg", "png"):
            image.save(tmp_path / f"photo.{ending}", exif=exif)
            assert header_sizes(str(tmp_path / f"photo.{ending}")) == (stored, upright)
    (tmp_path / "broken.jpg").write_bytes(b"none")
    assert header_sizes(str(tmp_path / "broken.jpg")) is None


# What boxes lose


@every_source
def test_a_box_beside_its_image_is_left_out_and_counted(source: str, tmp_path: Path) -> None:
    beside = (WIDTH + 10, 3, WIDTH + 20, 9)
    splits = open_boxed(source, tmp_path, [Picture(usual(source, SOUND, SOUND, SOUND, beside)), sound(source)])
    first, second = samples(splits.train)
    assert first.target.boxes.tolist() == [list(SOUND)] * 3
    [finding] = first.findings
    assert (finding.what, finding.count) == (OUTSIDE, 1)
    called = {"hf": "split train, row 0", "webdataset": "sample 000"}
    assert finding.example.endswith(called.get(source, "0.png"))
    assert second.findings == ()


@every_source
def test_a_box_that_is_cut_by_more_than_half_is_counted(source: str, tmp_path: Path) -> None:
    # 10 of 30 columns remain, and 10 of 16 rows of the other.
    boxes = usual(source, SOUND, SOUND, (WIDTH - 10, 3, WIDTH + 20, 9), (5, HEIGHT - 10, 9, HEIGHT + 6))
    splits = open_boxed(source, tmp_path, [Picture(boxes)])
    [sample] = samples(splits.train)
    assert sample.target.boxes.tolist()[2:] == [[WIDTH - 10, 3, WIDTH, 9], [5, HEIGHT - 10, 9, HEIGHT]]
    assert told(splits.train) == {CUT: 1}


@every_source
def test_a_box_smaller_than_a_pixel_after_scaling_is_counted(source: str, tmp_path: Path) -> None:
    # At a third of the size, 2 columns are less than a pixel, and 3 are one.
    boxes = usual(source, SOUND, (20, 10, 22, 16), (20, 10, 23, 16))
    splits = open_boxed(source, tmp_path, [Picture(boxes)], image_size=(HEIGHT // 3, WIDTH))
    assert told(splits.train) == {TINY: 1}
    assert len(samples(splits.train)[0].target) == 3


@every_source
def test_a_box_that_a_random_crop_cuts_off_is_no_flaw_of_the_data(source: str, tmp_path: Path) -> None:
    crop = {"name": "CenterCrop", "size": 6}
    boxes = usual(source, (0, 0, 6, 6), (20, 8, 26, 14), (40, 20, 46, 26))
    splits = open_boxed(source, tmp_path, [Picture(boxes)], train_transforms=[crop])
    [sample] = samples(splits.train)
    assert len(sample.target) == 1
    assert sample.findings == ()


@every_source
def test_boxes_without_width_or_height_are_counted(source: str, tmp_path: Path) -> None:
    boxes = usual(source, SOUND, SOUND, SOUND, (7, 7, 7, 9), (7, 7, 9, 7))
    splits = open_boxed(source, tmp_path, [Picture(boxes)])
    assert len(samples(splits.train)[0].target) == 3
    [finding] = splits.findings
    assert (finding.what, finding.count) == (FLAT, 2)


@every_source
def test_a_box_of_absurd_width_is_cut_and_counted(source: str, tmp_path: Path) -> None:
    boxes = usual(source, SOUND, SOUND, (0, 0, 1e300, 8))
    splits = open_boxed(source, tmp_path, [Picture(boxes)])
    assert samples(splits.train)[0].target.boxes.tolist()[2] == [0, 0, WIDTH, 8]
    assert told(splits.train) == {CUT: 1}


# Boxes that cannot mean what they seem to


def refused(source: str, root: Path, train: list[Picture], **more: Any) -> str:
    with pytest.raises(ReorderKitError) as error:
        open_boxed(source, root, train, **more)
    return str(error.value)


@every_source
@pytest.mark.parametrize("declared", ["own", None])
@pytest.mark.parametrize("largest", [1.0, 1.4])
def test_normalized_boxes_are_refused(source: str, largest: float, declared: str | None, tmp_path: Path) -> None:
    edges = [
        (left / WIDTH * largest, top / HEIGHT * largest, right / WIDTH * largest, bottom / HEIGHT * largest)
        for left, top, right, bottom in spread_boxes()
    ]
    # Without VOC's first pixel 1, which is not added to fractions.
    numbers = edges if source == "voc" else usual(source, *edges)
    assert says(refused(source, tmp_path, pictures(numbers, declared)), "40 of 40", "normalized", "multiply")


@every_source
@pytest.mark.parametrize("declared", ["own", None])
def test_boxes_of_the_other_format_are_refused(source: str, declared: str | None, tmp_path: Path) -> None:
    other = "coco-detection" if source == "voc" else "voc"
    message = refused(source, tmp_path, pictures(usual(other, *spread_boxes()), declared))
    formats = ["left, top, right, bottom", "left, top, width, height"]
    assert says(message, f"read as {formats[source != 'voc']}", f"read as {formats[source == 'voc']}, they do")
    if source in ("hf", "webdataset"):
        assert "data.box_format to xyxy" in message


@pytest.mark.parametrize("source", ["hf", "webdataset"])
def test_a_recipe_with_the_wrong_format_is_refused_too(source: str, tmp_path: Path) -> None:
    # Large boxes in the top left corner, most of which have a width and height even if read wrongly.
    boxes = [(left, top, 40 - left, 25 - top) for left in (0, 4, 8, 19) for top in (0, 3, 6, 14)]
    message = refused(source, tmp_path, pictures(boxes), box_format="xyxy")
    assert says(message, "read as left, top, right, bottom", "read as left, top, width, height, they do", "xywh")


@every_source
def test_boxes_with_x_and_y_exchanged_are_refused(source: str, tmp_path: Path) -> None:
    exchanged = [(top, left, bottom, right) for left, top, right, bottom in spread_boxes()]
    message = refused(source, tmp_path, pictures(usual(source, *exchanged)))
    assert says(message, "do not fit", "read as top, left, ", "they do", "convert")


@every_source
def test_boxes_given_by_their_centers_are_refused(source: str, tmp_path: Path) -> None:
    centered = [
        ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
        for left, top, right, bottom in spread_boxes()
    ]
    message = refused(source, tmp_path, pictures(centered))
    assert says(message, "do not fit", "read as center x, center y, width, height, they do", "convert")


@every_source
def test_boxes_of_larger_images_are_refused(source: str, tmp_path: Path) -> None:
    larger = [tuple(4 * edge for edge in box) for box in spread_boxes()]
    message = refused(source, tmp_path, pictures(usual(source, *larger)))
    assert says(message, "of 40 boxes lie mostly outside their images", "another size")


@every_source
def test_wrong_boxes_of_the_test_alone_are_refused(source: str, tmp_path: Path) -> None:
    larger = [tuple(4 * edge for edge in box) for box in spread_boxes(4)]
    assert "lie mostly outside" in refused(source, tmp_path, [sound(source)], test=pictures(usual(source, *larger)))


@every_source
def test_a_few_boxes_over_the_edges_are_no_reason_to_refuse(source: str, tmp_path: Path) -> None:
    edges = spread_boxes()
    edges[::20] = [(left, top, right + WIDTH, bottom) for left, top, right, bottom in edges[::20]]
    splits = open_boxed(source, tmp_path, pictures(usual(source, *edges)))
    assert sum(len(sample.target) for sample in samples(splits.train)) == 40


@every_source
def test_boxes_that_are_whole_images_are_no_reason_to_refuse(source: str, tmp_path: Path) -> None:
    # These fit in several formats.
    splits = open_boxed(source, tmp_path, pictures(usual(source, *[(0, 0, WIDTH, HEIGHT)] * 4)))
    assert samples(splits.train)[0].target.boxes.tolist() == [[0, 0, WIDTH, HEIGHT]] * 4


@every_declaring_source
def test_labels_do_not_ask_where_boxes_are(source: str, tmp_path: Path) -> None:
    splits = open_boxed(source, tmp_path, [Picture([(0.1, 0.1, 0.4, 0.5)])], kind=MULTI_LABEL)
    assert samples(splits.train)[0].target.tolist() == [1.0]
