"""Where the members of a tar file lie, so that each can be read without reading those before it."""

from __future__ import annotations

import os
import re
import tarfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from reorder_kit.data.shard_notes import add_to_note, read_note
from reorder_kit.errors import ReorderKitError

Places = Int64[np.ndarray, "sample 2"]
"""Offset and size of a member of each sample, bytes; a negative offset where a sample has no such member."""

# Directories, then the stem up to the first dot, then the ending: the rule of the format.
_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]+)")
_MOST_ENDINGS = 1_000
_OPEN_FILES = 64


@dataclass(frozen=True)
class ShardIndex:
    """The samples of a shard: members that share directory and stem.

    Args:
        path: the shard.
        keys: directory and stem of each sample, in UTF-8.
        members: by ending, where that member of each sample lies.
    """

    path: Path
    keys: np.ndarray
    members: Mapping[str, Places]

    def __len__(self) -> int:
        return len(self.keys)

    def name(self, sample: int) -> str:
        """How to call a sample in messages."""
        return f"{self.path}, sample {self.key(sample)}"

    def key(self, sample: int) -> str:
        """How a sample is called inside the shard."""
        return str(self.keys[sample].decode(errors="replace"))

    def places(self, endings: Sequence[str]) -> Places:
        """Where the member of each sample lies that has the first of these endings that the sample has."""
        found = np.full((len(self), 2), -1, dtype=np.int64)
        for ending in reversed(endings):
            if ending in self.members:
                there = self.members[ending]
                found = np.where(there[:, :1] >= 0, there, found)
        return found


def index_shard(path: Path) -> ShardIndex:
    """Read the headers of a shard, or what was noted of them before.

    Raises:
        ReorderKitError: if the shard is damaged or cut short.
    """
    noted = read_note(path, ("keys", "endings", "places"))
    if noted is not None:
        endings = map(str, noted["endings"])
        return ShardIndex(path, noted["keys"], dict(zip(endings, noted["places"], strict=True)))
    index = _read_headers(path)
    add_to_note(
        path,
        {
            "keys": index.keys,
            "endings": np.array(list(index.members), dtype=np.str_),
            "places": np.array(list(index.members.values()), dtype=np.int64),
        },
    )
    return index


class ShardFiles:
    """Shards that stay open between reads, the last few of them.

    Every process opens its own after it was sent the object. One that was forked may go on with what it inherits, since
    reads name their position and share none.
    """

    def __init__(self) -> None:
        self._open: OrderedDict[Path, int] = OrderedDict()

    def __reduce__(self) -> tuple[type[ShardFiles], tuple[()]]:
        return ShardFiles, ()

    def __del__(self) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)

    def read(self, path: Path, offset: int, size: int) -> bytes:
        """Bytes of a shard.

        Raises:
            OSError: if they are not there.
        """
        descriptor = self._open.get(path)
        if descriptor is None:
            descriptor = self._open[path] = os.open(path, os.O_RDONLY)
            if len(self._open) > _OPEN_FILES:
                os.close(self._open.popitem(last=False)[1])
        self._open.move_to_end(path)
        data = os.pread(descriptor, size, offset)
        if len(data) < size:
            raise OSError(f"the shard has {len(data)} of {size} bytes at {offset}; it was changed since it was opened")
        return data


def _read_headers(path: Path) -> ShardIndex:
    samples: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        with tarfile.open(path, "r:") as archive:
            for key, ending, member in _named_members(archive):
                members = samples.setdefault(key, {})
                if ending in members:
                    raise ReorderKitError(f"the shard {path} has two members {member.name}")
                if member.issparse():
                    raise ReorderKitError(f"the shard {path} has a sparse member, {member.name}", "write it without -S")
                members[ending] = (member.offset_data, member.size)
            end = archive.offset
        # tarfile takes a broken header in the middle for the end, which is a block of zeros.
        with path.open("rb") as file:
            file.seek(end)
            block = file.read(tarfile.BLOCKSIZE)
    except (tarfile.TarError, OSError) as error:
        raise ReorderKitError(f"the shard {path} cannot be read: {error}", _HINT) from error
    if block != tarfile.NUL * tarfile.BLOCKSIZE:
        what = "is cut short" if len(block) < tarfile.BLOCKSIZE else "is damaged"
        raise ReorderKitError(f"the shard {path} {what}: after {end} bytes there is no header and no end mark", _HINT)
    return _as_arrays(path, samples)


_HINT = "copy or write it again; shards are tar files without compression"


def _named_members(archive: tarfile.TarFile) -> Iterator[tuple[str, str, tarfile.TarInfo]]:
    for member in archive:
        match = _NAME.fullmatch(member.name)
        if member.isreg() and match:
            yield match[1], match[2].lower(), member


def _as_arrays(path: Path, samples: Mapping[str, Mapping[str, tuple[int, int]]]) -> ShardIndex:
    endings = sorted({ending for members in samples.values() for ending in members})
    if len(endings) > _MOST_ENDINGS:
        raise ReorderKitError(
            f"the shard {path} has members of {len(endings)} endings, as {endings[0]!r}",
            "an ending starts at the first dot of a name; write the shard again, with names that have no other dots",
        )
    nowhere = (-1, 0)
    return ShardIndex(
        path,
        np.array([key.encode(errors="surrogateescape") for key in samples], dtype=np.bytes_),
        {
            ending: np.array([members.get(ending, nowhere) for members in samples.values()], dtype=np.int64)
            for ending in endings
        },
    )
