"""Checksums of files and of the content of JSON files, so that damage is detected and never taken for a result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reorder_kit.errors import ReorderKitError

CHECKSUM = "checksum"
"""The key of a JSON object that holds the checksum of all its other keys."""

DAMAGED = "`reorder-kit doctor FOLDER` checks the whole folder; restore a copy of the file, or create it again"
"""What to do about a damaged file."""


def digest_of(file: Path) -> str:
    """The SHA-256 of a file, as ``sha256sum`` gives it.

    Raises:
        ReorderKitError: if it cannot be read.
    """
    if file.exists() and not file.is_file():
        raise ReorderKitError(f"{file}: is not a file", DAMAGED)
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise ReorderKitError(f"{file}: cannot be read: {error.strerror}", DAMAGED) from None


def digest_of_text(text: str) -> str:
    """The SHA-256 of a file with this text."""
    return hashlib.sha256(text.encode()).hexdigest()


def require_digest(file: Path, expected: str | None, source: Path) -> Path:
    """Refuse a file that is not as it was written.

    Args:
        file: the file.
        expected: its SHA-256; None if it is not listed.
        source: the file that lists it.

    Returns:
        The file.

    Raises:
        ReorderKitError: if it is missing, damaged or another file.
    """
    found = digest_of(file)
    if expected is None:
        raise ReorderKitError(f"{file}: is not listed in {source}", DAMAGED)
    if found != expected:
        raise ReorderKitError(f"{file}: is damaged, or from another run: {source} lists a different checksum", DAMAGED)
    return file


def checksum_of(content: Mapping[str, Any]) -> str:
    """The checksum of the content of a JSON object, except its own checksum; white space and key order do not matter.

    >>> checksum_of({"a": 1, "b": [True]}) == checksum_of({"b": [True], "a": 1, "checksum": "any"})
    True
    >>> checksum_of({"a": 1}) == checksum_of({"a": "1"})
    False
    """
    read_back = json.loads(json.dumps({key: value for key, value in content.items() if key != CHECKSUM}))
    return digest_of_text(json.dumps(read_back, sort_keys=True, separators=(",", ":")))


def with_checksum(content: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object with its checksum at the end."""
    return {**content, CHECKSUM: checksum_of(content)}


def without_checksum(content: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The content of a JSON object, with its checksum verified and removed.

    Args:
        content: the object.
        source: its name in messages.

    Raises:
        ReorderKitError: if it has no checksum, or a wrong one.
    """
    if CHECKSUM not in content:
        raise ReorderKitError(
            f"{source}: has no checksum", "it was written by another version or program, or by hand; create it again"
        )
    if content[CHECKSUM] != checksum_of(content):
        raise ReorderKitError(f"{source}: is damaged: its checksum does not match its content", DAMAGED)
    return {key: value for key, value in content.items() if key != CHECKSUM}


def strict_json(text: str | bytes) -> Any:
    """Parse JSON; a duplicate key is an error, instead of silently the last one.

    Raises:
        ValueError: if it is not JSON, not UTF-8, gives a key twice, or is nested too deeply.
    """
    try:
        written = text if isinstance(text, str) else text.decode("utf-8")
        found = json.loads(written, object_pairs_hook=_without_repeats)
        json.dumps(found)  # a checksum also needs content that can be written
    except RecursionError as error:
        raise ValueError("lists or objects are nested too deeply") from error
    return found


def _without_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)[:80]!r} is given twice")
    return found
