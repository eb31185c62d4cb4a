"""Folders that are not classes: roots one level too high, alphabets, annotations and masks among photographs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from input_folders import CLASS_FOLDERS, Folders, found, save_image
from reorder_kit.data.class_layout import INNER_FOUND, MASKS_FOUND
from reorder_kit.data.look_alike_masks import masks_among
from reorder_kit.errors import ReorderKitError

ROOT_OF_CLASSES = pytest.mark.parametrize(
    "folders", [pytest.param(each, id=name) for name, each in CLASS_FOLDERS.items() if not each.has_splits]
)


def fill(root: Path, places: Sequence[str], each: int = 4) -> None:
    """Different images in these folders, with different names."""
    for number, place in enumerate(places):
        for value in range(each):
            save_image(root / place / f"{number}-{value}.png", each * number + value)


@ROOT_OF_CLASSES
def test_variants_of_one_data_set_are_no_classes(tmp_path: Path, folders: Folders) -> None:
    plants = ("apple", "cherry", "grape", "maize")
    fill(tmp_path, [f"{kind}/{plant}" for kind in ("color", "grayscale", "segmented") for plant in plants], each=2)
    with pytest.raises(
        ReorderKitError, match="hold the same folders instead of images, apple, cherry, grape"
    ) as caught:
        folders.open(tmp_path)
    assert f"data.root={tmp_path / 'color'}" in (caught.value.hint or "")


@ROOT_OF_CLASSES
@pytest.mark.parametrize(
    "inner",
    [("left", "right"), ("session-1", "session-2", "session-3", "session-4"), ("1", "2", "3", "4")],
    ids=["views", "sessions", "numbers"],
)
def test_parts_of_classes_are_read_and_reported(tmp_path: Path, folders: Folders, inner: Sequence[str]) -> None:
    fill(tmp_path, [f"{name}/{part}" for name in ("cat", "dog") for part in inner])
    splits = folders.open(tmp_path)
    assert list(splits.classes) == ["cat", "dog"]
    assert found(splits) == {INNER_FOUND: (8 * len(inner), f"cat/{inner[0]}/0-0.png")}


@ROOT_OF_CLASSES
def test_same_folders_beside_images_of_the_class_are_read_and_reported(tmp_path: Path, folders: Folders) -> None:
    more = ("old", "new", "bad")
    fill(tmp_path, ["cat", "dog", *(f"{name}/{part}" for name in ("cat", "dog") for part in more)])
    assert found(folders.open(tmp_path)) == {INNER_FOUND: (24, "cat/bad/4-0.png")}


@ROOT_OF_CLASSES
def test_letters_that_hold_the_classes_are_no_classes(tmp_path: Path, folders: Folders) -> None:
    fill(tmp_path, ["a/abbey", "a/airport", "b/bar", "c/church"])
    with pytest.raises(ReorderKitError, match=r"has one folder per letter \(a, b, c\), .* such as a/abbey"):
        folders.open(tmp_path)


@ROOT_OF_CLASSES
def test_letters_are_classes_where_they_hold_images(tmp_path: Path, folders: Folders) -> None:
    fill(tmp_path, ["a", "b", "c/cursive"])
    assert list(folders.open(tmp_path).classes) == ["a", "b", "c"]


@ROOT_OF_CLASSES
@pytest.mark.parametrize("below", ["", "trimaps"])
def test_images_and_their_annotations_are_no_classes(tmp_path: Path, folders: Folders, below: str) -> None:
    fill(tmp_path, ["images", f"annotations/{below}"])
    with pytest.raises(ReorderKitError, match=r"look like images and their masks, .*: annotations, images"):
        folders.open(tmp_path)


@ROOT_OF_CLASSES
def test_a_copy_of_the_data_is_no_class(tmp_path: Path, folders: Folders) -> None:
    fill(tmp_path, ["infected", "healthy", "cells/infected", "cells/healthy"])
    with pytest.raises(ReorderKitError, match=r"class folder .*cells holds folders of the other classes, healthy, inf"):
        folders.open(tmp_path)


@ROOT_OF_CLASSES
@pytest.mark.parametrize(
    ("train", "test"), [("trainset", "testset"), ("traindata", "testdata"), ("TrainImages", "ValImages")]
)
def test_names_of_splits_with_what_they_hold_are_no_classes(
    tmp_path: Path, folders: Folders, train: str, test: str
) -> None:
    fill(tmp_path, [f"{split}/{name}" for split in (train, test) for name in ("cat", "dog")])
    with pytest.raises(ReorderKitError, match="look like splits"):
        folders.open(tmp_path)


@ROOT_OF_CLASSES
@pytest.mark.parametrize("place", ["images", "Images/full", ""], ids=["beside", "deeper", "above"])
def test_masks_beside_photographs_are_no_photographs(tmp_path: Path, folders: Folders, place: str) -> None:
    masks = place.replace("Images", "Masks").replace("images", "masks") or "masks"
    for number, name in enumerate(("Covid", "Normal")):
        for value in range(6):
            save_image(tmp_path / name / place / f"{name}-{value}.png", 12 * number + value)
            save_image(tmp_path / name / masks / f"{name}-{value}.png", 12 * number + 6 + value)
    with pytest.raises(ReorderKitError, match=r"12 images of .* are masks .* such as .*asks.*Covid-0\.png"):
        folders.open(tmp_path)


@ROOT_OF_CLASSES
def test_masks_named_after_photographs_are_no_photographs(tmp_path: Path, folders: Folders) -> None:
    for number, name in enumerate(("benign", "malignant")):
        for value in range(5):
            save_image(tmp_path / name / f"{name} ({value}).png", 10 * number + value)
            save_image(tmp_path / name / f"{name} ({value})_mask.png", 10 * number + 5 + value)
    with pytest.raises(ReorderKitError, match=r"10 images of .* are masks .*benign \(0\)_mask\.png"):
        folders.open(tmp_path)


@ROOT_OF_CLASSES
def test_few_masks_among_photographs_are_reported(tmp_path: Path, folders: Folders) -> None:
    fill(tmp_path, ["cat", "dog"], each=10)
    save_image(tmp_path / "cat" / "0-3_mask.png", 99)
    assert found(folders.open(tmp_path)) == {MASKS_FOUND: (1, "cat/0-3_mask.png")}


@ROOT_OF_CLASSES
def test_photographs_in_folders_that_are_called_masks_are_reported(tmp_path: Path, folders: Folders) -> None:
    fill(tmp_path, ["carnival", "theatre", "carnival/masks"])
    assert found(folders.open(tmp_path)) == {
        MASKS_FOUND: (4, "carnival/masks/2-0.png"),
        INNER_FOUND: (4, "carnival/masks/2-0.png"),
    }


@ROOT_OF_CLASSES
def test_people_with_and_without_masks_are_two_classes(tmp_path: Path, folders: Folders) -> None:
    for number, name in enumerate(("with_mask", "without_mask")):
        for value in range(6):
            save_image(tmp_path / name / f"{value}-{name}.png", 6 * number + value)
    assert found(folders.open(tmp_path)) == {}


def test_a_name_with_mask_in_it_is_that_of_a_mask_only_beside_its_image() -> None:
    names = ["7.png", "7_mask.jpg", "8_mask.png", "9.png", "9_mask_1.png", "unmasked.png", "mask.png", "9mask.png"]
    paths = [f"/data/cat/{name}" for name in names]
    assert masks_among("/data/cat", paths).certain == ["/data/cat/7_mask.jpg", "/data/cat/9_mask_1.png"]
    assert not masks_among("/data/cat", paths).likely
