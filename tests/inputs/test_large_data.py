"""More images than are read at the start: files are distinguished, and a sample is checked for copies."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from input_folders import CLASS_FOLDERS, Folders
from reorder_kit.data import dealing, large_data, shared_images
from reorder_kit.data.file_identity import FileIdentity
from reorder_kit.data.large_data import NOT_COMPARED, SOME_COPIED, shared_in_large_data
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Identity, Sample, Unreadable
from reorder_kit.runs.run_folder import RunFolder
from tests.helpers.tiny_data import CLASSES, SOURCES, TinySource, class_of, pixels, save
from tests.inputs.test_recorded_splits import begin

SOURCE = SOURCES[0]
CSV = next(source for source in SOURCES if source.name == "multi-label-csv")


@pytest.fixture(autouse=True)
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (dealing, shared_images):
        monkeypatch.setattr(module, "MOST_COMPARED", 20)


def fill(root: Path, split: str, count: int, first: int = 0) -> list[Path]:
    names = [f"image-{number}" for number in range(first, first + count)]
    return [save(root / split / CLASSES[class_of(name)] / f"{name}.png", pixels(name)) for name in names]


def told(root: Path, run: Path, source: TinySource = SOURCE) -> dict[str, tuple[int, str]]:
    return {found.what: (found.count, found.example) for found in begin(source, root, RunFolder(run)).findings}


@pytest.mark.parametrize("link", [os.link, os.symlink], ids=["hard link", "link"])
def test_a_file_in_two_splits_is_refused(tmp_path: Path, link: Callable[[Path, Path], None]) -> None:
    train = fill(tmp_path, "train", 40)
    fill(tmp_path, "val", 10, first=100)
    link(train[7], tmp_path / "val" / CLASSES[0] / "other.png")
    with pytest.raises(ReorderKitError, match=r"train/cat/image-7\.png and .*other\.png are links to the same file"):
        begin(SOURCE, tmp_path, RunFolder(tmp_path / "run"))


@pytest.mark.parametrize("folders", [pytest.param(each, id=name) for name, each in CLASS_FOLDERS.items()])
def test_a_link_from_val_to_train_is_refused_in_opening(tmp_path: Path, folders: Folders) -> None:
    folders.fill(tmp_path, "train", range(40))
    (tmp_path / "val").symlink_to("train")
    with pytest.raises(ReorderKitError, match="are links to the same file, in two splits"):
        folders.open(tmp_path)


@pytest.mark.parametrize("link", [os.link, os.symlink], ids=["hard link", "link"])
def test_a_file_that_a_table_names_for_two_splits_is_refused(
    tmp_path: Path, link: Callable[[Path, Path], None]
) -> None:
    lines = ["path,split,dog,cat"]
    for number in range(40):
        path = save(tmp_path / f"{number}.png", pixels(f"image-{number}"))
        lines.append(f"{number}.png,{'val' if number >= 30 else 'train'},{number % 2},{(number + 1) % 2}")
    link(path, tmp_path / "again.png")
    (tmp_path / "labels.csv").write_text("\n".join([*lines, "again.png,train,1,0"]))
    with pytest.raises(ReorderKitError, match=r"test image 39\.png and the train image again\.png are the same file"):
        begin(CSV, tmp_path, RunFolder(tmp_path / "run"))


def test_a_split_of_copies_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, "train", 40)
    shutil.copytree(tmp_path / "train", tmp_path / "test")
    with pytest.raises(ReorderKitError, match=r"of 40 test images that were compared, 40 are copies .*image-"):
        begin(SOURCE, tmp_path, RunFolder(tmp_path / "run"))


def test_images_set_aside_from_a_folder_of_copies_are_refused(tmp_path: Path) -> None:
    for path in fill(tmp_path / "data", "", 200):
        shutil.copyfile(path, path.with_name(f"again-{path.name}"))
    with pytest.raises(ReorderKitError, match="are copies of images in other splits"):
        begin(SOURCE, tmp_path / "data", RunFolder(tmp_path / "run"))


def test_a_few_copies_are_reported(tmp_path: Path) -> None:
    train = fill(tmp_path, "train", 60)
    fill(tmp_path, "test", 30, first=100)
    shutil.copyfile(train[9], tmp_path / "test" / CLASSES[1] / "again.png")
    count, example = told(tmp_path, tmp_path / "run")[SOME_COPIED]
    assert (count, example) == (1, "test/cat/again.png and train/cat/image-9.png")


def test_what_is_not_compared_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "train", 40)
    fill(tmp_path, "val", 8, first=100)
    fill(tmp_path, "test", 12, first=200)
    assert NOT_COMPARED not in told(tmp_path, tmp_path / "all")
    monkeypatch.setattr(large_data, "SAMPLED", 5)
    assert told(tmp_path, tmp_path / "some")[NOT_COMPARED][0] == 3 + 7


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_every_source_can_be_large(source: TinySource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if source.name == "hf":
        pytest.importorskip("datasets", reason="the extra hf is not installed")
    root = tmp_path / "data"
    root.mkdir()
    source.fill(root, {f"image-{number}": pixels(f"image-{number}") for number in range(40)})
    found = told(root, tmp_path / "run", source)
    # Rows of a table are not queried for their size one by one, which is slow.
    expected = {NOT_COMPARED} if source.name == "hf" else set()
    assert set(found) & {NOT_COMPARED, SOME_COPIED} == expected


class Files:
    """Files as samples, counting how many are opened."""

    def __init__(self, root: Path, paths: list[Path], opened: list[str]) -> None:
        self._root, self._paths, self._opened = root, paths, opened

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Sample | Unreadable:
        raise AssertionError("no image has to be decoded")

    def identity(self, index: int) -> Identity:
        opened = self._opened

        class Counting(FileIdentity):
            def digest(self) -> str:
                opened.append(self.path)
                return super().digest()

        return Counting(self._root, str(self._paths[index]))


def test_no_more_files_are_read_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All have one size, as uncompressed images do: each would have to be compared with all others."""
    monkeypatch.setattr(large_data, "MOST_READ", 100)
    opened: list[str] = []
    paths = [tmp_path / f"{number}.bin" for number in range(120)]
    for number, path in enumerate(paths):
        path.write_bytes(number.to_bytes(4, "big"))
    named = {"train": Files(tmp_path, paths[:90], opened), "test": Files(tmp_path, paths[90:], opened)}
    (finding,) = shared_in_large_data(named)
    assert len(opened) == 100  # 90 for training, once, and 10 of the test
    assert (finding.what, finding.count) == (NOT_COMPARED, 20)
    opened.clear()
    monkeypatch.setattr(large_data, "MOST_READ", 50)
    (finding,) = shared_in_large_data(named)
    assert (opened, finding.count) == ([], 30)


def test_equal_numbers_in_two_file_systems_are_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "7.png"
    path.write_bytes(b"7")
    first, second = (Files(tmp_path, [path], []) for _ in range(2))
    with pytest.raises(ReorderKitError, match="the same file"):
        shared_in_large_data({"train": first, "test": second})
    stored = FileIdentity(tmp_path, str(path)).stored()
    assert stored is not None
    assert stored.file is not None
    elsewhere = stored._replace(file=(stored.file[0] + 1, stored.file[1]), size=2)
    identity = second.identity(0)
    monkeypatch.setattr(type(identity), "stored", lambda _: elsewhere)
    monkeypatch.setattr(second, "identity", lambda _: identity)
    assert shared_in_large_data({"train": first, "test": second}) == ()
