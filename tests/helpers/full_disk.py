"""A machine that fails while writing: patched into this process, below everything that writes files."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class FailingMachine:
    """Counts writes below a folder, and refuses one and all that follow, as a full disk does.

    A write is an open for writing, the first bytes to an open file, a new folder or a rename.

    Args:
        folder: writes elsewhere work as usual.
        first: number of the first write that is refused, from 0; None for none.
        code: the error code of the system.
    """

    def __init__(self, folder: Path, first: int | None = None, code: int = errno.ENOSPC) -> None:
        self.folder, self.first, self.code = str(folder.absolute()), first, code
        self.writes: list[str] = []

    def note(self, path: object, what: str) -> None:
        """A write is about to happen."""
        if isinstance(path, int):
            return
        name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100
        if not name.startswith(self.folder):
            return
        self.writes.append(f"{what} {os.path.relpath(name, self.folder)}")
        if self.first is not None and len(self.writes) > self.first:
            named = None if what == "write" else str(path)  # the system does not know the name of an open file
            raise OSError(self.code, os.strerror(self.code), named)


class _Refusing(io.FileIO):
    """An open file whose first bytes count as a write."""

    machine: FailingMachine
    is_new = True

    def write(self, data) -> int:
        if self.is_new:
            self.is_new = False
            self.machine.note(self.name, "write")
        return super().write(data)


@contextmanager
def failing_machine(folder: Path, first: int | None = None, code: int = errno.ENOSPC) -> Iterator[FailingMachine]:
    """A context in which writes below a folder are counted and, from the first on, refused."""
    machine = FailingMachine(folder, first, code)
    usual = {name: getattr(os, name) for name in ("mkdir", "rename", "replace")}
    usual_open = io.open

    def open_(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
        is_written = not isinstance(file, int) and set(mode) & set("wax+")
        inside = is_written and os.path.abspath(os.fsdecode(file)).startswith(machine.folder)  # noqa: PTH100
        if not inside:
            return usual_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        machine.note(file, "open")
        raw = _Refusing(os.fspath(file), mode.replace("b", "").replace("t", ""))
        raw.machine = machine
        buffered = io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

    def watched(name, place):
        def call(*arguments, **options):
            machine.note(arguments[place], name)
            return usual[name](*arguments, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(io, "open", open_)
        patch.setattr("builtins.open", open_)
        patch.setattr(os, "mkdir", watched("mkdir", 0))
        patch.setattr(os, "rename", watched("rename", 1))
        patch.setattr(os, "replace", watched("replace", 1))
        yield machine
