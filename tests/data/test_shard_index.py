"""The positions of members in tar shards: reading by position, index files, and damaged shards."""

from __future__ import annotations

import gzip
import json
import pickle
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import torch
from PIL import Image

from reorder_kit.data import shard_files as _shard_files
from reorder_kit.data import shard_index as _shard_index
from reorder_kit.data.shard_files import ShardFiles
from reorder_kit.data.shard_index import index_shard
from reorder_kit.data.target_member import TargetMember
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import BOXES, MULTI_LABEL, Unreadable
from shards import classed, content, fill_root, open_shards, picture, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return fill_root(tmp_path)


def count_readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    read: list[str] = []
    original = tarfile.open

    def counted(name: Any = None, mode: str = "r", fileobj: BinaryIO | None = None) -> tarfile.TarFile:
        if fileobj is not None:
            read.append(Path(fileobj.name).name)
        return original(name, mode, fileobj)

    monkeypatch.setattr(tarfile, "open", counted)
    return read


def test_headers_are_read_once_and_again_after_a_change(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = count_readings(monkeypatch)
    first = content(open_shards(root).train)
    assert sorted(read) == ["test.tar", "train-000.tar", "train-001.tar", "val.tar"]
    assert (root / "val.tar.index.npz").is_file()
    assert content(open_shards(root).train) == first
    assert len(read) == 4
    write(root / "train-000.tar", classed({1: 0, 2: 1, 9: 0}))
    (root / "val.tar.index.npz").write_bytes(b"torn")
    del read[:]
    assert content(open_shards(root).train) == [*first[:2], (9, 0), *first[2:]]
    assert sorted(read) == ["test.tar", "train-000.tar", "val.tar"][1:]


def test_notes_go_to_the_cache_folder_where_the_shards_cannot_be_written(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / "cache"))
    # Permissions would not stop tests run by root; a folder in place of the index file does.
    (root / "val.tar.index.npz").mkdir()
    read = count_readings(monkeypatch)
    for _ in range(2):
        assert content(open_shards(root).validation) == [(6, 0)]
    assert read.count("val.tar") == 1
    assert len(list((root / "cache" / "reorder-kit" / "shards").iterdir())) == 1


def test_a_user_without_a_home_has_notes_beside_the_shards(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert content(open_shards(root).validation) == [(6, 0)]
    assert (root / "val.tar.index.npz").is_file()


def test_what_is_left_of_a_note_is_no_shard(root: Path) -> None:
    (root / "val.tar.index.npz.0123abcd").write_bytes(b"torn")
    assert content(open_shards(root, validation="val*").validation) == [(6, 0)]


def test_without_any_place_for_notes_headers_are_read_every_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / "file"))
    (root / "val.tar.index.npz").mkdir()
    read = count_readings(monkeypatch)
    for _ in range(2):
        assert content(open_shards(root).validation) == [(6, 0)]
    assert read.count("val.tar") == 2


def cut(data: bytes, where: str) -> bytes:
    """A tar file of two samples, damaged."""
    second = data.index(b"002.png")
    match where:
        case "within a member":
            return data[: second + 600]
        case "between members":
            return data[:second]
        case "within a header":
            return data[: second + 100]
        case "in a header":
            return data[: second + 148] + b"damaged!" + data[second + 156 :]
        case "compressed":
            return gzip.compress(data)
        case _:
            return b""


@pytest.mark.parametrize(
    "where", ["within a member", "between members", "within a header", "in a header", "compressed", "empty"]
)
def test_a_damaged_shard_is_an_error_that_names_it(root: Path, where: str) -> None:
    shard = root / "train-000.tar"
    shard.write_bytes(cut(shard.read_bytes(), where))
    with pytest.raises(ReorderKitError, match=r"train-000\.tar") as error:
        open_shards(root)
    assert "copy or write it again" in str(error.value)
    assert not (root / "train-000.tar.index.npz").exists()


def test_a_shard_that_shrank_after_it_was_opened_is_unreadable(root: Path) -> None:
    splits = open_shards(root)
    shard = root / "test.tar"
    shard.write_bytes(shard.read_bytes()[:600])
    sample = splits.test[1]
    assert isinstance(sample, Unreadable)
    assert "has changed since it was opened" in sample.reason


def test_few_shards_stay_open_and_none_is_sent_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_shard_files, "_OPEN_FILES", 2)
    paths = [tmp_path / str(number) for number in range(4)]
    for path in paths:
        path.write_text(f"file {path.name}")
    files = ShardFiles()
    for path in [*paths, *paths]:
        assert files.read(path, 5, 1).decode() == path.name
    # An open file survives the removal of its name, a closed one does not: the last two stay open.
    for path in paths:
        path.unlink()
    assert [files.read(path, 5, 1).decode() for path in paths[2:]] == ["2", "3"]
    for path in paths[:2]:
        with pytest.raises(FileNotFoundError):
            files.read(path, 5, 1)
    with pytest.raises(FileNotFoundError):
        pickle.loads(pickle.dumps(files)).read(paths[3], 5, 1)


def test_shards_written_and_read_by_the_package_webdataset(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed")
    noise = np.random.default_rng(0).integers(0, 256, (11, 8, 8, 3), dtype=np.uint8)
    with webdataset.ShardWriter(str(tmp_path / "train-%03d.tar"), maxcount=4, verbose=0) as writer:
        for number, pixels in enumerate(noise):
            writer.write({"__key__": f"sample{number:03}", "png": pixels, "cls": number % 3, "json": {"labels": [0]}})
    for name in ("val", "test"):
        write(tmp_path / f"{name}.tar", classed({1: 0}))
    splits = open_shards(tmp_path, train="train-{000..002}.tar")
    ours = [splits.train[index] for index in range(len(splits.train))]
    theirs = []
    for path in sorted(tmp_path.glob("train-*.tar")):
        with path.open("rb") as stream:
            files = webdataset.tariterators.tar_file_expander([{"url": path.name, "stream": stream}])
            theirs += list(webdataset.tariterators.group_by_keys(files))
    assert len(ours) == len(theirs) == 11
    for sample, their in zip(ours, theirs, strict=True):
        assert not isinstance(sample, Unreadable)
        pixels = np.array(Image.open(BytesIO(their["png"])))
        assert torch.equal(sample.image.round(), torch.from_numpy(pixels).permute(2, 0, 1).float())
        assert sample.target == int(their["cls"])


def test_an_index_of_nothing_is_empty(tmp_path: Path) -> None:
    path = write(tmp_path / "empty.tar", [])
    assert len(index_shard(path)) == len(index_shard(path)) == 0


def test_notes_beside_the_shards_are_no_shards(root: Path) -> None:
    for _ in range(2):
        assert len(open_shards(root, train="train-*").train) == 5


def test_names_with_dots_that_would_each_be_an_ending_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_shard_index, "_MOST_ENDINGS", 4)
    path = write(tmp_path / "dotted.tar", [(f"photo.{number}.jpg", b"") for number in range(5)])
    with pytest.raises(ReorderKitError, match=r"dotted\.tar has members with 5 different extensions, such as '0\.jpg'"):
        index_shard(path)


def test_members_of_a_sample_need_not_be_neighbours(root: Path) -> None:
    members = sorted(classed({1: 1, 2: 0}), key=lambda member: member[0].endswith("cls"))
    write(root / "train-000.tar", [("./folder.d/", b""), *((f"./folder.d/{name}", data) for name, data in members)])
    assert content(open_shards(root, train="train-000.tar").train) == [(1, 1), (2, 0)]


def test_long_and_foreign_names_are_read(root: Path) -> None:
    members = [(f"{'länge/' * 40}{name}", data) for name, data in classed({1: 1, 2: 0})]
    write(root / "train-000.tar", members)
    assert content(open_shards(root, train="train-000.tar").train) == [(1, 1), (2, 0)]


def count_members(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Records the shard of every member read from now on."""
    read: list[str] = []
    original = ShardFiles.read

    def counted(self: ShardFiles, path: Path, offset: int, size: int) -> bytes:
        read.append(path.name)
        return original(self, path, offset, size)

    monkeypatch.setattr(ShardFiles, "read", counted)
    return read


def count_targets(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Records every target parsed from now on."""
    read: list[bytes] = []
    original = TargetMember.value

    def counted(self: TargetMember, data: bytes) -> Any:
        read.append(data)
        return original(self, data)

    monkeypatch.setattr(TargetMember, "value", counted)
    return read


def test_classes_are_read_from_the_shards_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classes = {number: number % 3 for number in range(100, 160)}
    write(root / "train-001.tar", classed(classes))
    read = count_targets(monkeypatch)
    first = open_shards(root, validation=None)
    assert len(read) > len(classes)
    del read[:]
    again = open_shards(root, validation=None)
    # The first and the last of each shard, which are compared with the index, and the first training sample.
    assert len(read) < 20
    assert list(again.classes) == list(first.classes) == ["0", "1", "2"]
    for part in ("train", "validation", "test"):
        assert content(getattr(again, part)) == content(getattr(first, part))


def test_classes_are_read_again_of_the_shard_that_has_changed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_shards(root)
    write(root / "train-001.tar", classed({3: 2, 4: 7, 5: 1}))
    read = count_members(monkeypatch)
    assert list(open_shards(root, validation=None).classes) == ["0", "1", "2", "7"]
    assert read[:7] == ["train-000.tar"] * 2 + ["train-001.tar"] * 3 + ["test.tar"] * 2


def test_classes_of_every_member_and_field_are_noted_apart(tmp_path: Path) -> None:
    lists = {"labels": ["sea", "sky"], "objects": [{"bbox": [0, 0, 4, 4], "category": "ship"}], "class": True}
    for name in ("train", "val", "test"):
        write(
            tmp_path / f"{name}.tar",
            [
                *(("1.png", picture(1)), ("1.json", json.dumps(lists).encode()), ("1.cls", b"3")),
                *(("2.png", picture(2)), ("2.json", json.dumps({**lists, "class": False}).encode()), ("2.cls", b"4")),
            ],
        )
    for _ in range(2):
        assert list(open_shards(tmp_path).classes) == ["3", "4"]
        assert list(open_shards(tmp_path, target_ending="json").classes) == ["False", "True"]
        assert list(open_shards(tmp_path, MULTI_LABEL).classes) == ["sea", "sky"]
        assert list(open_shards(tmp_path, BOXES).classes) == ["ship"]


def test_a_sample_whose_class_cannot_be_read_stays_unreadable(root: Path) -> None:
    write(root / "train-000.tar", [*classed({1: 0}), ("2.png", picture(2)), ("2.cls", b"\xff")])
    for _ in range(2):
        samples = open_shards(root).train
        assert isinstance(samples[1], Unreadable)
        assert len(samples) == 5


def test_notes_hold_no_pickles(root: Path) -> None:
    open_shards(root)
    with np.load(root / "train-000.tar.index.npz", allow_pickle=False) as note:
        assert all(note[name].dtype != object for name in note.files)
        assert sorted(note.files) == ["endings", "findings", "keys", "labels class cls class", "places", "stamp"]
