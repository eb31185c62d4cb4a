"""Common folder and split names, and roots one level too high or too low."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from input_folders import CLASS_FOLDERS, FOLDERS, NAMING, Folders, all_names, found, names, plain, save_image
from reorder_kit.data_sources.coco_detection import CocoDetection
from reorder_kit.data_sources.multi_label_csv import MultiLabelCsv
from reorder_kit.errors import ReorderKitError

ALL = pytest.mark.parametrize("folders", [pytest.param(each, id=name) for name, each in FOLDERS.items()])
OF_CLASSES = pytest.mark.parametrize("folders", [pytest.param(each, id=name) for name, each in CLASS_FOLDERS.items()])
WITHOUT_SPLITS = pytest.mark.parametrize(
    "folders", [pytest.param(each, id=name) for name, each in FOLDERS.items() if not each.has_splits]
)
ROOT_OF_CLASSES = pytest.mark.parametrize(
    "folders", [pytest.param(each, id=name) for name, each in CLASS_FOLDERS.items() if not each.has_splits]
)


@ALL
@pytest.mark.parametrize(
    ("train", "val"),
    [("TRAIN", "Valid"), ("training", "validation"), ("Training", "dev")],
)
def test_splits_go_by_several_names_in_any_letter_case(tmp_path: Path, folders: Folders, train: str, val: str) -> None:
    folders.fill(tmp_path, train, range(12))
    folders.fill(tmp_path, val, range(40, 44))
    splits = folders.open(tmp_path)
    assert len(splits.test) == 4
    assert len(splits.train) + len(splits.validation) == 12
    assert len(splits.classes) == 2


@WITHOUT_SPLITS
@pytest.mark.parametrize("test", ["Test", "TESTING"])
def test_the_test_split_goes_by_several_names(tmp_path: Path, folders: Folders, test: str) -> None:
    folders.fill_splits(tmp_path)
    folders.fill(tmp_path, test, [50, 51])
    splits = folders.open(tmp_path)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (12, 4, 2)


@ALL
def test_two_folders_for_one_split_are_refused(tmp_path: Path, folders: Folders) -> None:
    folders.fill_splits(tmp_path)
    folders.fill(tmp_path, "Training", [50, 51])
    with pytest.raises(ReorderKitError, match="two names for train, 'Training' and 'train'"):
        folders.open(tmp_path)


@WITHOUT_SPLITS
def test_folders_that_look_like_splits_are_no_classes(tmp_path: Path, folders: Folders) -> None:
    folders.fill(tmp_path, "training_set", range(12))
    folders.fill(tmp_path, "test_set", range(40, 44))
    with pytest.raises(ReorderKitError, match="look like splits: test_set, training_set") as caught:
        folders.open(tmp_path)
    assert "train, val and test" in (caught.value.hint or "")


@ROOT_OF_CLASSES
def test_a_class_may_have_the_name_of_a_split_in_it(tmp_path: Path, folders: Folders) -> None:
    for number, name in enumerate(("train_station", "test_tube", "cat", "dog", "eel")):
        for value in range(4):
            folders.add(tmp_path, "", name, 10 * number + value)
    assert len(folders.open(tmp_path).classes) == 5


@ROOT_OF_CLASSES
@pytest.mark.parametrize("above", ["photos", "photos/more"])
def test_a_root_one_folder_too_high_is_refused(tmp_path: Path, folders: Folders, above: str) -> None:
    folders.fill(tmp_path / above, "", range(12))
    with pytest.raises(ReorderKitError, match="has a single class, 'photos'") as caught:
        folders.open(tmp_path)
    assert f"data.root={tmp_path / 'photos'}" in (caught.value.hint or "")


@ROOT_OF_CLASSES
def test_a_root_above_the_folder_of_the_splits_is_refused(tmp_path: Path, folders: Folders) -> None:
    folders.fill_splits(tmp_path / "photos")
    (tmp_path / "__MACOSX" / "photos").mkdir(parents=True)
    with pytest.raises(ReorderKitError, match="has a single class, 'photos'") as caught:
        folders.open(tmp_path)
    assert f"data.root={tmp_path / 'photos'}" in (caught.value.hint or "")


@ROOT_OF_CLASSES
def test_a_root_above_several_data_sets_is_refused(tmp_path: Path, folders: Folders) -> None:
    for name in ("spring", "winter"):
        folders.fill_splits(tmp_path / name)
    with pytest.raises(ReorderKitError, match=r"class folder .*spring has folders of splits, train, val") as caught:
        folders.open(tmp_path)
    assert f"data.root={tmp_path / 'spring'}" in (caught.value.hint or "")


@ROOT_OF_CLASSES
def test_a_root_one_folder_too_low_is_refused(tmp_path: Path, folders: Folders) -> None:
    folders.fill(tmp_path, "", range(12))
    with pytest.raises(
        ReorderKitError, match=r"no classes found in .*cat: its images are not in class folders"
    ) as caught:
        folders.open(tmp_path / "cat")
    assert str(tmp_path) in (caught.value.hint or "")


@ROOT_OF_CLASSES
def test_a_root_that_is_one_of_several_splits_is_reported(tmp_path: Path, folders: Folders) -> None:
    folders.fill_splits(tmp_path)
    assert found(folders.open(tmp_path / "train")) == {"split folders next to the given one are not read": (1, "val")}


@OF_CLASSES
def test_a_single_class_is_refused(tmp_path: Path, folders: Folders) -> None:
    for split, count in (("train", 20), ("val", 4)):
        for value in range(count):
            folders.add(tmp_path, split, "cat", value)
    with pytest.raises(ReorderKitError, match=r"train has a single class, 'cat'"):
        folders.open(tmp_path)


@WITHOUT_SPLITS
def test_folders_beside_the_splits_are_reported(tmp_path: Path, folders: Folders) -> None:
    folders.fill_splits(tmp_path)
    folders.fill(tmp_path, "unlabelled", [50])
    folders.fill(tmp_path, "extra", [51])
    splits = folders.open(tmp_path)
    assert found(splits) == {"folders other than splits are left out": (2, "extra")}
    assert len(all_names(splits)) == 16


@OF_CLASSES
def test_images_beside_the_class_folders_are_reported(tmp_path: Path, folders: Folders) -> None:
    folders.fill_splits(tmp_path)
    save_image(tmp_path / "train" / "loose.jpg")
    assert found(folders.open(tmp_path)) == {"images outside class folders are left out": (1, "train/loose.jpg")}


@ROOT_OF_CLASSES
def test_the_sequence_of_files_is_that_of_torchvision(tmp_path: Path, folders: Folders) -> None:
    from torchvision.datasets.folder import IMG_EXTENSIONS, make_dataset

    for place in ("cat/b", "cat/a", "cat/a/z", "cat/a-1", "cat/A", "cat", "dog", "Bee/x y", "Bee"):
        for name in ("10", "9", "B", "b"):
            save_image(tmp_path / "train" / place / f"{len(place)}{place.replace('/', '_')}-{name}.png")
    for split in ("val", "test"):
        save_image(tmp_path / split / "cat" / f"{split}.png")
    expected = make_dataset(
        str(tmp_path / "train"), {"Bee": 0, "cat": 1, "dog": 2}, extensions=IMG_EXTENSIONS, allow_empty=True
    )
    paths = [Path(path).relative_to(tmp_path).as_posix() for path, _ in expected]
    given = names(folders.open(tmp_path).train)
    # Images with several labels are sorted by the path after the class folder.
    by_name = sorted(paths, key=lambda path: path.split("/", 2)[2])
    assert given == (by_name if folders is FOLDERS["multi-label-folder"] else paths)


@pytest.mark.parametrize("spelled", ["Train", "TRAINING"])
@pytest.mark.parametrize("name", ["multi-label-csv", "segmentation-folder"])
def test_the_column_of_splits_takes_several_names(tmp_path: Path, name: str, spelled: str) -> None:
    naming = NAMING[name]
    given = [f"{value}.png" for value in range(4)]
    for value, each in enumerate(given):
        save_image(tmp_path / naming.folder / each, value)
    naming.write(tmp_path, given)
    table = next(tmp_path.glob("*.csv"))
    text = table.read_text().replace(",train", f",{spelled}").replace(",val", ", Dev").replace(",test", ",Testing")
    table.write_text(text)
    splits = naming.open(tmp_path)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (2, 1, 1)


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("Train.json", "Valid.json", "TEST.json"),
        ("training.json", "dev.json", "testing.json"),
        ("annotations/Instances_Train2017.json", "annotations/instances_VAL.JSON", "annotations/test.json"),
        ("Train/_annotations.coco.json", "Valid/_annotations.coco.json", "Test/_annotations.coco.json"),
    ],
)
def test_annotations_of_coco_go_by_several_names(tmp_path: Path, train: str, val: str, test: str) -> None:
    content: dict[str, Any] = {"categories": [{"id": 1, "name": "cat"}]}
    for name, numbers in ((train, range(3)), (val, [3]), (test, [4])):
        images = [{"id": number, "file_name": f"{number}.png", "width": 4, "height": 4} for number in numbers]
        boxes = [{"id": number, "image_id": number, "category_id": 1, "bbox": [0, 0, 2, 2]} for number in numbers]
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps({**content, "images": images, "annotations": boxes}))
        for number in numbers:
            save_image(tmp_path / "images" / f"{number}.png", number)
    splits = plain(CocoDetection, tmp_path).open(seed=0)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (3, 1, 1)


def test_annotations_of_one_split_in_two_spellings_are_refused(tmp_path: Path) -> None:
    for name in ("train.json", "training.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ReorderKitError, match=r"several files for train, train\.json and training\.json"):
        plain(CocoDetection, tmp_path).open(seed=0)


def test_lists_of_voc_go_by_several_names(tmp_path: Path) -> None:
    for value in range(4):
        save_image(tmp_path / "JPEGImages" / f"{value}.jpg", value)
    NAMING["voc"].write(tmp_path, [f"{value}.jpg" for value in range(4)])
    lists = tmp_path / "ImageSets" / "Main"
    for name, other in (("train", "Training"), ("val", "VALID"), ("test", "Test")):
        (lists / f"{name}.txt").rename(lists / f"{other}.txt")
    splits = NAMING["voc"].open(tmp_path)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (2, 1, 1)
    (lists / "validation.txt").write_text("3")
    with pytest.raises(ReorderKitError, match="two names for validation, 'VALID' and 'validation'"):
        NAMING["voc"].open(tmp_path)


def test_splits_of_hugging_face_go_by_several_names(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="the extra hf is not installed")
    from hf_tables import save, table
    from reorder_kit.data_sources.hf import HuggingFace

    label = datasets.ClassLabel(names=["dog", "cat"])
    parts = {name: table({"label": [0, 1]}, label=label) for name in ("Training", "Valid", "TEST")}
    saved = save(tmp_path / "three", **parts)
    options = {"image_size": 8, "train_transforms": ()}
    splits = HuggingFace(HuggingFace.Options(dataset=saved, **options)).open(seed=0)
    assert [len(split) for split in (splits.train, splits.validation, splits.test)] == [2, 2, 2]
    saved = save(tmp_path / "four", **parts, dev=parts["Valid"])
    with pytest.raises(ReorderKitError, match="two names for validation, 'Valid' and 'dev'"):
        HuggingFace(HuggingFace.Options(dataset=saved, **options)).open(seed=0)
    chosen = HuggingFace(HuggingFace.Options(dataset=saved, validation="dev", **options)).open(seed=0)
    assert len(chosen.validation) == 2


def test_a_table_of_one_class_is_read(tmp_path: Path) -> None:
    """A single class is a yes-no question; here an image may have no class, which class folders cannot express."""
    lines = [f"{value}.png,{value % 2}" for value in range(20)]
    for value in range(20):
        save_image(tmp_path / f"{value}.png", value)
    (tmp_path / "labels.csv").write_text("\n".join(["path,cat", *lines]))
    assert list(plain(MultiLabelCsv, tmp_path).open(seed=0).classes) == ["cat"]
