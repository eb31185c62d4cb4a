"""Names with which one file refers to another: Unicode forms, slashes, extensions, and overlong names."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pydantic
import pytest
from typer.testing import CliRunner

from input_folders import FOLDERS, NAMING, Naming, all_names, found, names, read_all, save_image
from reorder_kit.cli.main import app
from reorder_kit.data_sources.coco_detection import CocoDetection
from reorder_kit.data_sources.fmow import Fmow
from reorder_kit.data_sources.image_folder import ImageFolder
from reorder_kit.data_sources.imagenet import ImageNet
from reorder_kit.data_sources.multi_label_csv import MultiLabelCsv
from reorder_kit.data_sources.multi_label_folder import MultiLabelFolder
from reorder_kit.data_sources.segmentation_folder import SegmentationFolder
from reorder_kit.data_sources.voc import Voc
from reorder_kit.data_sources.webdataset import WebDataset
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import DataSource, Sample

ALL = pytest.mark.parametrize("naming", [pytest.param(each, id=name) for name, each in NAMING.items()])
RESPELLED = "names are matched to differently spelled files (Unicode form, slashes, case of the extension)"
ONE, TWO = "caf\u00e9", "cafe\u0301"  # NFC and NFD of one word


def is_told_apart(folder: Path) -> bool:
    """Whether this file system distinguishes both forms of a name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ONE).touch()
    is_one = (folder / TWO).exists()
    (folder / ONE).unlink()
    return not is_one


def make(root: Path, naming: Naming, on_disk: list[str], given: list[str]) -> None:
    """Files, and files that name them."""
    for value, name in enumerate(on_disk):
        save_image(root / naming.folder / name, value)
    naming.write(root, given)


def matched(naming: Naming, root: Path, on_disk: str) -> None:
    """The first image is found, counted once, and can be read with the others."""
    splits = naming.open(root)
    assert f"{naming.folder}/{on_disk}" in all_names(splits)
    assert len(all_names(splits)) == 4
    assert found(splits)[RESPELLED][0] in (1, 2)  # of voc the annotation is matched, too
    read_all(splits)


REST = ["1.jpg", "2.jpg", "3.jpg"]


@ALL
@pytest.mark.parametrize(("on_disk", "given"), [(ONE, TWO), (TWO, ONE)], ids=["NFC on disk", "NFD on disk"])
def test_names_of_another_unicode_form_are_matched(tmp_path: Path, naming: Naming, on_disk: str, given: str) -> None:
    make(tmp_path, naming, [f"{on_disk}.jpg", *REST], [f"{given}.jpg", *REST])
    if not is_told_apart(tmp_path / "form"):
        pytest.skip("this file system takes both forms for one")
    matched(naming, tmp_path, f"{on_disk}.jpg")


@ALL
def test_folders_of_another_unicode_form_are_matched(tmp_path: Path, naming: Naming) -> None:
    if not is_told_apart(tmp_path / "form"):
        pytest.skip("this file system takes both forms for one")
    make(tmp_path, naming, [f"{TWO}/0.jpg", *REST], [f"{ONE}/0.jpg", *REST])
    matched(naming, tmp_path, f"{TWO}/0.jpg")


@ALL
def test_backslashes_are_matched(tmp_path: Path, naming: Naming) -> None:
    make(tmp_path, naming, ["inner/0.jpg", *REST], ["inner\\0.jpg", *REST])
    matched(naming, tmp_path, "inner/0.jpg")


@pytest.mark.parametrize("name", ["multi-label-csv", "coco-detection", "voc"])
def test_endings_of_other_letters_are_matched(tmp_path: Path, name: str) -> None:
    make(tmp_path, NAMING[name], ["0.JPG", *REST], ["0.jpg", *REST])
    matched(NAMING[name], tmp_path, "0.JPG")


def test_an_index_needs_no_ending_and_takes_any(tmp_path: Path) -> None:
    make(tmp_path, NAMING["segmentation-folder"], ["0.JPG", *REST], ["0.jpg", *REST])
    splits = NAMING["segmentation-folder"].open(tmp_path)
    assert len(all_names(splits)) == 4
    assert splits.findings == ()


@ALL
def test_an_exact_name_counts_before_another_form(tmp_path: Path, naming: Naming) -> None:
    if not is_told_apart(tmp_path / "form"):
        pytest.skip("this file system takes both forms for one")
    make(tmp_path, naming, [f"{ONE}.jpg", *REST, f"{TWO}.jpg"], [f"{ONE}.jpg", *REST])
    splits = naming.open(tmp_path)
    assert names(splits.train)[0] == f"{naming.folder}/{ONE}.jpg"
    assert RESPELLED not in found(splits)


@pytest.mark.parametrize("name", ["multi-label-csv", "coco-detection"])
def test_two_files_that_a_name_could_mean_are_refused(tmp_path: Path, name: str) -> None:
    make(tmp_path, NAMING[name], ["0.JPG", "0.Jpg", *REST], ["0.jpg", *REST])
    with pytest.raises(ReorderKitError, match=r"0\.jpg could mean several files in .*'0\.JPG' and '0\.Jpg'") as caught:
        NAMING[name].open(tmp_path)
    assert "extension" in (caught.value.hint or "")


def test_two_names_of_an_index_for_one_image_are_refused(tmp_path: Path) -> None:
    if not is_told_apart(tmp_path / "form"):
        pytest.skip("this file system takes both forms for one")
    naming = NAMING["segmentation-folder"]
    make(tmp_path, naming, [f"{ONE}.jpg", *REST[:2]], [f"{ONE}.jpg", f"{TWO}.jpg", *REST[:2]])
    with pytest.raises(ReorderKitError, match=r"lists .*, which is not an image|both mean"):
        naming.open(tmp_path)


def test_two_rows_for_one_image_in_two_forms_are_refused(tmp_path: Path) -> None:
    if not is_told_apart(tmp_path / "form"):
        pytest.skip("this file system takes both forms for one")
    make(tmp_path, NAMING["multi-label-csv"], [f"{ONE}.jpg", *REST[:2]], [f"{ONE}.jpg", f"{TWO}.jpg", *REST[:2]])
    with pytest.raises(ReorderKitError, match=r"line 3: .* is also in line 2"):
        NAMING["multi-label-csv"].open(tmp_path)


@pytest.mark.parametrize("name", ["multi-label-csv", "coco-detection", "voc"])
def test_a_name_of_other_letters_is_refused_with_the_cause(tmp_path: Path, name: str) -> None:
    make(tmp_path, NAMING[name], [*REST, "Photo.jpg"], [*REST, "photo.jpg"])
    with pytest.raises(ReorderKitError, match="photo") as caught:
        NAMING[name].open(tmp_path)
    hint = caught.value.hint or ""
    assert "Photo." in hint
    assert "which differs only in case" in hint


@pytest.mark.parametrize("name", ["multi-label-csv", "coco-detection"])
def test_a_name_that_is_a_folder_is_refused_with_the_cause(tmp_path: Path, name: str) -> None:
    make(tmp_path, NAMING[name], REST, [*REST, "inner.jpg"])
    (tmp_path / NAMING[name].folder / "inner.jpg").mkdir()
    with pytest.raises(ReorderKitError, match=r"inner\.jpg") as caught:
        NAMING[name].open(tmp_path)
    assert caught.value.hint == "it is a folder"


@pytest.mark.parametrize("name", ["coco-detection"])
def test_a_path_of_another_machine_is_refused_with_the_cause(tmp_path: Path, name: str) -> None:
    make(tmp_path, NAMING[name], REST, [*REST, "C:\\photos\\3.jpg"])
    with pytest.raises(ReorderKitError, match="photos") as caught:
        NAMING[name].open(tmp_path)
    assert "another machine" in (caught.value.hint or "")


@pytest.mark.parametrize("long", ["x" * 300 + ".jpg", "folder/" * 720 + "7.jpg"], ids=["300 letters", "5,000 letters"])
@pytest.mark.parametrize("name", ["multi-label-csv", "coco-detection", "voc"])
@pytest.mark.parametrize("place", [0, 3], ids=["first", "last"])
def test_a_name_that_is_too_long_is_refused(tmp_path: Path, name: str, long: str, place: int) -> None:
    given = [*REST]
    given.insert(place, long)
    make(tmp_path, NAMING[name], REST, given)
    with pytest.raises(ReorderKitError) as caught:
        NAMING[name].open(tmp_path)
    assert caught.value.hint == "the name is longer than file systems allow"
    assert len(caught.value.message) < 1500


def test_a_name_of_an_index_that_is_too_long_is_refused(tmp_path: Path) -> None:
    make(tmp_path, NAMING["segmentation-folder"], REST, [*REST, "x" * 300])
    with pytest.raises(ReorderKitError, match="which is not an image"):
        NAMING["segmentation-folder"].open(tmp_path)


SOURCES: dict[str, tuple[type[DataSource], dict[str, Any]]] = {
    "image-folder": (ImageFolder, {}),
    "imagenet": (ImageNet, {}),
    "fmow": (Fmow, {}),
    "multi-label-folder": (MultiLabelFolder, {}),
    "multi-label-csv": (MultiLabelCsv, {}),
    "segmentation-folder": (SegmentationFolder, {"classes": ("a", "b")}),
    "coco-detection": (CocoDetection, {}),
    "voc": (Voc, {}),
    "webdataset": (WebDataset, {"train": "*.tar"}),
}


@pytest.mark.parametrize("root", ["x" * 300, "folder/" * 720], ids=["300 letters", "5,000 letters"])
@pytest.mark.parametrize("name", SOURCES)
def test_a_root_that_is_too_long_is_refused(name: str, root: str) -> None:
    source, options = SOURCES[name]
    with pytest.raises(pydantic.ValidationError, match="longer than file systems allow"):
        source.Options(root=root, **options)


@pytest.mark.parametrize(
    ("name", "options", "field"),
    [
        ("multi-label-csv", {"file": "x" * 250 + "/" + "y" * 250}, "data.file"),
        ("segmentation-folder", {"images": "x" * 300}, "data.images"),
        ("segmentation-folder", {"masks": "x" * 300}, "data.masks"),
        ("segmentation-folder", {"index": "x" * 300}, "data.index"),
        ("segmentation-folder", {"classes": None, "class_table": "x" * 300}, "data.class_table"),
        ("coco-detection", {"train": "x" * 300}, "data.train"),
        ("voc", {"train": "x" * 300}, "data.train"),
    ],
    ids=["file", "images", "masks", "index", "class_table", "annotations", "list"],
)
def test_a_path_below_the_root_that_is_too_long_is_named(
    tmp_path: Path, name: str, options: dict[str, Any], field: str
) -> None:
    source, needed = SOURCES[name]
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    for folder in ("images", "masks"):
        save_image(tmp_path / folder / "1.png")
    with pytest.raises(ReorderKitError, match=field.replace(".", r"\.")):
        source(source.Options(**{"root": tmp_path, **needed, **options})).open(seed=0)


@pytest.mark.parametrize("path", ["x" * 300, "folder/" * 720], ids=["300 letters", "5,000 letters"])
@pytest.mark.parametrize("arguments", [["validate", "{}"], ["run", "vit_reinforce", "--out", "{}"], ["report", "{}"]])
def test_a_path_on_the_command_line_that_is_too_long_is_named(path: str, arguments: list[str]) -> None:
    answer = CliRunner().invoke(app, [argument.format(path) for argument in arguments])
    assert answer.exit_code == 2
    assert "longer than file systems allow" in answer.stderr
    assert len(answer.stderr) < 1000


# Images and masks


@pytest.mark.parametrize(("image", "mask"), [(ONE, TWO), (TWO, ONE)])
def test_masks_of_another_unicode_form_are_matched(tmp_path: Path, image: str, mask: str) -> None:
    if not is_told_apart(tmp_path / "form"):
        pytest.skip("this file system takes both forms for one")
    folders = FOLDERS["segmentation-folder"]
    folders.fill(tmp_path, "", range(12))
    (tmp_path / "images" / "3.png").rename(tmp_path / "images" / f"{image}.PNG")
    (tmp_path / "masks" / "3.png").rename(tmp_path / "masks" / f"{mask}.PNG")
    splits = folders.open(tmp_path)
    assert len(all_names(splits)) == 12
    assert found(splits) == {RESPELLED: (1, image)}
    read_all(splits)


def test_masks_of_both_forms_belong_to_the_images_of_their_form(tmp_path: Path) -> None:
    if not is_told_apart(tmp_path / "form"):
        pytest.skip("this file system takes both forms for one")
    folders = FOLDERS["segmentation-folder"]
    folders.fill(tmp_path, "", range(12))
    for form, value in ((ONE, 3), (TWO, 4)):
        for place in ("images", "masks"):
            (tmp_path / place / f"{value}.png").rename(tmp_path / place / f"{form}.png")
    splits = folders.open(tmp_path)
    assert len(all_names(splits)) == 12
    assert splits.findings == ()


def test_folders_of_masks_may_have_another_name_of_the_split(tmp_path: Path) -> None:
    folders = FOLDERS["segmentation-folder"]
    folders.fill_splits(tmp_path)
    (tmp_path / "masks" / "train").rename(tmp_path / "masks" / "Training")
    (tmp_path / "masks" / "val").rename(tmp_path / "masks" / "VALID")
    splits = folders.open(tmp_path)
    assert len(all_names(splits)) == 16
    read_all(splits)


# Copies in the folders of several classes


@pytest.mark.parametrize(("first", "second"), [(f"{ONE}.png", f"{TWO}.png"), ("7.png", "7.PNG")])
def test_copies_whose_names_are_spelled_in_two_ways_are_one_image(tmp_path: Path, first: str, second: str) -> None:
    if not is_told_apart(tmp_path / "form"):
        pytest.skip("this file system takes both forms for one")
    shutil.rmtree(tmp_path / "form")
    folders = FOLDERS["multi-label-folder"]
    for split, values in (("train", range(20, 32)), ("val", [40, 41]), ("test", [50, 51])):
        folders.fill(tmp_path, split, values)
    for name, each in (("cat", first), ("dog", second)):
        save_image(tmp_path / "train" / name / each, 7)
    splits = folders.open(tmp_path)
    assert len(splits.train) == 13
    sample = splits.train[names(splits.train).index(f"train/cat/{first}")]
    assert isinstance(sample, Sample)
    assert sample.target.tolist() == [1, 1]
    assert found(splits) == {RESPELLED: (1, f"train/dog/{second}")}


def test_two_images_of_a_class_in_two_forms_are_refused(tmp_path: Path) -> None:
    if not is_told_apart(tmp_path / "form"):
        pytest.skip("this file system takes both forms for one")
    shutil.rmtree(tmp_path / "form")
    folders = FOLDERS["multi-label-folder"]
    folders.fill_splits(tmp_path)
    for value, form in enumerate((ONE, TWO)):
        save_image(tmp_path / "train" / "cat" / f"{form}.png", 60 + value)
    with pytest.raises(ReorderKitError, match="differ only in Unicode form"):
        folders.open(tmp_path)
