"""Every state in which a kill can leave a folder, found by observing a program that is not killed.

Python calls an audit hook before each file is opened, renamed or removed. A kill at that moment would leave the folder
in its current state. Between two moments a file may have grown, and a kill would leave a part of it.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reorder_kit.whole_file import UNFINISHED

Content = dict[str, bytes | None]
"""The content of each file by relative path; None for folders."""

_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.link", "os.symlink", "shutil.rmtree"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass
class States:
    """The states of a folder, each with the event before which, or the file in whose middle, it is seen."""

    root: Path
    found: list[tuple[str, Content]] = field(default_factory=list)
    _last: Content = field(default_factory=dict)

    def note(self, event: str) -> None:
        now = content_of(self.root)
        self.found += [(f"within {name}", {**now, name: part}) for name, part in _parts(self._last, now)]
        self.found.append((event, now))
        self._last = now

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        paths = [os.fsdecode(path) for path in args[:2] if isinstance(path, str | bytes | os.PathLike)]
        if event not in _CHANGES and not (event == "open" and args[2] & _WRITES):
            return
        # Removing a tree names its files relative to an open folder.
        inside = [path for path in paths if Path(path).absolute().is_relative_to(self.root)]
        if not inside and (event == "open" or Path(paths[0]).parent.name):
            return
        self.note(f"before {event} {' '.join(os.path.relpath(path, self.root) for path in inside)}".strip())
        if event == "os.rename" and len(inside) == 2:
            self._rename(*(str(Path(path).absolute().relative_to(self.root)) for path in inside))

    def _rename(self, source: str, target: str) -> None:
        """Renaming does not write content."""
        moved = {name: content for name, content in self._last.items() if Path(name).is_relative_to(source)}
        self._last = {name: content for name, content in self._last.items() if name not in moved}
        self._last |= {str(Path(target) / Path(name).relative_to(source)): content for name, content in moved.items()}

    def distinct(self) -> list[tuple[str, Content]]:
        """Each state once."""
        seen: dict[frozenset[tuple[str, bytes | None]], tuple[str, Content]] = {}
        for event, content in self.found:
            seen.setdefault(frozenset(content.items()), (event, content))
        return list(seen.values())


@contextmanager
def states_of(root: Path) -> Iterator[States]:
    """Listen to what this process does in a folder."""
    states = States(root.absolute(), _last=content_of(root))
    _listening.append(states)
    try:
        yield states
    finally:
        _listening.remove(states)
    states.note("after all")


def content_of(root: Path) -> Content:
    """The content of a folder."""
    return {
        str(path.relative_to(root)): None if path.is_dir() else path.read_bytes() for path in sorted(root.rglob("*"))
    }


def restore(root: Path, content: Content) -> None:
    """Give a folder exactly this content."""
    shutil.rmtree(root)
    root.mkdir()
    for name, written in content.items():
        if written is None:
            (root / name).mkdir()
        else:
            (root / name).write_bytes(written)


def _parts(before: Content, after: Content) -> Iterator[tuple[str, bytes]]:
    """Written files, and what a kill during the write leaves of them."""
    for name, content in after.items():
        old = before.get(name)
        if content is None or content == old:
            continue
        if old and content.startswith(old):
            yield name, content[: (len(old) + len(content)) // 2]
            continue
        yield name, content[: len(content) // 2]
        if UNFINISHED.removeprefix(".") not in name:  # a file that is opened for writing is empty at first
            yield name, b""


def _hear(event: str, args: tuple[Any, ...]) -> None:
    for states in _listening:
        states.hear(event, args)


_listening: list[States] = []
sys.addaudithook(_hear)
