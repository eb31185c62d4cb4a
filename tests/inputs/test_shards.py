"""Real-world shards: joined, linked, oddly named, with the wrong index files, and endless patterns."""

from __future__ import annotations

import os
import tarfile
import threading
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest

from reorder_kit.data.shard_files import ShardFiles
from reorder_kit.data_sources.webdataset import WebDataset
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import DataSplits, Unreadable
from shards import classed, content, fill_root, open_shards, picture, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return fill_root(tmp_path)


def told(splits: DataSplits) -> dict[str, tuple[int, str]]:
    return {finding.what: (finding.count, finding.example) for finding in splits.findings}


# Concatenated archives

JOINED = "further archives after the end mark of a shard are read, too"


@pytest.mark.parametrize("zeros", [0, 512, 1 << 20, (1 << 20) + 512])
def test_archives_that_were_joined_are_read_to_the_end(root: Path, zeros: int) -> None:
    first, second = root / "train-000.tar", root / "train-001.tar"
    third = write(root / "third.tar", classed({9: 1}))
    first.write_bytes(first.read_bytes() + bytes(zeros) + second.read_bytes() + third.read_bytes())
    for _ in range(2):  # from the headers, and from the index
        splits = open_shards(root, train="train-000.tar")
        assert content(splits.train) == [(1, 0), (2, 1), (3, 2), (4, 0), (5, 1), (9, 1)]
        assert told(splits) == {JOINED: (2, str(first))}


def test_archives_of_the_same_samples_cannot_be_joined(root: Path) -> None:
    shard = root / "train-000.tar"
    shard.write_bytes(shard.read_bytes() * 2)
    with pytest.raises(ReorderKitError, match=r"train-000\.tar has two members named 001\."):
        open_shards(root)


@pytest.mark.parametrize("junk", [b"\n", b"junk" * 200], ids=["a byte", "blocks"])
def test_what_is_no_archive_behind_the_end_mark_is_refused(root: Path, junk: bytes) -> None:
    shard = root / "train-000.tar"
    shard.write_bytes(shard.read_bytes() + junk)
    with pytest.raises(ReorderKitError, match=r"train-000\.tar (is damaged|is cut short)"):
        open_shards(root)


def test_a_joined_archive_that_is_cut_short_is_refused(root: Path) -> None:
    first, second = root / "train-000.tar", root / "train-001.tar"
    first.write_bytes(first.read_bytes() + second.read_bytes()[:700])
    with pytest.raises(ReorderKitError, match=r"train-000\.tar"):
        open_shards(root)


# Links and names


def add(path: Path, *members: tarfile.TarInfo, content: bytes = b"") -> None:
    with tarfile.open(path, "a") as shard:
        for member in members:
            shard.addfile(member, BytesIO(content) if content else None)


def link(name: str, leads_to: str, kind: bytes = tarfile.LNKTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, leads_to
    return member


def test_hard_links_are_read_as_what_they_lead_to(root: Path) -> None:
    shard = root / "train-000.tar"
    add(shard, link("copy.png", "002.png"), link("copy.cls", "001.cls"))
    for _ in range(2):
        splits = open_shards(root, train="train-000.tar")
        assert content(splits.train) == [(1, 0), (2, 1), (2, 0)]
        assert told(splits) == {"hard links are read as the members they point to": (2, f"{shard}, copy.png")}


def test_links_that_lead_nowhere_and_symbolic_links_are_told_of(root: Path) -> None:
    shard = root / "train-000.tar"
    add(shard, link("lost.png", "nothing.png"), link("soft.png", "002.png", tarfile.SYMTYPE))
    splits = open_shards(root, train="train-000.tar")
    assert content(splits.train) == [(1, 0), (2, 1)]
    assert told(splits) == {
        "hard links to missing members are left out": (1, f"{shard}, lost.png"),
        "members other than files, such as symbolic links, are left out": (1, f"{shard}, soft.png"),
    }


def test_hidden_files_and_files_without_an_ending_are_told_of(root: Path) -> None:
    junk = [("._001.png", b"junk"), (".DS_Store", b"junk"), ("README", b"words")]
    shard = write(root / "train-000.tar", [*junk, *classed({1: 0, 2: 1})])
    splits = open_shards(root, train="train-000.tar")
    assert content(splits.train) == [(1, 0), (2, 1)]
    assert told(splits) == {"members that are hidden or have no extension are left out": (3, f"{shard}, ._001.png")}


def test_an_image_whose_name_has_another_dot_is_told_of(root: Path) -> None:
    shard = write(
        root / "train-000.tar", [*classed({1: 0, 2: 1}), ("photo.v2.png", picture(3)), ("photo.v2.cls", b"0")]
    )
    splits = open_shards(root, train="train-000.tar")
    assert isinstance(splits.train[2], Unreadable)
    what = "samples have no image but another dot in their name, where the extension starts"
    assert told(splits) == {what: (1, f"{shard}, photo.v2.png")}


def test_images_whose_names_all_have_another_dot_are_refused_with_the_cause(root: Path) -> None:
    write(root / "train-000.tar", [("a.v2.png", picture(3)), ("a.v2.cls", b"0")])
    with pytest.raises(ReorderKitError, match=r"data\.image_endings: no sample of .*train-000\.tar") as error:
        open_shards(root)
    assert "an extension starts at the first dot of a name, as in a.v2.png" in str(error.value.hint)


def test_a_dot_in_the_name_of_a_folder_does_not_matter(root: Path) -> None:
    write(root / "train-000.tar", [(f"./images.v2/{name}", data) for name, data in classed({1: 0, 2: 1})])
    assert content(open_shards(root, train="train-000.tar").train) == [(1, 0), (2, 1)]


# Notes

EXPECTED = [(1, 0), (2, 1), (3, 2), (4, 0), (5, 1)]


def forge(shard: Path, **arrays: Any) -> None:
    """Change the index of a shard."""
    note = shard.with_name(shard.name + ".index.npz")
    with np.load(note) as noted:
        content = {name: noted[name] for name in noted.files}
    np.savez(note, **{**content, **arrays})


def places_of(shard: Path) -> Any:
    with np.load(shard.with_name(shard.name + ".index.npz")) as noted:
        return noted["places"]


@pytest.mark.parametrize(
    "change",
    [
        lambda places: places + np.array([512, 0]),
        lambda places: places * np.array([1 << 40, 1]),
        lambda places: places + np.array([1, 0]),
        lambda places: places * np.array([1, -1]),
        lambda places: places * np.array([1, 1 << 50]),
        lambda places: places + np.array([0, 1]),
        lambda places: places[:, ::-1],
        lambda places: places[::-1],
        lambda places: places[:, :1],
        lambda places: places.astype(np.float64),
        lambda places: places.ravel(),
    ],
    ids=[
        *("moved", "far behind the end", "between blocks", "negative sizes", "endless sizes", "longer"),
        *("samples reversed", "endings reversed", "too few", "fractions", "flat"),
    ],
)
def test_a_forged_index_is_read_anew(root: Path, change: Any) -> None:
    assert content(open_shards(root).train) == EXPECTED
    for name in ("train-000.tar", "train-001.tar"):
        forge(root / name, places=change(places_of(root / name)))
    assert content(open_shards(root).train) == EXPECTED
    # And it is right the next time.
    assert (places_of(root / "train-001.tar")[:, :, 0] % 512 == 0).all()


@pytest.mark.parametrize(
    "findings", [np.zeros(3, np.uint8), np.frombuffer(b"[1, 2]", np.uint8)], ids=["none", "numbers"]
)
def test_forged_findings_are_read_anew(root: Path, findings: Any) -> None:
    open_shards(root)
    forge(root / "train-000.tar", findings=findings)
    assert content(open_shards(root).train) == EXPECTED


def test_an_index_of_what_the_shard_was_before_is_read_anew(root: Path) -> None:
    open_shards(root)
    shard = root / "train-000.tar"
    before = shard.stat()
    # With the same size and time, as copying with times can produce.
    write(shard, classed({7: 1, 8: 2}))
    assert shard.stat().st_size == before.st_size
    os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert content(open_shards(root).train) == [(7, 1), (8, 2), *EXPECTED[2:]]


def test_labels_of_what_the_shard_was_before_are_read_anew(root: Path) -> None:
    open_shards(root)
    shard = root / "train-000.tar"
    before = shard.stat()
    write(shard, classed({1: 0, 2: 7}))
    os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))
    splits = open_shards(root)
    assert list(splits.classes) == ["0", "1", "2", "7"]
    assert content(splits.train)[:2] == [(1, 0), (2, 3)]


@pytest.mark.parametrize("labels", [b"no list", b"{}", b"[[0]]"], ids=["no JSON", "no list", "too few"])
def test_forged_labels_are_read_anew(root: Path, labels: bytes) -> None:
    open_shards(root)
    forge(root / "train-001.tar", **{"labels class cls class": np.frombuffer(labels, np.uint8)})
    assert list(open_shards(root).classes) == ["0", "1", "2"]


# Patterns


@pytest.mark.parametrize(
    "pattern",
    [
        "train-{0..999999999}.tar",
        "train-{000000000..999999999}.tar",
        "{0..99999}{0..99999}.tar",
        "{a,b{0..999999999..2}}.tar",
        "{999999999..0}.tar",
        "{0..999}-{0..999}.tar",
    ],
)
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_pattern_without_an_end_is_refused_at_once(pattern: str, split: str) -> None:
    with pytest.raises(pydantic.ValidationError, match="more than 100,000 names"):
        WebDataset.Options(**{"root": Path("shards"), "train": "train.tar", split: pattern})


def test_a_large_step_makes_a_long_range_short(root: Path) -> None:
    options = WebDataset.Options(root=root, train="train-{0..9000000..3000000}.tar")
    with pytest.raises(ReorderKitError, match=r"the shard .*train-0\.tar does not exist"):
        WebDataset(options).open(0)


# Reading by position


def test_without_pread_shards_are_read_by_several_threads(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pread")
    assert content(open_shards(root).train) == EXPECTED
    data = np.random.default_rng(0).integers(0, 256, 1 << 16, dtype=np.uint8).tobytes()
    (root / "file").write_bytes(data)
    files, right = ShardFiles(), []
    files.read(root / "file", 0, 1)

    def read(thread: int) -> None:
        offsets = range(thread, (1 << 16) - 16, 97)
        right.append(all(files.read(root / "file", offset, 16) == data[offset : offset + 16] for offset in offsets))

    threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert right == [True] * 4
