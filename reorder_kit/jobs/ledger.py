"""Finished work in a file, so that many runs go on where they were stopped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from reorder_kit import __version__
from reorder_kit.errors import ReorderKitError, writing
from reorder_kit.whole_file import write_whole
from reorder_kit.writable import require_writable_file

_TYPES = {"run": str, "version": str, "settings": dict, "outcome": dict}
_BEGINNING = '{"run": '


class Ledger:
    """A JSON line for each finished run: its name, the version that trained it, its settings, and what came out.

    A line that a kill cut short is no finished run.

    Args:
        path: the file; it is made with the first run, and so is its folder.

    Raises:
        ReorderKitError: if it cannot be read or written, or holds anything else.
    """

    def __init__(self, path: Path) -> None:
        require_writable_file(path)  # better to say so before any training
        self.path = path
        self._lines = {line["run"]: line for line in self._read()}

    def outcome(self, run: str, settings: Mapping[str, Any]) -> dict[str, Any] | None:
        """What came out of a run; None if it is not finished.

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
        """Versions of this package, other than the one that asks, that trained some of these finished runs."""
        return {self._lines[run]["version"] for run in runs} - {__version__}

    def add(self, run: str, settings: Mapping[str, Any], outcome: Mapping[str, Any]) -> None:
        """Note that a run is finished."""
        line = {"run": run, "version": __version__, "settings": settings, "outcome": outcome}
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        self._lines[run] = line

    def _read(self) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            return
        try:
            text = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ReorderKitError(f"{self.path}: cannot be read: {error}") from None
        complete, newline, cut_short = text.rpartition("\n")
        for number, written in enumerate(complete.splitlines(), start=1):
            yield self._parse(written, number)
        if not cut_short:
            return
        if not cut_short.startswith(_BEGINNING[: len(cut_short)]):
            self._refuse(complete.count("\n") + 1 + bool(newline))
        with writing(self.path):
            write_whole(self.path, complete + newline)

    def _parse(self, written: str, number: int) -> dict[str, Any]:
        try:
            # The first ledgers did not say.
            line = {"version": "unknown", **json.loads(written)}
        except (ValueError, TypeError):
            line = None
        if not (isinstance(line, dict) and {name: type(value) for name, value in line.items()} == _TYPES):
            self._refuse(number)
        return line

    def _refuse(self, number: int) -> NoReturn:
        raise ReorderKitError(f"{self.path}: line {number} is not a valid record", "give another file with --out")


def _fields(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of nested sections by dotted path."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _fields(value, f"{path}.{key}".strip("."))
    else:
        yield path, content
