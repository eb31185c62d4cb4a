"""The data source coco-detection: layouts, unusual boxes, and invalid files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

import reorder_kit
from reorder_kit.data import image_file as _image_file
from reorder_kit.data_sources.coco_detection import CocoDetection
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import BOXES, MULTI_LABEL, DataSplits, Finding, Sample, SampleSet, TargetKind, Unreadable

REPOSITORY = Path(reorder_kit.__file__).parents[1]
CATEGORIES = [{"id": 9, "name": "dog"}, {"id": 4, "name": "cat"}]


def write_images(folder: Path, count: int, first: int = 0, size: tuple[int, int] = (12, 10)) -> list[dict[str, Any]]:
    """Noise of a height and a width."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(first)
    images = []
    for number in range(first, first + count):
        pixels = noise.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.jpg")
        images.append({"id": number, "file_name": f"{number}.jpg", "width": size[1], "height": size[0]})
    return images


def objects(images: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A cat and a dog in every image."""
    return [
        {"id": 10 * image["id"] + place, "image_id": image["id"], "category_id": category, "bbox": [1, 2, 5, 4]}
        for image in images
        for place, category in enumerate((4, 9))
    ]


def write_json(path: Path, images: list[dict[str, Any]], annotations: list[dict[str, Any]] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = objects(images) if annotations is None else annotations
    path.write_text(json.dumps({"images": images, "annotations": made, "categories": CATEGORIES}))


def open_coco(root: Path, kind: TargetKind = BOXES, **options: Any) -> DataSplits:
    given = {"root": root, "image_size": 12, "train_transforms": [], **options}
    return CocoDetection(CocoDetection.Options(**given), kind).open(seed=0)


def samples(split: SampleSet) -> list[Sample]:
    found = [split[index] for index in range(len(split))]
    assert all(isinstance(sample, Sample) for sample in found)
    return [sample for sample in found if isinstance(sample, Sample)]


def sizes(splits: DataSplits) -> tuple[int, int, int]:
    return len(splits.train), len(splits.validation), len(splits.test)


@pytest.fixture
def three_files(tmp_path: Path) -> Path:
    for place, split in enumerate(("train", "val", "test")):
        write_json(tmp_path / f"{split}.json", write_images(tmp_path / "images", 3 - place, 10 * place))
    return tmp_path


def test_a_file_for_each_split(three_files: Path) -> None:
    splits = open_coco(three_files)
    assert sizes(splits) == (3, 2, 1)
    # By id, not by position in the file.
    assert splits.classes == ["cat", "dog"]
    target = samples(splits.train)[0].target
    assert target.boxes.tolist() == [[1, 2, 6, 6]] * 2
    assert target.classes.tolist() == [0, 1]


def test_the_layout_of_coco_has_no_test_so_val_is_that(tmp_path: Path) -> None:
    for year_split, count, first in (("train2017", 20, 0), ("val2017", 4, 50)):
        images = write_images(tmp_path / year_split, count, first)
        write_json(tmp_path / "annotations" / f"instances_{year_split}.json", images)
    assert sizes(open_coco(tmp_path)) == (18, 2, 4)
    assert sizes(open_coco(tmp_path, validation="annotations/instances_val2017.json")) == (16, 4, 4)


def test_the_layout_of_roboflow(tmp_path: Path) -> None:
    for split, first in (("train", 0), ("valid", 10), ("test", 20)):
        write_json(tmp_path / split / "_annotations.coco.json", write_images(tmp_path / split, 2, first))
    assert sizes(open_coco(tmp_path)) == (2, 2, 2)


def test_files_and_images_may_be_named(tmp_path: Path) -> None:
    write_json(tmp_path / "labels" / "mine.json", write_images(tmp_path / "pictures", 10))
    splits = open_coco(tmp_path, train="labels/mine.json", images="pictures")
    assert sizes(splits) == (7, 1, 2)
    assert sum(sizes(splits)) == 10


@pytest.mark.parametrize("seed", range(12, 20))
def test_no_class_loses_its_last_training_image_to_another_split(tmp_path: Path, seed: int) -> None:
    # Half of the images with ants and half of those with bees are set aside; by even chance those are the ones with
    # cats. A crowd of cats, which is not learned, is in all the others.
    images = write_images(tmp_path / "images", 10)
    ants, bees, cats, dogs = (
        [{"image_id": image, "category_id": category, "bbox": [1, 2, 5, 4]} for image in of_images]
        for category, of_images in enumerate(((0, 1), (2, 3), (1, 3), range(4, 10)), start=1)
    )
    crowds = [{**dog, "category_id": 3, "iscrowd": 1} for dog in dogs]
    categories = [{"id": number, "name": name} for number, name in enumerate(("ant", "bee", "cat", "dog"), start=1)]
    content = {"images": images, "annotations": [*ants, *bees, *cats, *dogs, *crowds], "categories": categories}
    (tmp_path / "train.json").write_text(json.dumps(content))
    splits = open_coco(tmp_path, split_seed=seed, test_fraction=0.5, validation_fraction=0.1)
    learned = [sample.target.classes[~sample.target.crowd].tolist() for sample in samples(splits.train)]
    assert {number for of_image in learned for number in of_image} == {0, 1, 2, 3}


def test_unusual_boxes(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 6)
    boxes = [
        {"image_id": 0, "category_id": 4, "bbox": [0, 0, 10, 12]},
        {"image_id": 0, "category_id": 9, "bbox": [-3, 8, 100, 100]},
        {"image_id": 0, "category_id": 9, "bbox": [9, 11, 1, 1]},
        {"image_id": 0, "category_id": 9, "bbox": [40, 2, 5, 5]},
        {"image_id": 0, "category_id": 4, "bbox": [2, 2, 3, 3], "iscrowd": 1},
        {"image_id": 1, "category_id": 4, "bbox": [2, 2, 0, 3], "id": 77},
        {"image_id": 1, "category_id": 4, "bbox": [2, 2, 4, -1], "id": 78},
        *({"image_id": image, "category_id": 4, "bbox": [2, 2, 4, 1]} for image in (2, 3, 4, 5)),
    ]
    write_json(tmp_path / "train.json", images[:4], boxes[:-2])
    write_json(tmp_path / "val.json", images[4:5], boxes[-2:-1])
    write_json(tmp_path / "test.json", images[5:], boxes[-1:])
    splits = open_coco(tmp_path)
    example = f"{tmp_path / 'train.json'}, annotation 77"
    assert splits.findings == (Finding("boxes without width or height are left out", 2, example),)
    first, second, *_ = samples(splits.train)
    # At the border, across it, of one pixel, beyond it and so lost, and a crowd.
    assert first.target.boxes.tolist() == [[0, 0, 10, 12], [0, 8, 10, 12], [9, 11, 10, 12], [2, 2, 5, 5]]
    assert first.target.classes.tolist() == [0, 1, 1, 0]
    assert first.target.crowd.tolist() == [False, False, False, True]
    # Twelve rows fill the height, ten columns leave two of padding.
    assert first.content == (12, 10)
    assert len(second.target) == 0


def test_labels_say_which_classes_have_a_box(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 4)
    crowd = {"image_id": 0, "category_id": 9, "bbox": [2, 2, 3, 3], "iscrowd": 1}
    cats = [{"image_id": image, "category_id": 4, "bbox": [2, 2, 3, 3]} for image in (0, 0, 2, 3)]
    write_json(tmp_path / "train.json", images[:2], [crowd, *cats[:2]])
    write_json(tmp_path / "val.json", images[2:3], cats[2:3])
    write_json(tmp_path / "test.json", images[3:], cats[3:])
    splits = open_coco(tmp_path, MULTI_LABEL)
    assert splits.classes == ["cat", "dog"]
    assert [sample.target.tolist() for sample in samples(splits.train)] == [[1, 1], [0, 0]]


def test_a_truncated_image_is_unreadable_and_the_others_are_not(three_files: Path) -> None:
    image = three_files / "images" / "1.jpg"
    image.write_bytes(image.read_bytes()[:300])
    train = open_coco(three_files).train
    broken = train[1]
    assert isinstance(broken, Unreadable)
    assert broken.path == str(image)
    assert isinstance(train[0], Sample)


def change(key: str, **values: Any) -> Callable[[dict[str, Any]], None]:
    """Replace the last entry of a list."""

    def apply(content: dict[str, Any]) -> None:
        content[key][-1] |= values

    return apply


def remove(key: str, field: str) -> Callable[[dict[str, Any]], None]:
    def apply(content: dict[str, Any]) -> None:
        del content[key][-1][field]

    return apply


def empty(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.update({key: []})


# Annotation 21 is the last of train.json, a dog in image 2.
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (change("annotations", category_id=5), "annotation 21 has the category 5, which is not one of 4, 9"),
        (change("annotations", bbox=[1, 2, 3]), r"annotation 21 has the bbox \[1, 2, 3\]"),
        (change("annotations", bbox=[1, 2, 3, None]), "annotation 21 has the bbox"),
        (change("annotations", bbox=[1, 2, 3, float("nan")]), "annotation 21 has the bbox"),
        (remove("annotations", "bbox"), "annotation 21 has the bbox None"),
        (remove("annotations", "image_id"), "annotation 21 refers to the image None"),
        (change("images", id=0), "the image id 0 appears twice"),
        (remove("images", "file_name"), r"images\[2\] has no file_name"),
        (change("images", id=2.5), r"images\[2\] has no id that is a whole number"),
        (change("categories", id=9), "the category id 9 appears twice"),
        (change("categories", name="dog"), "the category name 'dog' appears twice"),
        (empty("images"), "it lists no image"),
        (empty("categories"), "it has no category"),
        (lambda content: content.pop("annotations"), "it has no list 'annotations'"),
        (change("images", file_name="gone.jpg"), "names images that do not exist: .*gone.jpg"),
        (change("images", file_name="1.jpg"), "the image .*1.jpg is listed twice"),
    ],
)
def test_a_file_with_a_mistake_is_refused(three_files: Path, spoil: Callable[[Any], None], message: str) -> None:
    path = three_files / "train.json"
    content = json.loads(path.read_text())
    spoil(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ReorderKitError, match=message) as error:
        open_coco(three_files)
    assert str(error.value).startswith("data.root: ")
    if "listed twice" not in message:
        assert str(path) in error.value.message


def test_a_mistake_in_a_file_that_the_recipe_names_is_told_by_its_field(three_files: Path) -> None:
    path = three_files / "val.json"
    path.write_text(path.read_text()[:-40])
    with pytest.raises(ReorderKitError, match=r"data\.validation: .*val\.json: it is not valid JSON"):
        open_coco(three_files, validation="val.json")
    with pytest.raises(ReorderKitError, match=r"data\.test: .*none\.json: it cannot be read: No such file"):
        open_coco(three_files, validation="test.json", test="none.json")


def test_other_categories_in_another_split_are_refused(three_files: Path) -> None:
    path = three_files / "test.json"
    content = json.loads(path.read_text())
    content["categories"].append({"id": 5, "name": "eel"})
    path.write_text(json.dumps(content))
    with pytest.raises(ReorderKitError, match=r"test\.json has the category 5, 'eel'; .*train\.json lacks it"):
        open_coco(three_files)
    content["categories"][-1] = {"id": 4, "name": "Cat"}
    content["categories"].pop(1)
    path.write_text(json.dumps(content))
    with pytest.raises(ReorderKitError, match=r"test\.json has the category 4, 'Cat'; .*train\.json has 'cat'"):
        open_coco(three_files)


def test_what_is_not_there_or_not_clear_is_refused(three_files: Path) -> None:
    with pytest.raises(ReorderKitError, match=r"data\.root: the folder .* does not exist"):
        open_coco(three_files / "nowhere")
    with pytest.raises(ReorderKitError, match=r"has no annotations for training; looked for annotations/instances_"):
        open_coco(three_files / "images")
    with pytest.raises(ReorderKitError, match=r"names the image 0\.jpg, which was not found; looked in .*elsewhere"):
        open_coco(three_files, images="elsewhere")
    (three_files / "annotations").mkdir()
    for year in (2014, 2017):
        (three_files / "annotations" / f"instances_train{year}.json").write_text("{}")
    with pytest.raises(ReorderKitError, match=r"several files for train, .*train2014\.json and .*train2017\.json and"):
        open_coco(three_files)


def test_a_split_without_objects_is_refused(three_files: Path) -> None:
    content = json.loads((three_files / "test.json").read_text())
    for annotation in content["annotations"]:
        annotation["iscrowd"] = 1
    (three_files / "test.json").write_text(json.dumps(content))
    with pytest.raises(ReorderKitError, match=r"none of the 1 test images of .* has an object with a box"):
        open_coco(three_files)


def test_options_are_checked_without_data() -> None:
    with pytest.raises(ValidationError, match="test_fraction"):
        CocoDetection.Options(root="somewhere", test_fraction=1.0)
    with pytest.raises(ValidationError, match="root"):
        CocoDetection.Options()


def test_real_photographs() -> None:
    root = REPOSITORY.parent / "shared" / "data" / "aquarium"
    if not root.is_dir():
        pytest.skip("shared/data/aquarium, which holds real photographs, is not beside the repository")
    splits = CocoDetection(CocoDetection.Options(root=root, image_size=128, train_transforms=[])).open(seed=0)
    assert sizes(splits) == (448, 127, 63)
    assert splits.classes == ["fish", "jellyfish", "penguin", "puffin", "shark", "starfish", "stingray"]
    sample = splits.train[0]
    assert isinstance(sample, Sample)
    # 336x448 pixels scaled by 2/7: the first box of the file is [34.78, 195.56, 114.19, 65.62].
    assert sample.content == (128, 96)
    first = torch.tensor([34.78, 195.56, 34.78 + 114.19, 195.56 + 65.62]) * 2 / 7
    torch.testing.assert_close(sample.target.boxes[0], first)


def test_a_file_named_for_the_test_is_not_validation_too(tmp_path: Path) -> None:
    write_json(tmp_path / "train.json", write_images(tmp_path / "images", 20))
    write_json(tmp_path / "val.json", write_images(tmp_path / "images", 4, 50))
    assert sizes(open_coco(tmp_path, test="val.json")) == (18, 2, 4)


def test_a_category_without_objects_that_has_the_name_of_another_is_none(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 10)
    group = [{"id": 0, "name": "dog", "supercategory": "none"}, *CATEGORIES]
    content = {"images": images, "annotations": objects(images), "categories": group}
    (tmp_path / "train.json").write_text(json.dumps(content))
    splits = open_coco(tmp_path)
    assert splits.classes == ["cat", "dog"]
    assert samples(splits.train)[0].target.classes.tolist() == [0, 1]


def test_an_image_that_is_a_list_is_named(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 10)
    write_json(tmp_path / "train.json", images, [{"id": 3, "image_id": [0], "category_id": 4, "bbox": [1, 2, 5, 4]}])
    with pytest.raises(ReorderKitError, match=r"annotation 3 refers to the image \[0\], which the file does not list"):
        open_coco(tmp_path)


def test_transforms_that_cannot_move_boxes_are_found_at_once(three_files: Path) -> None:
    with pytest.raises(ReorderKitError, match=r"data\.train_transforms: \[RandAugment\(\)\] fails"):
        open_coco(three_files, train_transforms=["RandAugment"])


def test_the_search_for_an_image_that_can_be_read_has_an_end(
    three_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_image_file, "TRIED", 2)
    for number in (0, 1):
        (three_files / "images" / f"{number}.jpg").write_bytes(b"")
    with pytest.raises(ReorderKitError, match=r"none of the first 2 training images can be used; .*0\.jpg"):
        open_coco(three_files)
