"""Files that other programs leave next to images, and all kinds of extensions."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest
from PIL import Image

from input_folders import CLASS_FOLDERS, FOLDERS, NAMING, Folders, all_names, found, read_all, save_image
from reorder_kit.data.image_walk import image_endings
from reorder_kit.errors import ReorderKitError

ALL = pytest.mark.parametrize("folders", [pytest.param(each, id=name) for name, each in FOLDERS.items()])
OF_CLASSES = pytest.mark.parametrize("folders", [pytest.param(each, id=name) for name, each in CLASS_FOLDERS.items()])
JUNK = "hidden files and files of operating systems are left out"
OTHERS = "files without an image extension are left out"
_FORMATS = {
    **dict.fromkeys([".jfif", ".JPG", ".Jpeg", ".JPEG"], "JPEG"),
    ".gif": "GIF",
    ".webp": "WEBP",
    ".PNG": "PNG",
    ".TIFF": "TIFF",
    ".Bmp": "BMP",
}
SPECIAL = "pipes, sockets and devices are left out"


@ALL
def test_junk_files_beside_images_are_left_out_and_counted(tmp_path: Path, folders: Folders) -> None:
    folders.fill_splits(tmp_path)
    expected = all_names(folders.open(tmp_path))
    place = folders.place("train", "cat")
    for name in ("._1.png", ".hidden.jpg", ".DS_Store", "Thumbs.db", "thumbs.DB", "desktop.ini", "ehthumbs.db"):
        (tmp_path / place / name).write_bytes(b"no image")
    splits = folders.open(tmp_path)
    assert all_names(splits) == expected
    assert found(splits) == {JUNK: (7, f"{place}/.DS_Store")}


@ALL
def test_junk_folders_beside_images_are_left_out_and_counted(tmp_path: Path, folders: Folders) -> None:
    folders.fill_splits(tmp_path)
    expected = all_names(folders.open(tmp_path))
    place = folders.place("train", "cat")
    for name in (".ipynb_checkpoints", "__MACOSX", "@eaDir", ".git", "$RECYCLE.BIN", "lost+found"):
        for value in (1, 2):
            save_image(tmp_path / place / name / f"{value}-checkpoint.png", 1)
    splits = folders.open(tmp_path)
    assert all_names(splits) == expected
    assert found(splits) == {JUNK: (6, f"{place}/$RECYCLE.BIN")}


@OF_CLASSES
@pytest.mark.parametrize("split", ["train", "val"])
def test_a_junk_folder_is_no_class(tmp_path: Path, folders: Folders, split: str) -> None:
    folders.fill_splits(tmp_path)
    for name in (".ipynb_checkpoints", "__MACOSX", "@eaDir", "@Recycle"):
        shutil.copytree(tmp_path / split / "cat", tmp_path / split / name)
    splits = folders.open(tmp_path)
    assert list(splits.classes) == ["cat", "dog"]
    assert found(splits) == {JUNK: (4, f"{split}/.ipynb_checkpoints")}


def test_a_junk_folder_beside_two_classes_is_no_class_without_splits(tmp_path: Path) -> None:
    folders = FOLDERS["image-folder"]
    folders.fill(tmp_path, "", range(12))
    for name in ("__MACOSX", ".ipynb_checkpoints"):
        save_image(tmp_path / name / "1.png")
    splits = folders.open(tmp_path)
    assert list(splits.classes) == ["cat", "dog"]
    assert found(splits) == {JUNK: (2, ".ipynb_checkpoints")}


@ALL
def test_files_that_are_no_images_are_counted(tmp_path: Path, folders: Folders) -> None:
    folders.fill_splits(tmp_path)
    place = folders.place("train", "cat")
    for name in ("notes.txt", "photo.raw", "README"):
        (tmp_path / place / name).write_text("no image")
    assert found(folders.open(tmp_path)) == {OTHERS: (3, f"{place}/README")}


@pytest.mark.parametrize("name", ["image-folder", "multi-label-folder", "imagenet", "segmentation-folder"])
def test_images_of_every_ending_are_read(tmp_path: Path, name: str) -> None:
    folders = FOLDERS[name]
    folders.fill_splits(tmp_path)
    before = all_names(folders.open(tmp_path))
    endings = [".jfif", ".gif", ".webp", ".JPG", ".Jpeg", ".PNG", ".TIFF", ".JPEG", ".Bmp"]
    for value, ending in enumerate(endings):
        path = folders.add(tmp_path, "train", "cat", 100 + value)
        with Image.open(path) as image:
            image.convert("P" if ending == ".gif" else "RGB").save(path.with_suffix(".changed"), _FORMATS[ending])
        path.unlink()
        path.with_suffix(".changed").rename(path.with_suffix(ending))
    splits = folders.open(tmp_path)
    assert len(all_names(splits)) == len(before) + len(endings)
    assert splits.findings == ()
    read_all(splits)


def test_places_of_upper_case_endings_are_read(tmp_path: Path) -> None:
    folders = FOLDERS["fmow"]
    folders.fill_splits(tmp_path)
    before = all_names(folders.open(tmp_path))
    path = folders.add(tmp_path, "train", "cat", 50)
    path.rename(path.with_suffix(".JPG"))
    splits = folders.open(tmp_path)
    assert len(all_names(splits)) == len(before) + 1
    read_all(splits)


def test_images_of_no_known_bands_are_counted(tmp_path: Path) -> None:
    folders = FOLDERS["fmow"]
    folders.fill_splits(tmp_path)
    save_image(tmp_path / "train" / "cat" / "cat_0" / "thumbnail.png")
    save_image(tmp_path / "train" / "cat" / "cat_0" / "cat_0_0_msrgb.jpg")
    assert found(folders.open(tmp_path)) == {
        "images without bands in their names are left out": (1, "train/cat/cat_0/thumbnail.png")
    }


def test_an_ending_that_pillow_does_not_read_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = FOLDERS["image-folder"]
    folders.fill_splits(tmp_path)
    save_image(tmp_path / "train" / "cat" / "1.webp")
    image_endings.cache_clear()
    Image.init()
    monkeypatch.delitem(Image.OPEN, "WEBP")
    try:
        assert found(folders.open(tmp_path)) == {OTHERS: (1, "train/cat/1.webp")}
    finally:
        image_endings.cache_clear()


@ALL
@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_pipes_and_sockets_are_counted_and_never_opened(
    tmp_path: Path, folders: Folders, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.fill_splits(tmp_path)
    place = folders.place("train", "cat")
    monkeypatch.chdir(tmp_path / place)  # paths of sockets are short
    if kind == "pipe":
        os.mkfifo("70.png")
    else:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("70.png")
    splits = folders.open(tmp_path)
    assert found(splits) == {SPECIAL: (1, f"{place}/70.png")}
    read_all(splits)


@pytest.mark.parametrize("name", NAMING)
def test_a_pipe_that_a_file_names_is_refused(tmp_path: Path, name: str) -> None:
    naming = NAMING[name]
    for value in range(3):
        save_image(tmp_path / naming.folder / f"{value}.jpg", value)
    os.mkfifo(tmp_path / naming.folder / "3.jpg")
    naming.write(tmp_path, [f"{value}.jpg" for value in range(4)])
    if name == "voc":
        (tmp_path / "Annotations" / "3.xml").write_bytes((tmp_path / "Annotations" / "2.xml").read_bytes())
    with pytest.raises(ReorderKitError) as caught:
        naming.open(tmp_path)
    assert "3" in caught.value.message
    # A mask folder's images are matched by name, and a pipe is not among them.
    if name != "segmentation-folder":
        assert "pipe" in (caught.value.hint or "")


def test_images_of_the_download_that_are_pipes_are_refused(tmp_path: Path) -> None:
    folders = FOLDERS["imagenet"]
    folders.fill(tmp_path, "train", range(12))
    (tmp_path / "val").mkdir()
    os.mkfifo(tmp_path / "val" / "one.JPEG")
    (tmp_path / "LOC_val_solution.csv").write_text("ImageId,PredictionString\none,cat 1 2 3 4\n")
    with pytest.raises(ReorderKitError, match=r"the image .*one\.JPEG does not exist") as caught:
        folders.open(tmp_path)
    assert "pipe" in (caught.value.hint or "")


def test_annotations_and_lists_that_a_mac_left_are_none(tmp_path: Path) -> None:
    for name in ("coco-detection", "voc"):
        root, naming = tmp_path / name, NAMING[name]
        for value in range(4):
            save_image(root / naming.folder / f"{value}.jpg", value)
        naming.write(root, [f"{value}.jpg" for value in range(4)])
        for path in [*root.rglob("*.json"), *root.rglob("*.txt")]:
            path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")
        (root / "__MACOSX" / "ImageSets" / "Main").mkdir(parents=True)
        splits = naming.open(root)
        assert (len(splits.train), len(splits.validation), len(splits.test)) == (2, 1, 1)


def test_shards_that_a_mac_left_are_none(tmp_path: Path) -> None:
    from reorder_kit.data_sources.webdataset import WebDataset
    from shards import classed, write

    write(tmp_path / "train-0.tar", classed({value: value % 2 for value in range(12)}))
    (tmp_path / "._train-0.tar").write_bytes(b"\0\5\x16\7")
    options = WebDataset.Options(root=tmp_path, train="*.tar", image_size=8)
    splits = WebDataset(options).open(seed=0)
    assert len(all_names(splits)) == 12
    assert found(splits)[JUNK] == (1, "._train-0.tar")


def test_masks_without_an_image_and_images_without_a_mask_are_counted(tmp_path: Path) -> None:
    from input_folders import plain
    from reorder_kit.data_sources.segmentation_folder import SegmentationFolder

    folders = FOLDERS["segmentation-folder"]
    folders.fill(tmp_path, "", range(12))
    (tmp_path / "masks" / "3.png").unlink()
    for value in (1, 2):
        (tmp_path / "images" / f"{value}.png").unlink()
    options = {"classes": ("sea", "ship"), "unmasked_images": "skip"}
    assert found(plain(SegmentationFolder, tmp_path, **options).open(seed=0)) == {
        "images without a mask are left out": (1, "images/3.png"),
        "masks without an image are left out": (2, "masks/1.png"),
    }
