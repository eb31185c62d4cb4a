"""The places of a tar file's members, so that each can be read without reading the ones before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tarfile import BLOCKSIZE

import numpy as np
from jaxtyping import Int64

from reorder_kit.data.shard_headers import Place, are_there, read_headers
from reorder_kit.data.shard_notes import as_array, from_array, read_note, write_note
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Finding

Places = Int64[np.ndarray, "sample 2"]
"""Offset and size of a member of each sample, in bytes; a negative offset if a sample has no such member."""

_MOST_ENDINGS = 1_000
_VERIFIED = 5
"""The number of samples in a noted index whose headers are verified."""


@dataclass(frozen=True)
class ShardIndex:
    """The samples of a shard: members that share directory and stem.

    Args:
        path: the shard.
        keys: directory and stem of each sample, in UTF-8.
        members: by extension, the place of that member of each sample.
        findings: what was left out or read differently.
    """

    path: Path
    keys: np.ndarray
    members: Mapping[str, Places]
    findings: tuple[Finding, ...]

    def __len__(self) -> int:
        return len(self.keys)

    def name(self, sample: int) -> str:
        """A sample's name in messages."""
        return f"{self.path}, sample {self.key(sample)}"

    def key(self, sample: int) -> str:
        """A sample's name inside the shard."""
        return str(self.keys[sample].decode(errors="replace"))

    def places(self, endings: Sequence[str]) -> Places:
        """The place of one member of each sample: the one with the first of these extensions that the sample has."""
        found = np.full((len(self), 2), -1, dtype=np.int64)
        for ending in reversed(endings):
            if ending in self.members:
                there = self.members[ending]
                found = np.where(there[:, :1] >= 0, there, found)
        return found


def index_shard(path: Path, notes_beside: bool = True) -> ShardIndex:
    """Read the headers of a shard, or an earlier note of them.

    Args:
        path: the shard.
        notes_beside: write the note next to the shard if possible.

    Raises:
        ReorderKitError: if the shard is damaged or cut short.
    """
    noted = read_note(path, ("keys", "endings", "places", "findings"))
    index = None if noted is None else _from_note(path, noted)
    if index is not None:
        return index
    headers = read_headers(path)
    findings = [(finding.what, finding.count, finding.example) for finding in headers.findings.found]
    index = _as_arrays(path, headers.samples, _named(path, findings))
    write_note(
        path,
        {
            "keys": index.keys,
            "endings": np.array(list(index.members), dtype=np.str_),
            "places": np.array(list(index.members.values()), dtype=np.int64),
            "findings": as_array(findings),
        },
        notes_beside,
    )
    return index


def _from_note(path: Path, noted: Mapping[str, np.ndarray]) -> ShardIndex | None:
    """The noted index, if members are where it says; a note may be outdated or belong to another shard."""
    keys, places = noted["keys"], noted["places"]
    endings = [str(ending) for ending in noted["endings"].ravel()]
    if keys.ndim != 1 or keys.dtype.kind != "S" or places.dtype != np.int64:
        return None
    if places.shape != (len(endings), len(keys), 2) and places.size:
        return None
    try:
        findings = [(str(what), int(count), str(example)) for what, count, example in from_array(noted["findings"])]
    except (ValueError, TypeError):
        return None
    index = ShardIndex(path, keys, dict(zip(endings, places, strict=False)), _named(path, findings))
    return index if _lies_within(path, places) and are_there(path, _some_members(index)) else None


def _lies_within(path: Path, places: np.ndarray) -> bool:
    """Whether offsets and sizes are possible for members."""
    length = path.stat().st_size
    offsets, sizes = places.reshape(-1, 2)[places.reshape(-1, 2)[:, 0] >= 0].T
    is_sound = (offsets >= BLOCKSIZE) & (offsets % BLOCKSIZE == 0) & (sizes >= 0) & (sizes <= length)
    return bool((is_sound & (offsets <= length - np.clip(sizes, 0, length))).all())


def _some_members(index: ShardIndex) -> Iterator[tuple[str, Place]]:
    """Names and places of members of the first, the last, and some other samples, except hard links."""
    offsets = np.concatenate([places[:, 0] for places in index.members.values()] or [np.zeros(0, dtype=np.int64)])
    distinct, times = np.unique(offsets, return_counts=True)
    shared = set(distinct[times > 1].tolist())
    for sample in np.unique(np.linspace(0, max(0, len(index) - 1), min(_VERIFIED, len(index))).astype(int)).tolist():
        for ending, places in index.members.items():
            offset, size = places[sample].tolist()
            if offset >= 0 and offset not in shared:
                yield f"{index.keys[sample].decode(errors='surrogateescape')}.{ending}", (offset, size)


def _named(path: Path, findings: Iterable[tuple[str, int, str]]) -> tuple[Finding, ...]:
    """The findings, which name the shard and an example in it."""
    return tuple(
        Finding(what, count, f"{path}, {example}" if example else str(path)) for what, count, example in findings
    )


def _as_arrays(path: Path, samples: Mapping[str, Mapping[str, Place]], findings: tuple[Finding, ...]) -> ShardIndex:
    endings = sorted({ending for members in samples.values() for ending in members})
    if len(endings) > _MOST_ENDINGS:
        raise ReorderKitError(
            f"the shard {path} has members with {len(endings)} different extensions, such as {endings[0]!r}",
            "an extension starts at the first dot of a name; write the shard again, without other dots in names",
        )
    nowhere = (-1, 0)
    return ShardIndex(
        path,
        np.array([key.encode(errors="surrogateescape") for key in samples], dtype=np.bytes_),
        {
            ending: np.array([members.get(ending, nowhere) for members in samples.values()], dtype=np.int64)
            for ending in endings
        },
        findings,
    )
