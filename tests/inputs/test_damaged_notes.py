"""Damaged index files of shards are ignored, without other effects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reorder_kit.data.shard_notes import as_array, from_array, read_note, write_note
from shards import classed, content, open_shards, write

CONTENT = {"keys": [1, 2]}


@pytest.fixture
def note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "a.tar").write_bytes(b"a shard")
    write_note(tmp_path / "a.tar", {"labels": as_array(CONTENT)}, beside=True)
    return tmp_path / "a.tar.index.npz"


def test_any_damaged_byte_makes_a_note_useless_or_does_not_matter(note: Path) -> None:
    whole = note.read_bytes()
    for place in range(0, len(whole), 2):
        note.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        found = read_note(note.with_name("a.tar"), ["labels"])
        assert found is None or from_array(found["labels"]) == CONTENT


def test_a_note_that_is_cut_off_is_useless(note: Path) -> None:
    whole = note.read_bytes()
    for length in range(0, len(whole), 7):
        note.write_bytes(whole[:length])
        assert read_note(note.with_name("a.tar")) is None


@pytest.mark.parametrize(
    ("place", "value"),
    [
        pytest.param(6, 0x01, id="encrypted"),
        pytest.param(8, 99, id="unknown compression"),
        pytest.param(8, 8, id="not compressed as it says"),
    ],
)
def test_shards_with_damaged_notes_are_read(place: int, value: int, tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        write(tmp_path / f"{split}.tar", classed({1: 0, 2: 1, 3: 0}))
    open_shards(tmp_path)
    for note in tmp_path.glob("*.npz"):
        data = bytearray(note.read_bytes())
        # The same field in the header of every file in the archive, and in its table of contents.
        for mark, shift in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
            start = data.find(mark)
            while start >= 0:
                data[start + place + shift] = value
                start = data.find(mark, start + 4)
        note.write_bytes(data)
        with pytest.raises(Exception), np.load(note) as damaged:  # noqa: B017, PT011
            dict(damaged)
    assert content(open_shards(tmp_path).train) == [(1, 0), (2, 1), (3, 0)]
