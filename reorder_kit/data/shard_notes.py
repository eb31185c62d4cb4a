"""What was read of a shard once, kept for the next time."""

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
"""Of the file beside a shard that holds its note."""
# Goes up when something else is noted under a name that has been used before.
_FORMAT = 2
_STAMP = "stamp"


def read_note(shard: Path, names: Iterable[str] | None = None) -> dict[str, np.ndarray] | None:
    """Arrays that were noted of a shard; None if one of them was not, or the note is damaged or outdated.

    The note is a file beside the shard, or in the user's cache folder where that cannot be written; it holds for the
    shard's size and time of change.

    Args:
        shard: the tar file.
        names: which arrays; all if not given.
    """
    for place in _places(shard):
        try:
            # Opened here, since numpy leaves a file open that it cannot read.
            with place.open("rb") as file, np.load(file, allow_pickle=False) as note:
                if note[_STAMP].tolist() == _stamp(shard):
                    return {name: note[name] for name in (note.files if names is None else names)}
        except Exception:  # a damaged one makes zipfile and numpy raise whatever they like
            continue
    return None


def add_to_note(shard: Path, arrays: Arrays, beside: bool) -> None:
    """Note arrays beside those that are there, as :func:`write_note` does.

    Args:
        shard: the tar file.
        arrays: by name.
        beside: as there.
    """
    write_note(shard, {**(read_note(shard) or {}), **arrays}, beside)


def write_note(shard: Path, arrays: Arrays, beside: bool) -> None:
    """Note these arrays and no others; where no place can be written, nothing is noted.

    Other processes see all of it or nothing. Of two that write at once one is lost, and is noted the next time.

    Args:
        shard: the tar file.
        arrays: by name.
        beside: in the folder of the shard where that can be written, and not only in the user's cache folder.
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
            with suppress(OSError):  # nothing was begun where there is no such folder
                part.unlink()
        else:
            return


def as_array(content: Any) -> UInt8[np.ndarray, " byte"]:
    """Plain data as an array of bytes, without a pickle."""
    return np.frombuffer(json.dumps(content).encode(), dtype=np.uint8)


def from_array(array: UInt8[np.ndarray, " byte"]) -> Any:
    """What :func:`as_array` was given."""
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
