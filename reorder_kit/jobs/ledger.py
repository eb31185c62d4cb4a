"""A file of finished work, so that many runs can resume after a stop."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from reorder_kit import __version__
from reorder_kit.errors import ReorderKitError, writing
from reorder_kit.orders.checksums import CHECKSUM, strict_json, with_checksum, without_checksum
from reorder_kit.whole_file import write_whole
from reorder_kit.writable import require_writable_file

_TYPES = {"run": str, "version": str, "settings": dict, "outcome": dict, CHECKSUM: str}
_BEGINNING = '{"run": '


class Ledger:
    """A JSON line for each finished run: its name, the version that trained it, its settings, and its outcome.

    A line that was cut short by a kill does not count.

    Args:
        path: the file; it and its folder are created with the first run.

    Raises:
        ReorderKitError: if it cannot be read or written, or holds anything else.
    """

    def __init__(self, path: Path) -> None:
        require_writable_file(path)  # fails here rather than after training
        self.path = path
        lines, complete = finished_work(path) if path.exists() else ([], "")
        self._lines = {line["run"]: line for line in lines}
        if path.exists() and path.read_bytes() != complete.encode():
            with writing(path):
                write_whole(path, complete)

    def outcome(self, run: str, settings: Mapping[str, Any]) -> dict[str, Any] | None:
        """The outcome of a run; None if it is not finished.

        Raises:
            ReorderKitError: if a run of that name was trained with other settings.
        """
        line = self._lines.get(run)
        if line is None:
            return None
        if line["settings"] != settings:
            there, asked = (dict(_fields(content)) for content in (line["settings"], settings))
            different = sorted(name for name in there.keys() | asked.keys() if there.get(name) != asked.get(name))
            raise ReorderKitError(
                f"{self.path}: {run} was trained with other settings; these fields differ: {', '.join(different)}",
                "give another file with --out",
            )
        outcome: dict[str, Any] = line["outcome"]
        return outcome

    def other_versions(self, runs: Iterable[str]) -> set[str]:
        """Other versions of this package that trained some of these finished runs."""
        return {self._lines[run]["version"] for run in runs} - {__version__}

    def add(self, run: str, settings: Mapping[str, Any], outcome: Mapping[str, Any]) -> None:
        """Record a finished run."""
        line = with_checksum({"run": run, "version": __version__, "settings": settings, "outcome": outcome})
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        self._lines[run] = line


def finished_work(path: Path) -> tuple[list[dict[str, Any]], str]:
    """The lines of a ledger, and its text without a line that was cut short by a kill.

    Raises:
        ReorderKitError: if it cannot be read, or a line is damaged or holds anything else.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReorderKitError(f"{path}: cannot be read: {error}") from None
    complete, newline, cut_short = text.rpartition("\n")
    written = complete.split("\n") if complete else []
    lines = [_parse(line, f"{path}: line {number}") for number, line in enumerate(written, start=1)]
    if not cut_short.startswith(_BEGINNING[: len(cut_short)]):
        _refuse(f"{path}: line {len(lines) + 1}")
    return lines, complete + newline


def _parse(written: str, source: str) -> dict[str, Any]:
    try:
        line = strict_json(written)
    except ValueError:
        line = None
    if not (isinstance(line, dict) and {name: type(value) for name, value in line.items()} == _TYPES):
        _refuse(source)
    return without_checksum(line, source)


def _refuse(source: str) -> NoReturn:
    raise ReorderKitError(f"{source} is not a valid record", "give another file with --out")


def _fields(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of nested sections by dotted path."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _fields(value, f"{path}.{key}".strip("."))
    else:
        yield path, content
