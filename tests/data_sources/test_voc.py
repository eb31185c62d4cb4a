"""The data source voc: boxes, labels and masks in the layout of Pascal VOC, and invalid files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from reorder_kit.data_sources.voc import Voc
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import (
    BOXES,
    IGNORED,
    MASK,
    MULTI_LABEL,
    DataSplits,
    Finding,
    Sample,
    SampleSet,
    TargetKind,
    Unreadable,
)

Box = tuple[Any, Any, Any, Any]


def thing(name: str, box: Box, difficult: int = 0) -> str:
    edges = "".join(
        f"<{edge}>{value}</{edge}>" for edge, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    # A part of an object has a box of its own, as in the layouts of persons.
    part = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"
    return f"<object><name>{name}</name><difficult>{difficult}</difficult>{part}<bndbox>{edges}</bndbox></object>"


def write_image(root: Path, name: str, objects: str = "", mask: np.ndarray | None = None) -> None:
    pixels = np.random.default_rng(sum(map(ord, name))).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(root / "JPEGImages" / f"{name}.jpg")
    (root / "Annotations" / f"{name}.xml").write_text(f"<annotation>{objects}</annotation>")
    if mask is not None:
        picture = Image.fromarray(mask.astype(np.uint8))
        # Colors have nothing to do with the numbers.
        picture.putpalette([(255 - value) % 256 for value in range(768)])
        picture.save(root / "SegmentationClass" / f"{name}.png")


def write_list(root: Path, lists: str, split: str, names: list[str]) -> None:
    (root / "ImageSets" / lists / f"{split}.txt").write_text("\n".join(names) + "\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three images with a cat, for train, val and test."""
    year = tmp_path / "VOCdevkit" / "VOC2007"
    for folder in ("JPEGImages", "Annotations", "SegmentationClass", "ImageSets/Main", "ImageSets/Segmentation"):
        (year / folder).mkdir(parents=True)
    for split in ("train", "val", "test"):
        mask = np.full((12, 10), 8)
        mask[0], mask[1, 5] = 0, 255
        write_image(year, f"{split}-image", thing("cat", (2, 3, 6, 12)), mask)
        for lists in ("Main", "Segmentation"):
            write_list(year, lists, split, [f"{split}-image"])
    return year


def open_voc(root: Path, kind: TargetKind = BOXES, **options: Any) -> DataSplits:
    given = {"root": root, "image_size": 12, "train_transforms": [], **options}
    return Voc(Voc.Options(**given), kind).open(seed=0)


def only(split: SampleSet) -> Sample:
    [index] = range(len(split))
    sample = split[index]
    assert isinstance(sample, Sample)
    return sample


def sizes(splits: DataSplits) -> tuple[int, int, int]:
    return len(splits.train), len(splits.validation), len(splits.test)


def test_boxes_count_pixels_from_0_and_end_after_their_last_one(root: Path) -> None:
    splits = open_voc(root)
    sample = only(splits.train)
    assert sample.target.boxes.tolist() == [[1, 2, 6, 12]]
    assert [splits.classes[number] for number in sample.target.classes.tolist()] == ["cat"]
    assert sample.content == (12, 10)


@pytest.mark.parametrize("above", [".", "..", "../.."])
def test_the_folder_of_the_year_is_found(root: Path, above: str) -> None:
    assert sizes(open_voc((root / above).resolve())) == (1, 1, 1)


def test_two_years_are_one_too_many(root: Path) -> None:
    (root.parent / "VOC2012" / "ImageSets").mkdir(parents=True)
    with pytest.raises(ReorderKitError, match=r"data\.root: .* has several years, VOC2007 and VOC2012"):
        open_voc(root.parent)
    assert sizes(open_voc(root)) == (1, 1, 1)


@pytest.mark.parametrize(
    ("difficult", "boxes", "crowd", "labels"),
    [("ignore", 2, [False, True], ["cat"]), ("keep", 2, [False, False], ["cat", "dog"]), ("drop", 1, [False], ["cat"])],
)
def test_difficult_objects(root: Path, difficult: str, boxes: int, crowd: list[bool], labels: list[str]) -> None:
    write_image(root, "train-image", thing("cat", (1, 1, 5, 5)) + thing("dog", (4, 4, 9, 9), difficult=1))
    target = only(open_voc(root, difficult=difficult).train).target
    assert len(target) == boxes
    assert target.crowd.tolist() == crowd
    labelled = open_voc(root, MULTI_LABEL, difficult=difficult)
    present = only(labelled.train).target.tolist()
    assert [name for name, label in zip(labelled.classes, present, strict=True) if label] == labels


def test_masks_hold_numbers_not_colours_and_the_rim_is_ignored(root: Path) -> None:
    splits = open_voc(root, MASK)
    assert splits.classes[0] == "background"
    assert splits.classes[8] == "cat"
    assert len(splits.classes) == 21
    mask = only(splits.train).target
    assert (mask[0, :10] == 0).all()
    assert mask[1, 5] == IGNORED
    assert (mask[2:, :10] == 8).all()
    assert (mask[:, 10:] == IGNORED).all()


def test_without_a_test_val_is_that_and_validation_is_set_aside(root: Path) -> None:
    for number in range(9):
        write_image(root, f"more-{number}", thing("cat", (2, 3, 6, 12)), np.zeros((12, 10)))
    for lists in ("Main", "Segmentation"):
        write_list(root, lists, "train", ["train-image", *(f"more-{number}" for number in range(9))])
        (root / "ImageSets" / lists / "test.txt").unlink()
    for kind in Voc.target_kinds:
        assert sizes(open_voc(root, kind)) == (9, 1, 1)
        assert sizes(open_voc(root, kind, validation="val")) == (8, 1, 2)


def test_trainval_holds_val_which_is_not_used_twice(root: Path) -> None:
    names = [f"more-{number}" for number in range(8)]
    for name in names:
        write_image(root, name, thing("cat", (2, 3, 6, 12)), np.zeros((12, 10)))
    for lists in ("Main", "Segmentation"):
        write_list(root, lists, "trainval", ["train-image", "val-image", *names])
    for kind in Voc.target_kinds:
        assert sizes(open_voc(root, kind, train="trainval")) == (9, 1, 1)
        with pytest.raises(ReorderKitError, match=r"val-image.* is listed twice"):
            open_voc(root, kind, train="trainval", validation="val")


def test_a_box_without_area_is_left_out_and_counted(root: Path) -> None:
    write_image(root, "train-image", thing("cat", (5, 5, 4, 9)) + thing("dog", ("4.5", 5, "4.5", 5)))
    splits = open_voc(root)
    target = only(splits.train).target
    example = f"{root / 'Annotations' / 'train-image.xml'}, object 1"
    assert Finding("boxes without width or height are left out", 1, example) in splits.findings
    assert target.boxes.tolist() == [[3.5, 4, 4.5, 5]]


def test_other_classes_can_be_named(root: Path) -> None:
    for name in ("train-image", "val-image", "test-image"):
        write_image(root, name, thing("crab", (2, 3, 6, 12)))
    with pytest.raises(
        ReorderKitError, match=r"data\.classes: .*\.xml has an object 'crab', which is not one of the 20"
    ):
        open_voc(root)
    assert open_voc(root, classes=["crab", "eel"]).classes == ("crab", "eel")
    with pytest.raises(ValidationError, match="'eel' appears twice"):
        Voc.Options(root=root, classes=["eel", "eel"])


def test_files_that_are_wrong_are_named(root: Path) -> None:
    with pytest.raises(ReorderKitError, match=r"data\.root: the folder .* does not exist"):
        open_voc(root / "nowhere")
    with pytest.raises(ReorderKitError, match=r"data\.root: .* has no folder ImageSets"):
        open_voc(root / "JPEGImages")
    with pytest.raises(ReorderKitError, match=r"data\.train: the list .*other\.txt cannot be read"):
        open_voc(root, train="other")
    annotation = root / "Annotations" / "train-image.xml"
    whole = annotation.read_text()
    annotation.write_text(whole[:-20])
    with pytest.raises(ReorderKitError, match=r"data\.root: .*train-image\.xml is not XML"):
        open_voc(root)
    for value in ("", "wide", "nan", "inf"):
        annotation.write_text(whole.replace("<xmax>6</xmax>", f"<xmax>{value}</xmax>"))
        with pytest.raises(ReorderKitError, match=r"train-image\.xml: object 1 has no bndbox of four numbers"):
            open_voc(root)
    annotation.unlink()
    with pytest.raises(ReorderKitError, match=r"Main lists train-image, but .*train-image\.xml does not exist"):
        open_voc(root)
    write_list(root, "Main", "train", [""])
    with pytest.raises(ReorderKitError, match=r"data\.train: the list .*train\.txt is empty"):
        open_voc(root)


def test_images_and_masks_that_are_missing_are_named(root: Path) -> None:
    (root / "SegmentationClass" / "val-image.png").unlink()
    with pytest.raises(ReorderKitError, match=r"Segmentation lists val-image, but .*val-image\.png does not exist"):
        open_voc(root, MASK)
    (root / "JPEGImages" / "test-image.jpg").unlink()
    with pytest.raises(ReorderKitError, match=r"Main lists test-image, but .*test-image\.jpg does not exist"):
        open_voc(root)


def test_a_mask_with_a_number_that_is_no_class_is_unreadable(root: Path) -> None:
    write_image(root, "test-image", mask=np.full((12, 10), 21))
    sample = open_voc(root, MASK).test[0]
    assert isinstance(sample, Unreadable)
    assert sample.path.endswith("SegmentationClass/test-image.png")
    assert "21" in sample.reason
    write_image(root, "train-image", mask=np.full((12, 10), 21))
    with pytest.raises(ReorderKitError, match=r"no training image can be used; the first is .*train-image\.png: .*21"):
        open_voc(root, MASK)


@pytest.mark.parametrize("kind", [BOXES, MASK])
def test_a_list_named_for_the_test_is_not_validation_too(root: Path, kind: TargetKind) -> None:
    names = [f"more-{number}" for number in range(10)]
    for lists in ("Main", "Segmentation"):
        write_list(root, lists, "train", names)
    for name in names:
        write_image(root, name, thing("cat", (2, 3, 6, 12)), np.full((12, 10), 8))
    splits = open_voc(root, kind, test="val")
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (9, 1, 1)


def test_more_classes_than_a_mask_can_number_are_refused(root: Path) -> None:
    with pytest.raises(ReorderKitError, match=r"data\.classes: a mask can have at most 254 classes"):
        open_voc(root, MASK, classes=[f"class {number}" for number in range(255)])
