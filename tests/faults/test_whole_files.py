"""Wherever the package writes a file, it writes under another name and renames it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import reorder_kit
from reorder_kit.analysis import fitted_vq
from reorder_kit.errors import ReorderKitError
from reorder_kit.whole_file import UNFINISHED, write_unless_same, write_whole

PACKAGE = Path(reorder_kit.__file__).parent
IN_PLACE = re.compile(
    r'write_text\(|write_bytes\(|\.open\("[wx]|savefig\((?!content|out\b|\n)|np\.savez?\((?!content|file)'
)
WRITERS = {
    "whole_file.py": 1,  # under another name
    "analysis/fitted_vq.py": 1,  # an empty file, which reserves a name
    "cli/_help.py": 2,  # not a file: methods of help formatters
    "data/shard_notes.py": 1,  # under another name
    "scaffold/write_package.py": 1,  # a new folder
    "testing/tracker.py": 1,  # in a temporary folder
    "training/checkpoints.py": 1,  # in a folder with another name
    "writable.py": 1,  # an empty file, to test whether writing works
}


def test_nothing_is_written_in_place():
    found = {
        path.relative_to(PACKAGE).as_posix(): len(IN_PLACE.findall(path.read_text()))
        for path in PACKAGE.rglob("*.py")
        if IN_PLACE.search(path.read_text())
    }
    assert found == WRITERS


def test_a_failure_keeps_what_was_there(tmp_path, monkeypatch):
    file = tmp_path / "file"
    write_whole(file, "before")

    def fail(self, data):
        with self.open("wb") as opened:
            opened.write(data[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="No space left"):
        write_whole(file, "after")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert file.read_text() == "before"


def test_a_file_is_left_alone_where_it_has_the_content_and_replaced_where_it_has_not(tmp_path):
    file = tmp_path / "file"
    (tmp_path / f"file{UNFINISHED}").write_text("of a kill")
    write_unless_same(file, "content\n")
    number = file.stat().st_ino
    opened = os.open(file, os.O_RDONLY)
    write_unless_same(file, b"content\n")
    assert file.stat().st_ino == number
    write_unless_same(file, "other\n")
    assert file.read_text() == "other\n"
    assert os.read(opened, 100) == b"content\n"  # a concurrent reader sees one complete version or the other
    os.close(opened)
    assert list(tmp_path.iterdir()) == [file]


def test_each_vq_vae_without_a_name_gets_one_that_no_other_process_takes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with fitted_vq._writable(None, "mine") as first, fitted_vq._writable(None, "mine") as second:
        assert [first.name, second.name] == ["mine.safetensors", "mine-2.safetensors"]
    with pytest.raises(ReorderKitError), fitted_vq._writable(None, "mine") as third:
        raise ReorderKitError("it cannot be trained")
    assert not third.exists()
    assert first.exists()
