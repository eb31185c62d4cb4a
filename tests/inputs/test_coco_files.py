"""Ids and numbers in COCO's format as people write them, and invalid JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from boxed_inputs import SOUND, Picture, open_boxed, samples
from reorder_kit.data_sources.coco_detection import CocoDetection
from reorder_kit.data_sources.fmow import Fmow
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import BOXES, DataSplits, Unreadable
from says import says
from shards import open_shards, picture
from shards import write as write_shard

CATEGORIES = [{"id": 10, "name": "cat"}, {"id": 9, "name": "dog"}]
NESTED = "[" * 100_000 + "]" * 100_000


def content(
    categories: list[dict[str, Any]], images: list[Any], objects: list[tuple[Any, Any]], prefix: str
) -> dict[str, Any]:
    return {
        "categories": categories,
        "images": [{"id": number, "file_name": f"{prefix}{place}.png"} for place, number in enumerate(images)],
        "annotations": [
            {"image_id": image, "category_id": category, "bbox": [1, 2, 3, 4]} for image, category in objects
        ],
    }


def open_coco(root: Path, train: dict[str, Any] | str) -> DataSplits:
    """A training file with ordinary validation and test files."""
    files: dict[str, Any] = {"train": train}
    files |= {split: content(CATEGORIES, [1], [(1, 9)], split) for split in ("val", "test")}
    for split, of_split in files.items():
        (root / f"{split}.json").write_text(of_split if isinstance(of_split, str) else json.dumps(of_split))
        for name in ("0", "1"):
            Image.new("RGB", (10, 12)).save(root / f"{split}{name}.png")
    options = {"image_size": 12, "train_transforms": []}
    return CocoDetection(CocoDetection.Options(root=root, **options)).open(seed=0)


@pytest.mark.parametrize(
    ("images", "objects"),
    [
        ([1, 2], [("1", 10), ("2", 9)]),
        (["1", "2"], [(1, 10), (2, 9)]),
        ([1.0, 2.0], [(1, 10.0), (2, "9")]),
        ([1, 2], [("1.0", "10"), (" 2 ", "9.0")]),
        (["001", "002"], [("001", 10), ("002", 9)]),
        (["a", "b"], [("a", 10), ("b", 9)]),
        (["img-1", 2], [("img-1", 10), ("2", 9)]),
        ([10**30, -1], [(str(10**30), 10), (-1, 9)]),
    ],
    ids=str,
)
def test_ids_are_compared_as_what_they_mean(images: list[Any], objects: list[tuple[Any, Any]], tmp_path: Path) -> None:
    splits = open_coco(tmp_path, content(CATEGORIES, images, objects, "train"))
    # By number: 9 before 10, unlike text.
    assert splits.classes == ["dog", "cat"]
    assert [sample.target.classes.tolist() for sample in samples(splits.train)] == [[1], [0]]


@pytest.mark.parametrize("categories", [("10", "9"), (10.0, 9.0), ("10.0", "9")])
def test_ids_of_categories_are_the_same_in_every_file(categories: tuple[Any, Any], tmp_path: Path) -> None:
    named = [{"id": number, "name": name} for number, name in zip(categories, ("cat", "dog"), strict=True)]
    splits = open_coco(tmp_path, content(named, [1, 2], [(1, 10), (2, 9)], "train"))
    assert splits.classes == ["dog", "cat"]
    assert samples(splits.test)[0].target.classes.tolist() == [0]


@pytest.mark.parametrize("twin", ["1", 1.0, "1.0", "001"], ids=repr)
def test_two_ids_that_become_one_are_refused(twin: Any, tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError, match=r"train\.json: the image id 1 appears twice"):
        open_coco(tmp_path, content(CATEGORIES, [1, twin], [(1, 9)], "train"))
    twins = [{"id": 1, "name": "cat"}, {"id": twin, "name": "dog"}]
    with pytest.raises(ReorderKitError, match=r"train\.json: the category id 1 appears twice"):
        open_coco(tmp_path, content(twins, [1], [(1, 1)], "train"))


@pytest.mark.parametrize("number", [True, None, 1.5, float("nan"), float("inf"), "", [1], {}], ids=repr)
def test_what_is_no_id_is_refused(number: Any, tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError, match=r"images\[1\] has no id"):
        open_coco(tmp_path, content(CATEGORIES, [1, number], [(1, 9)], "train"))
    with pytest.raises(ReorderKitError, match=r"annotations\[1\] refers to the image "):
        open_coco(tmp_path, content(CATEGORIES, [1, 2], [(1, 9), (number, 9)], "train"))


@pytest.mark.parametrize("number", [10**400, -(10**400), 10**5000], ids=["400 digits", "negative", "5000 digits"])
@pytest.mark.parametrize("field", ["bbox", "category_id", "iscrowd"])
def test_a_number_of_many_digits_is_a_mistake_of_the_file(field: str, number: int, tmp_path: Path) -> None:
    train = content(CATEGORIES, [1, 2], [(1, 9), (2, 10)], "train")
    train["annotations"][1] |= {field: "NUMBER"}
    digits = "-" * (number < 0) + "1" + "0" * (400 if abs(number) < 10**401 else 5000)
    text = json.dumps(train).replace('"NUMBER"', f"[1, 2, 3, {digits}]" if field == "bbox" else digits)
    with pytest.raises(ReorderKitError) as error:
        open_coco(tmp_path, text)
    assert says(
        error.value.message, "data.root", "train.json", "annotations[1]" if len(digits) < 500 else "not valid JSON"
    )
    assert len(error.value.message) < 500 + len(str(tmp_path))


def test_a_size_of_many_digits_is_no_size(tmp_path: Path) -> None:
    huge = Picture([(4, 3, 20, 18)], declared=(10**400, 50))
    splits = open_boxed("coco-detection", tmp_path, [huge])
    assert samples(splits.train)[0].target.boxes.tolist() == [[4.0, 3.0, 24.0, 21.0]] == [list(map(float, SOUND))]
    assert splits.findings[0].count == 1


def test_nested_lists_without_end_are_a_mistake_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError, match=r"train\.json: it is not valid JSON: .*nested too deeply"):
        open_coco(tmp_path, NESTED)


def test_nested_lists_without_end_make_a_record_unreadable(tmp_path: Path) -> None:
    objects = json.dumps({"objects": [{"bbox": [1, 1, 3, 3], "category": "cat"}]})
    members = [
        member
        for number, text in (("1", objects), ("2", NESTED))
        for member in ((f"{number}.json", text.encode()), (f"{number}.png", picture(9)))
    ]
    for split in ("train", "val", "test"):
        write_shard(tmp_path / f"{split}.tar", members)
    sound, broken = (open_shards(tmp_path, BOXES).train[number] for number in range(2))
    assert not isinstance(sound, Unreadable)
    assert isinstance(broken, Unreadable)
    assert "nested too deeply" in broken.reason


def test_nested_lists_without_end_beside_a_satellite_image(tmp_path: Path) -> None:
    for number, category in enumerate(("airport", "zoo") * 6):
        folder = tmp_path / ("val" if number < 4 else "train") / category / f"{category}_{number}"
        folder.mkdir(parents=True)
        Image.new("RGB", (10, 12), (20 * number, 0, 0)).save(folder / f"{category}_{number}_0_rgb.jpg")
        box = {"bounding_boxes": [{"box": [2, 1, 5, 6], "category": category}]}
        (folder / f"{category}_{number}_0_rgb.json").write_text(NESTED if number == 0 else json.dumps(box))
    splits = Fmow(Fmow.Options(root=tmp_path, image_size=8, train_transforms=[{"name": "Fit", "size": 8}])).open(seed=0)
    read = [splits.test[index] for index in range(len(splits.test))]
    assert [isinstance(sample, Unreadable) for sample in read].count(True) == 1
    assert "nested too deeply" in next(sample.reason for sample in read if isinstance(sample, Unreadable))


def test_images_of_validation_annotations_come_from_the_validation_folder(tmp_path: Path) -> None:
    """Also if they are the test split, and a folder of test images has files with the same names."""
    categories = [{"id": 1, "name": "cell"}]
    for value, split in ((10, "train"), (20, "val"), (30, "test")):
        names = [f"{number}.png" for number in range(4)]
        for number, name in enumerate(names):
            (tmp_path / split).mkdir(exist_ok=True)
            Image.new("RGB", (8, 8), (value + number, 0, 0)).save(tmp_path / split / name)
        images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
        boxes = [{"image_id": number, "category_id": 1, "bbox": [1, 1, 4, 4]} for number in range(4)]
        if split != "test":
            (tmp_path / "annotations").mkdir(exist_ok=True)
            content = {"images": images, "annotations": boxes, "categories": categories}
            (tmp_path / "annotations" / f"instances_{split}2017.json").write_text(json.dumps(content))
    options = CocoDetection.Options(root=tmp_path, image_size=8, validation_fraction=0.25)
    splits = CocoDetection(options).open(seed=0)
    assert {splits.test.identity(number).name.split("/")[0] for number in range(4)} == {"val"}  # type: ignore[attr-defined]


UNLISTED = "annotations of images that the file does not list are left out"
BOXLESS = "annotations without a bbox are left out"


@pytest.mark.parametrize("number", [99, "99", "gone", 10**400], ids=["number", "digits", "name", "400 digits"])
def test_annotations_of_images_that_were_taken_out_are_left_out(number: Any, tmp_path: Path) -> None:
    # Most of the annotations, including those of a missing category.
    train = content(CATEGORIES, [1, 2], [(number, 77), (1, 9), (2, 10), (number, 9), (number, 9)], "train")
    splits = open_coco(tmp_path, train)
    assert [sample.target.classes.tolist() for sample in samples(splits.train)] == [[0], [1]]
    assert [str(finding) for finding in splits.findings] == [
        f"{UNLISTED}: 3, such as {tmp_path / 'train.json'}, annotations[0]"
    ]


def test_annotations_of_no_listed_image_are_of_another_file(tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError, match=r"annotations\[0\] refers to the image 8, which the file does not list"):
        open_coco(tmp_path, content(CATEGORIES, [1, 2], [(8, 9), (9, 9)], "train"))


@pytest.mark.parametrize("bbox", [[], None], ids=str)
def test_an_annotation_without_a_box_is_left_out(bbox: Any, tmp_path: Path) -> None:
    train = content(CATEGORIES, [1, 2], [(1, 9), (2, 10), (1, 9)], "train")
    train["annotations"][2]["bbox"] = bbox
    splits = open_coco(tmp_path, train)
    assert [len(sample.target) for sample in samples(splits.train)] == [1, 1]
    assert [str(finding) for finding in splits.findings] == [
        f"{BOXLESS}: 1, such as {tmp_path / 'train.json'}, annotations[2]"
    ]


def test_annotations_that_mostly_have_no_box_are_refused(tmp_path: Path) -> None:
    train = content(CATEGORIES, [1, 2], [(1, 9), (2, 10), (1, 9)], "train")
    for place in (0, 2):
        train["annotations"][place]["bbox"] = []
    with pytest.raises(
        ReorderKitError, match=r"train\.json: 2 of 3 annotations have no bbox, such as annotations\[0\]"
    ):
        open_coco(tmp_path, train)


@pytest.mark.parametrize(
    "given", [{}, {"train": "train/labels.json", "test": "val/labels.json"}], ids=["found", "given"]
)
def test_the_layout_of_fiftyone(given: dict[str, str], tmp_path: Path) -> None:
    """Images with the same names in a folder ``data`` next to the annotations of each split."""
    for value, split in ((10, "train"), (20, "val")):
        (tmp_path / split / "data").mkdir(parents=True)
        of_split = content(CATEGORIES, [1, 2, 3, 4], [(1, 9), (2, 10), (3, 9), (4, 10)], "")
        (tmp_path / split / "labels.json").write_text(json.dumps(of_split))
        for number in range(4):
            Image.new("RGB", (10, 12), (value + number, 0, 0)).save(tmp_path / split / "data" / f"{number}.png")
    options = CocoDetection.Options(root=tmp_path, image_size=12, validation_fraction=0.25, **given)
    splits = CocoDetection(options).open(seed=0)
    names = [splits.test.identity(number).name for number in range(len(splits.test))]  # type: ignore[attr-defined]
    assert names == [f"val/data/{number}.png" for number in range(4)]
    assert len(splits.train) + len(splits.validation) == 4


def test_labels_without_a_folder_of_data_beside_them_are_not_looked_for(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "labels.json").write_text("{}")
    assert len(open_coco(tmp_path, content(CATEGORIES, [1], [(1, 9)], "train")).train) == 1


def test_a_full_path_into_a_folder_of_this_machine_is_of_no_other_machine(tmp_path: Path) -> None:
    train = content(CATEGORIES, [1, 2], [(1, 9), (2, 10)], "train")
    train["images"][1]["file_name"] = f"{tmp_path}/gone.png"
    with pytest.raises(ReorderKitError, match=r"images that do not exist: .*gone\.png") as error:
        open_coco(tmp_path, train)
    assert "another machine" not in str(error.value.hint)
