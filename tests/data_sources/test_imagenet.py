"""ImageNet's folders: both layouts, class names, and possible errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reorder_kit.data_sources.imagenet import BELOW_THE_DOWNLOAD, ImageNet
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import DataSplits, ImageShape, Sample, SampleSet

FISH, BIRD = "n01440764", "n02012849"


def save(path: Path, value: int) -> None:
    """One plain color, by which the tests know the image again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 10), (value, value, value)).save(path, "PNG")


def fill_train(folder: Path) -> None:
    for number in range(10):
        save(folder / "train" / FISH / f"{FISH}_{number}.JPEG", number)
        save(folder / "train" / BIRD / f"{BIRD}_{number}.JPEG", 100 + number)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    fill_train(tmp_path)
    save(tmp_path / "val" / FISH / "ILSVRC2012_val_00000001.JPEG", 50)
    save(tmp_path / "val" / BIRD / "ILSVRC2012_val_00000002.JPEG", 150)
    return tmp_path


@pytest.fixture
def kaggle(tmp_path: Path) -> Path:
    fill_train(tmp_path / BELOW_THE_DOWNLOAD)
    for number, value in ((1, 150), (2, 50), (3, 250)):
        save(tmp_path / BELOW_THE_DOWNLOAD / "val" / f"ILSVRC2012_val_0000000{number}.JPEG", value)
    (tmp_path / "LOC_val_solution.csv").write_text(
        "ImageId,PredictionString\n"
        f"ILSVRC2012_val_00000002,{FISH} 1 2 3 4 {FISH} 2 2 3 3 \n"
        f"ILSVRC2012_val_00000001,{BIRD} 1 2 3 4 \n"
        "ILSVRC2012_val_00000003,n09999999 1 2 3 4 \n"
    )
    return tmp_path


def open_imagenet(root: Path, **options: Any) -> DataSplits:
    return ImageNet(ImageNet.Options(**{"root": root, "image_size": 8, **options})).open(seed=0)


def content(split: SampleSet) -> Sequence[tuple[int, int]]:
    """(color, class) of every image; red is normalized with ImageNet's mean 0.485 and deviation 0.229."""
    found = [split[number] for number in range(len(split))]
    assert all(isinstance(sample, Sample) for sample in found)
    return [(round((sample[0][0, 0, 0].item() * 0.229 + 0.485) * 255), sample[1]) for sample in found]


@pytest.mark.parametrize("layout", ["folders", "kaggle"])
def test_both_layouts_give_the_same(layout: str, request: pytest.FixtureRequest) -> None:
    splits = open_imagenet(request.getfixturevalue(layout), validation_fraction=0.2)
    assert splits.classes == [FISH, BIRD]
    assert splits.image == ImageShape(3, 8, 8)
    assert sorted(content(splits.test)) == [(50, 0), (150, 1)]
    assert [target for _, target in content(splits.validation)] == [0, 0, 1, 1]
    everything = sorted([*content(splits.train), *content(splits.validation)])
    assert everything == [(n, 0) for n in range(10)] + [(100 + n, 1) for n in range(10)]


@pytest.mark.parametrize("layout", ["folders", "kaggle"])
def test_a_part_of_the_classes_is_read(layout: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(layout)
    if layout == "folders":
        save(root / "val" / "n09999999" / "ILSVRC2012_val_00000003.JPEG", 250)
    splits = open_imagenet(root)
    assert splits.classes == [FISH, BIRD]
    assert sorted(content(splits.test)) == [(50, 0), (150, 1)]
    example = "val/n09999999" if layout == "folders" else "ILSVRC2012_val_00000003"
    assert [(found.count, found.example) for found in splits.findings] == [(1, example)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("LOC_synset_mapping.txt", f"{FISH} tench, Tinca tinca\n{BIRD} crane\nn03126707 crane\n"),
        ("words.txt", f"{FISH}\ttench, Tinca tinca\n{BIRD}\tcrane\n"),
    ],
)
def test_classes_get_their_names(folders: Path, name: str, text: str) -> None:
    (folders / name).write_text(text)
    assert open_imagenet(folders).classes == [f"{FISH} tench", f"{BIRD} crane"]


def test_names_that_are_no_text_are_refused(folders: Path) -> None:
    (folders / "words.txt").write_bytes(b"n01440764\ttench\xff\n")
    with pytest.raises(ReorderKitError, match=r"data\.root: the class names in .*words\.txt cannot be read"):
        open_imagenet(folders)


def test_a_class_without_a_name_keeps_its_number(folders: Path) -> None:
    (folders / "words.txt").write_text(f"{BIRD}\tcrane\n\n")
    assert open_imagenet(folders).classes == [FISH, f"{BIRD} crane"]


def test_images_have_224_pixels_unless_told_otherwise(folders: Path) -> None:
    splits = ImageNet(ImageNet.Options(root=folders)).open(seed=0)
    assert splits.image == ImageShape(3, 224, 224)
    assert splits.test[0][0].shape == (3, 224, 224)


@pytest.mark.parametrize("split", ["train", "val"])
def test_both_folders_are_needed(folders: Path, split: str) -> None:
    (folders / split).rename(folders / "elsewhere")
    with pytest.raises(ReorderKitError, match=rf"data\.root: the folder .*{split} does not exist") as caught:
        open_imagenet(folders)
    assert "data.name=torchvision" in (caught.value.hint or "")


def test_loose_validation_images_need_the_table_of_their_classes(kaggle: Path) -> None:
    (kaggle / "LOC_val_solution.csv").unlink()
    with pytest.raises(ReorderKitError, match=r"are not in class folders, and .*LOC_val_solution\.csv does not exist"):
        open_imagenet(kaggle)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "ImageId,PredictionString\nILSVRC2012_val_00000001,\n",
            r"LOC_val_solution\.csv, line 2: ImageId or PredictionString is missing",
        ),
        (
            "ImageId,PredictionString\n\n,n1 1\n",
            r"LOC_val_solution\.csv, line 3: ImageId or PredictionString is missing",
        ),
        ("image,wnid\na,b\n", r"data\.root: .*LOC_val_solution\.csv has no column 'ImageId' in its first line"),
        ("", r"data\.root: .*LOC_val_solution\.csv has no column 'ImageId' in its first line"),
        (
            "ImageId,PredictionString\nILSVRC2012_val_00000001,\xff\n",
            r"LOC_val_solution\.csv is not a CSV table in UTF-8",
        ),
        ("ImageId,PredictionString\na,n09999999 1 2 3 4\n", "lists no image of a class in train"),
    ],
)
def test_a_table_that_says_nothing_is_refused(kaggle: Path, table: str, message: str) -> None:
    (kaggle / "LOC_val_solution.csv").write_text(table, encoding="latin-1")
    with pytest.raises(ReorderKitError, match=message):
        open_imagenet(kaggle)


def test_a_hidden_folder_beside_loose_validation_images_is_no_class(kaggle: Path) -> None:
    before = len(open_imagenet(kaggle).test)
    (kaggle / "ILSVRC" / "Data" / "CLS-LOC" / "val" / ".cache").mkdir()
    assert len(open_imagenet(kaggle).test) == before
