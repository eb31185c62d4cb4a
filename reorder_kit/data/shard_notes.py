"""Notes: what was read from a shard, kept for the next time."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from jaxtyping import Shaped, UInt8

Arrays = Mapping[str, Shaped[np.ndarray, "..."]]

NOTE_ENDING = ".index.npz"
"""The extension of the note file next to a shard."""
# Increase it when a noted name changes its meaning.
_FORMAT = 2
_STAMP = "stamp"


def read_note(shard: Path, names: Iterable[str] | None = None) -> dict[str, np.ndarray] | None:
    """Arrays noted for a shard; None if one of them is missing, or the note is damaged or outdated.

    The note is a file next to the shard, or in the user's cache folder if that place is not writable. It is valid for
    the shard's size and modification time.

    Args:
        shard: the tar file.
        names: the arrays to read; all if not given.
    """
    for place in _places(shard):
        try:
            # Opened here, because numpy leaves an unreadable file open.
            with place.open("rb") as file, np.load(file, allow_pickle=False) as note:
                if note[_STAMP].tolist() == _stamp(shard):
                    return {name: note[name] for name in (note.files if names is None else names)}
        except Exception:  # for a damaged file, zipfile and numpy raise anything
            continue
    return None


def add_to_note(shard: Path, arrays: Arrays, beside: bool) -> None:
    """Add arrays to a note, like :func:`write_note`.

    Args:
        shard: the tar file.
        arrays: the arrays, by name.
        beside: as in :func:`write_note`.
    """
    write_note(shard, {**(read_note(shard) or {}), **arrays}, beside)


def write_note(shard: Path, arrays: Arrays, beside: bool) -> None:
    """Write a note with exactly these arrays; if no place is writable, nothing is noted.

    Other processes see the whole note or none. If two processes write at once, one note is lost and written next time.

    Args:
        shard: the tar file.
        arrays: the arrays, by name.
        beside: prefer the shard's folder, if it is writable, to the user's cache folder.
    """
    content: dict[str, Any] = {**arrays, _STAMP: np.array(_stamp(shard), dtype=np.int64)}
    for place in _places(shard)[0 if beside else 1 :]:
        part = place.with_name(f"{place.name}.{uuid4().hex}")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                np.savez(file, **content)
            part.replace(place)
        except OSError:
            with suppress(OSError):  # without such a folder, nothing was written
                part.unlink()
        else:
            return


def as_array(content: Any) -> UInt8[np.ndarray, " byte"]:
    """Plain data as an array of bytes, without a pickle."""
    return np.frombuffer(json.dumps(content).encode(), dtype=np.uint8)


def from_array(array: UInt8[np.ndarray, " byte"]) -> Any:
    """Restore what :func:`as_array` was given."""
    return json.loads(array.tobytes())


def _places(shard: Path) -> tuple[Path, ...]:
    beside = shard.with_name(shard.name + NOTE_ENDING)
    digest = hashlib.sha256(str(shard.resolve()).encode(errors="surrogateescape")).hexdigest()
    home = os.environ.get("XDG_CACHE_HOME")
    try:
        cache = Path(home) if home else Path.home() / ".cache"
    except RuntimeError:  # a user without a home, as in some containers
        return (beside,)
    return beside, cache / "reorder-kit" / "shards" / f"{digest}.npz"


def _stamp(shard: Path) -> list[int]:
    status = shard.stat()
    return [_FORMAT, status.st_size, status.st_mtime_ns]
