"""Links among images: every file is read once, cycles are refused, and no image gets two classes by accident."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from input_folders import CLASS_FOLDERS, FOLDERS, SINGLE_LABEL, Folders, all_names, found, names, save_image
from reorder_kit.data.class_layout import INNER_FOUND
from reorder_kit.data.real_files import RealFiles
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Sample, Unreadable

ALL = pytest.mark.parametrize("folders", [pytest.param(each, id=name) for name, each in FOLDERS.items()])
OF_CLASSES = pytest.mark.parametrize("folders", [pytest.param(each, id=name) for name, each in CLASS_FOLDERS.items()])
ONE_CLASS_EACH = pytest.mark.parametrize(
    "folders", [pytest.param(each, id=name) for name, each in SINGLE_LABEL.items()]
)
TWICE = "images and folders reached again through links are read once"


@ALL
def test_a_loop_of_links_is_refused(tmp_path: Path, folders: Folders) -> None:
    folders.fill_splits(tmp_path)
    place = tmp_path / folders.place("train", "cat")
    (place / "again").symlink_to(place)
    with pytest.raises(ReorderKitError, match=r"again leads back to its parent folder"):
        folders.open(tmp_path)


@ALL
def test_two_loops_in_one_folder_are_refused(tmp_path: Path, folders: Folders) -> None:
    folders.fill_splits(tmp_path)
    place = tmp_path / folders.place("train", "cat")
    for name in ("one", "two"):
        (place / name).symlink_to(".")
    with pytest.raises(ReorderKitError, match="one leads back to"):
        folders.open(tmp_path)


@ALL
@pytest.mark.parametrize("up", ["..", "../.."])
def test_a_link_to_a_folder_above_is_refused(tmp_path: Path, folders: Folders, up: str) -> None:
    folders.fill_splits(tmp_path / "data")
    (tmp_path / "data" / folders.place("train", "cat") / "up").symlink_to(up)
    with pytest.raises(ReorderKitError, match=r"cat/up leads back to|train/up leads back to"):
        folders.open(tmp_path / "data")


@OF_CLASSES
def test_a_class_folder_that_is_a_link_to_the_folder_above_is_refused(tmp_path: Path, folders: Folders) -> None:
    folders.fill_splits(tmp_path)
    (tmp_path / "train" / "all").symlink_to(tmp_path / "train")
    with pytest.raises(ReorderKitError, match=r"train/all leads back to .*train"):
        folders.open(tmp_path)


@ALL
def test_two_folders_that_link_to_each_other_are_refused(tmp_path: Path, folders: Folders) -> None:
    folders.fill_splits(tmp_path)
    place = tmp_path / folders.place("train", "cat")
    for name, other in (("a", "b"), ("b", "a")):
        (place / name).mkdir()
        (place / name / "other").symlink_to(place / other)
    with pytest.raises(ReorderKitError, match="leads back to"):
        folders.open(tmp_path)


@ALL
@pytest.mark.parametrize("hard", [False, True], ids=["link", "hard link"])
def test_a_file_that_two_names_in_a_class_lead_to_is_read_once(tmp_path: Path, folders: Folders, hard: bool) -> None:
    folders.fill_splits(tmp_path)
    expected = all_names(folders.open(tmp_path))
    place = tmp_path / folders.place("train", "cat")
    file = sorted(path for path in place.rglob("*") if path.suffix in (".png", ".jpg"))[0]
    again = file.with_name(f"z{file.name}")
    if hard:
        os.link(file, again)
    else:
        again.symlink_to(file)
    splits = folders.open(tmp_path)
    assert all_names(splits) == expected
    assert found(splits) == {TWICE: (1, again.relative_to(tmp_path).as_posix())}


@ALL
def test_a_folder_that_two_paths_in_a_class_lead_to_is_read_once(tmp_path: Path, folders: Folders) -> None:
    folders.fill_splits(tmp_path)
    place = tmp_path / folders.place("train", "cat")
    for each in [*place.iterdir()]:
        (place / "inner").mkdir(exist_ok=True)
        each.rename(place / "inner" / each.name)
    if folders is FOLDERS["segmentation-folder"]:
        masks = tmp_path / "masks" / "train"
        (masks / "inner").mkdir()
        for each in [*masks.glob("*.png")]:
            each.rename(masks / "inner" / each.name)
    expected = all_names(folders.open(tmp_path))
    (place / "other").symlink_to("inner")
    splits = folders.open(tmp_path)
    assert all_names(splits) == expected
    told = found(splits)
    told.pop(INNER_FOUND, None)
    assert told == {TWICE: (1, f"{folders.place('train', 'cat')}/other")}


@ALL
def test_links_to_one_folder_do_not_multiply(tmp_path: Path, folders: Folders) -> None:
    """In each of 30 folders two links to the next one: 2**30 paths to the last."""
    folders.fill_splits(tmp_path)
    chain = tmp_path / "elsewhere"
    for depth in range(30):
        (chain / str(depth)).mkdir(parents=True)
        for name in ("a", "b"):
            (chain / str(depth) / name).symlink_to(chain / str(depth + 1))
    (chain / "30").mkdir()
    (tmp_path / folders.place("train", "cat") / "chain").symlink_to(chain / "0")
    assert found(folders.open(tmp_path))[TWICE][0] == 30


@ONE_CLASS_EACH
@pytest.mark.parametrize("kind", ["link", "hard link", "folder"])
def test_one_file_in_two_classes_is_refused(tmp_path: Path, folders: Folders, kind: str) -> None:
    folders.fill_splits(tmp_path)
    cat, dog = tmp_path / "train" / "cat", tmp_path / "train" / "dog"
    file = sorted(path for path in cat.rglob("*") if path.suffix in (".png", ".jpg"))[0]
    if kind == "folder":
        (dog / "more").symlink_to(file.parent)
    elif kind == "link":
        (dog / file.name).symlink_to(file)
    else:
        os.link(file, dog / file.name)
    with pytest.raises(
        ReorderKitError, match=rf"cat.*{file.name} and .*dog.*{file.name} are links to the same file"
    ) as caught:
        folders.open(tmp_path)
    assert "multi-label-folder" in (caught.value.hint or "")


@pytest.mark.parametrize("hard", [False, True], ids=["link", "hard link"])
def test_a_link_in_the_folder_of_another_class_is_another_label(tmp_path: Path, hard: bool) -> None:
    folders = FOLDERS["multi-label-folder"]
    folders.fill_splits(tmp_path)
    folders.fill(tmp_path, "test", [50, 51])
    file, link = (tmp_path / "train" / name / "0.png" for name in ("cat", "dog"))
    if hard:
        os.link(file, link)
    else:
        link.symlink_to(file)
    splits = folders.open(tmp_path)
    sample = splits.train[names(splits.train).index("train/cat/0.png")]
    assert isinstance(sample, Sample)
    assert sample.target.tolist() == [1, 1]
    assert splits.findings == ()


def test_a_link_of_another_name_in_another_class_is_refused(tmp_path: Path) -> None:
    """Two images would have one label each, and both be wrong."""
    folders = FOLDERS["multi-label-folder"]
    folders.fill_splits(tmp_path)
    (tmp_path / "train" / "dog" / "other.png").symlink_to(tmp_path / "train" / "cat" / "0.png")
    with pytest.raises(ReorderKitError, match=r"cat/0\.png and .*dog/other\.png are links to the same file, under two"):
        folders.open(tmp_path)


def test_copies_of_one_name_and_size_with_other_content_are_refused(tmp_path: Path) -> None:
    folders = FOLDERS["multi-label-folder"]
    folders.fill_splits(tmp_path)
    for name, value in (("cat", 100), ("dog", 200)):
        save_image(tmp_path / "train" / name / "same.bmp", value)
    with pytest.raises(
        ReorderKitError, match=r"cat/same\.bmp and .*dog/same\.bmp have the same name but are different"
    ):
        folders.open(tmp_path)


@pytest.mark.parametrize("name", ["image-folder", "imagenet", "fmow"])
def test_a_link_that_leads_nowhere_is_unreadable(tmp_path: Path, name: str) -> None:
    folders = FOLDERS[name]
    folders.fill_splits(tmp_path)
    path = folders.add(tmp_path, "val", "cat", 60)
    path.unlink()
    path.symlink_to(tmp_path / "nowhere.png")
    splits = folders.open(tmp_path)
    index = names(splits.test).index(path.relative_to(tmp_path).as_posix())
    assert isinstance(splits.test[index], Unreadable)


@ALL
def test_links_to_each_other_are_no_images(tmp_path: Path, folders: Folders) -> None:
    folders.fill_splits(tmp_path)
    place = tmp_path / folders.place("train", "cat")
    (place / "a.txt").symlink_to("b.txt")
    (place / "b.txt").symlink_to("a.txt")
    splits = folders.open(tmp_path)
    assert len(all_names(splits)) == 16
    assert sum(count for count, _ in found(splits).values()) == 2


@ALL
def test_class_folders_and_splits_may_be_links(tmp_path: Path, folders: Folders) -> None:
    folders.fill_splits(tmp_path / "real")
    (tmp_path / "data").mkdir()
    for entry in (tmp_path / "real").iterdir():
        (tmp_path / "data" / entry.name).symlink_to(entry)
    splits = folders.open(tmp_path / "data")
    assert len(all_names(splits)) == 16
    assert splits.findings == ()


@ALL
def test_files_are_told_apart_where_all_have_one_number(
    tmp_path: Path, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on network file systems that invent inode numbers in listings."""
    folders.fill_splits(tmp_path)
    expected = all_names(folders.open(tmp_path))
    told = RealFiles.met_before
    monkeypatch.setattr(RealFiles, "met_before", lambda self, path, _: told(self, path, 0xFFFFFFFF))
    splits = folders.open(tmp_path)
    assert all_names(splits) == expected
    assert splits.findings == ()


@pytest.mark.parametrize("hard", [False, True], ids=["link", "hard link"])
def test_several_images_may_share_a_mask(tmp_path: Path, hard: bool) -> None:
    """As for images without objects, whose masks are all equal."""
    folders = FOLDERS["segmentation-folder"]
    folders.fill_splits(tmp_path)
    masks = tmp_path / "masks" / "train"
    for number in (3, 4):
        (masks / f"{number}.png").unlink()
        if hard:
            os.link(masks / "1.png", masks / f"{number}.png")
        else:
            (masks / f"{number}.png").symlink_to("1.png")
    splits = folders.open(tmp_path)
    assert len(all_names(splits)) == 16
    assert splits.findings == ()
