"""Declared classes that never occur: in masks, labels and boxes, and in metrics."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from contexts import context_of
from hf_tables import datasets, encoded, grey, open_saved, save, table
from reorder_kit.data import mask_look as _mask_look
from reorder_kit.data_sources.coco_detection import CocoDetection
from reorder_kit.data_sources.multi_label_csv import MultiLabelCsv
from reorder_kit.data_sources.segmentation_folder import SegmentationFolder
from reorder_kit.data_sources.voc import Voc
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import BOXES, CLASS, MASK, MULTI_LABEL, DataSplits, TargetKind
from reorder_kit.runs.figures import Figures, words_of_absence
from reorder_kit.tasks.classification import Classification
from shards import open_shards, picture, write

DECLARED = "declared classes do not occur in the training targets"
Values = Sequence[int]


def mask_of(values: Values) -> np.ndarray:
    """As many columns as values."""
    return np.repeat(np.array([values], dtype=np.uint8), len(values), axis=0)


def noise(number: int, side: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)


def png(pixels: np.ndarray) -> bytes:
    Image.fromarray(pixels).save(file := BytesIO(), "PNG")
    return file.getvalue()


def from_folder(root: Path, masks: Sequence[Values], classes: Sequence[str]) -> DataSplits:
    for split in ("train", "val", "test"):
        for folder in ("images", "masks"):
            (root / folder / split).mkdir(parents=True)
        for number, values in enumerate(masks):
            (root / "images" / split / f"{number}.png").write_bytes(png(noise(number + len(split), len(values))))
            (root / "masks" / split / f"{number}.png").write_bytes(png(mask_of(values)))
    options = SegmentationFolder.Options(root=root, classes=tuple(classes), image_size=8, train_transforms=())
    return SegmentationFolder(options).open(0)


def from_hf(root: Path, masks: Sequence[Values], classes: Sequence[str]) -> DataSplits:
    images = [grey(number, (len(values),) * 2) for number, values in enumerate(masks)]
    split = table({"mask": [encoded(mask_of(values)) for values in masks]}, images, mask=datasets.Image())
    return open_saved(save(root / "set", train=split, validation=split, test=split), MASK, classes=tuple(classes))


def from_shards(root: Path, masks: Sequence[Values], classes: Sequence[str]) -> DataSplits:
    members = []
    for number, values in enumerate(masks):
        members += [(f"{number}.png", png(noise(number, len(values)))), (f"{number}.mask.png", png(mask_of(values)))]
    for name in ("train", "val", "test"):
        write(root / f"{name}.tar", members)
    return open_shards(root, MASK, classes=tuple(classes))


def from_voc(root: Path, masks: Sequence[Values], classes: Sequence[str]) -> DataSplits:
    for folder in ("JPEGImages", "Annotations", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    for split in ("train", "val", "test"):
        names = [f"{split}{number}" for number in range(len(masks))]
        (root / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(names))
        for name, values in zip(names, masks, strict=True):
            (root / "JPEGImages" / f"{name}.png").write_bytes(png(noise(sum(map(ord, name)), len(values))))
            (root / "SegmentationClass" / f"{name}.png").write_bytes(png(mask_of(values)))
    options = Voc.Options(root=root, classes=tuple(classes[1:]), image_size=8, train_transforms=())
    return Voc(options, MASK).open(0)


MASKED = [from_folder, from_hf, from_shards, from_voc]
NAMES = ["folder", "hf", "webdataset", "voc"]
Opened = Callable[[Path, Sequence[Values], Sequence[str]], DataSplits]


@pytest.mark.parametrize("opened", MASKED, ids=NAMES)
def test_masks_of_0_and_255_without_their_values_are_refused(tmp_path: Path, opened: Opened) -> None:
    masks = [(0, 255, 0, 255), (0, 0, 255, 255)]
    with pytest.raises(
        ReorderKitError, match=r"no pixel outside the class 'background'; their values: 0, 255"
    ) as error:
        opened(tmp_path, masks, ["background", "ship"])
    field = {from_folder: "data.values", from_voc: ""}.get(opened, "data.mask_values")
    assert not field or f"{field}: [0, 255]" in str(error.value.hint)


@pytest.mark.parametrize("opened", MASKED, ids=NAMES)
def test_masks_of_background_alone_are_refused(tmp_path: Path, opened: Opened) -> None:
    with pytest.raises(ReorderKitError, match=r"the 3 sampled training masks .* their values: 0\n"):
        opened(tmp_path, [(0, 0)] * 3, ["background", "ship", "buoy"])


@pytest.mark.parametrize("opened", MASKED, ids=NAMES)
def test_a_class_that_no_mask_has_is_told_of(tmp_path: Path, opened: Opened) -> None:
    splits = opened(tmp_path, [(0, 1, 255, 1), (0, 3, 3, 0), (0, 0, 0, 0)], ["background", "ship", "buoy", "crane"])
    (finding,) = splits.findings
    assert str(finding) == "declared classes do not occur in the 3 sampled training masks: 1, such as buoy"


@pytest.mark.parametrize("opened", MASKED, ids=NAMES)
def test_masks_that_have_every_class_are_nothing_to_tell_of(tmp_path: Path, opened: Opened) -> None:
    assert opened(tmp_path, [(0, 0), (0, 1), (2, 2)], ["background", "ship", "buoy"]).findings == ()


def test_only_some_masks_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_mask_look, "LOOKED_AT", 2)
    # The first and the last.
    (finding,) = from_folder(tmp_path, [(0, 1), (2, 2), (0, 1)], ["background", "ship", "buoy"]).findings
    assert str(finding) == "declared classes do not occur in the 2 sampled training masks: 1, such as buoy"


def test_a_mask_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    splits = from_folder(tmp_path, [(0, 1), (0, 9), (0, 1)], ["background", "ship", "buoy"])
    assert [finding.what for finding in splits.findings] == [
        "declared classes do not occur in the 2 sampled training masks"
    ]


# Labels and boxes

BOX = [1.0, 1.0, 4.0, 4.0]
FIELDS = {CLASS: ("label", "class"), MULTI_LABEL: ("labels", "labels"), BOXES: ("objects", "objects")}


def target(kind: TargetKind, label: Any) -> Any:
    return {CLASS: label, MULTI_LABEL: [label], BOXES: {"bbox": [BOX], "category": [label]}}[kind]


def records_of_hf(root: Path, kind: TargetKind, labels: Sequence[Any], **options: Any) -> DataSplits:
    split = table({FIELDS[kind][0]: [target(kind, label) for label in labels]})
    return open_saved(save(root / "set", train=split, validation=split, test=split), kind, **options)


def records_of_shards(root: Path, kind: TargetKind, labels: Sequence[Any], **options: Any) -> DataSplits:
    members = []
    for number, label in enumerate(labels):
        content = json.dumps({FIELDS[kind][1]: target(kind, label)}).encode()
        members += [(f"{number}.png", picture(number)), (f"{number}.json", content)]
    for name in ("train", "val", "test"):
        write(root / f"{name}.tar", members)
    return open_shards(root, kind, target_ending="json", **options)


RECORDS = pytest.mark.parametrize("opened", [records_of_hf, records_of_shards], ids=["hf", "webdataset"])


@RECORDS
@pytest.mark.parametrize("kind", list(FIELDS), ids=str)
def test_classes_that_no_record_has_are_told_of(tmp_path: Path, opened: Any, kind: TargetKind) -> None:
    splits = opened(tmp_path, kind, ["cat", "dog", "cat"], classes=("ant", "cat", "bee", "dog"))
    (finding,) = splits.findings
    assert str(finding) == f"{DECLARED}: 2, such as ant"


@RECORDS
@pytest.mark.parametrize("classes", [None, ("cat", "dog")], ids=["found", "given"])
def test_records_of_a_single_class_are_refused(tmp_path: Path, opened: Any, classes: tuple[str, ...] | None) -> None:
    with pytest.raises(ReorderKitError, match="all training images have the same class, 'cat'"):
        opened(tmp_path, CLASS, ["cat", "cat"], classes=classes)


@RECORDS
@pytest.mark.parametrize("kind", [MULTI_LABEL, BOXES], ids=str)
def test_a_single_class_is_enough_where_images_can_lack_it(tmp_path: Path, opened: Any, kind: TargetKind) -> None:
    assert list(opened(tmp_path, kind, ["cat", "cat"]).classes) == ["cat"]


def test_records_without_any_class_are_refused(tmp_path: Path) -> None:
    feature = datasets.Sequence(datasets.ClassLabel(names=["cat", "dog"]))
    split = table({"labels": [[], None]}, labels=feature)
    with pytest.raises(ReorderKitError, match="no training image has any of the 2 classes"):
        open_saved(save(tmp_path / "set", train=split, validation=split, test=split), MULTI_LABEL)


def write_images(root: Path, names: Sequence[str]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (root / name).write_bytes(png(noise(number, 8)))


def test_categories_without_a_box_are_told_of(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(6)]
    write_images(tmp_path / "images", names)
    images = [{"id": number, "file_name": name, "width": 8, "height": 8} for number, name in enumerate(names)]
    objects = [{"id": number, "image_id": number, "category_id": 2, "bbox": BOX} for number in range(6)]
    # A crowd does not count.
    objects.append({"id": 9, "image_id": 0, "category_id": 3, "bbox": BOX, "iscrowd": 1})
    categories = [{"id": number, "name": name} for number, name in ((1, "ant"), (2, "bee"), (3, "cat"))]
    content = {"images": images, "annotations": objects, "categories": categories}
    (tmp_path / "train.json").write_text(json.dumps(content))
    options = CocoDetection.Options(
        root=tmp_path, image_size=8, train_transforms=(), test_fraction=0.3, validation_fraction=0.3
    )
    splits = CocoDetection(options, BOXES).open(0)
    assert list(splits.classes) == ["ant", "bee", "cat"]
    assert f"{DECLARED}: 2, such as ant" in map(str, splits.findings)


def test_columns_without_an_image_are_left_out_and_told_of(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(3)]
    write_images(tmp_path, names)
    rows = [f"{name},{split},1,0,0" for name, split in zip(names, ("train", "val", "test"), strict=True)]
    (tmp_path / "labels.csv").write_text("\n".join(["path,split,ant,bee,cat", *rows]))
    splits = MultiLabelCsv(MultiLabelCsv.Options(root=tmp_path, image_size=8)).open(0)
    assert list(splits.classes) == ["ant"]
    assert [str(finding) for finding in splits.findings] == [
        "classes that no training image has are left out: 2, such as bee"
    ]


@pytest.mark.parametrize("classes", [[], ["cat"]], ids=["none", "one"])
def test_classification_of_fewer_than_two_classes_is_refused_whatever_the_source(classes: list[str]) -> None:
    with pytest.raises(ReorderKitError, match="needs at least two classes"):
        Classification().build_head(context_of(classes))


# Figures


def test_a_class_without_an_example_is_named_in_words() -> None:
    figures = Figures.of(0.5, {}, 4, {"mIoU": 0.5, "per_class": {"sky": 0.5, "sea": None, "sand": None}}, [])
    assert figures.absent_classes == ("sea", "sand")
    (sentence,) = words_of_absence(figures, "test")
    assert sentence.startswith("2 of 3 classes have no example in the test split, such as sea")
    assert words_of_absence(Figures.of(0.5, {}, 4, {"top1": 1.0}, []), "test") == []


def test_figures_without_a_class_survive_being_written_and_read() -> None:
    figures = Figures.of(0.5, {}, 4, {"mIoU": 0.5, "per_class": {"sky": 0.5, "sea": None}}, [])
    assert Figures.model_validate_json(figures.model_dump_json()).absent_classes == ("sea",)
    assert torch.tensor([value for _, value in figures.numbers()]).isfinite().all()
