"""Find images that are in two splits, in data too large to read completely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Int64, UInt64

from reorder_kit.data.findings import Findings
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Finding, HasIdentities, Identity, Sample, SampleSet

SAMPLED = 1_000
"""The largest number of images of a split that are compared with other splits."""
MOST_READ = 3_000
"""The largest number of files per split whose ends are read: this takes seconds, even over a network."""
NOT_COMPARED = "validation and test images were not checked for copies, because there are too many"
SOME_COPIED = "images in a sample are copies of images in another split"

_FEWEST_LOOKED_AT = 20
_MANY = 0.1
"""A share of copies too large for a slip: scores on such a split would mean little."""


class NamedSamples(SampleSet, HasIdentities, Protocol):
    """Samples with identities."""


@dataclass(frozen=True)
class _Split:
    """The images of a split, with their sizes and inodes.

    Args:
        name: the split's name.
        samples: its samples.
        sizes: the size of each file, in bytes; -1 if unknown.
        inodes: the inode number of each file; 0 if there is none.
    """

    name: str
    samples: NamedSamples
    sizes: Int64[np.ndarray, " image"]
    inodes: UInt64[np.ndarray, " image"]

    def __len__(self) -> int:
        return len(self.sizes)

    def identity(self, number: int) -> Identity:
        return self.samples.identity(number)


def shared_in_large_data(named: Mapping[str, NamedSamples]) -> tuple[Finding, ...]:
    """Compare all images by file, and some of them by content.

    Two paths to one file are found among all images by their inodes. For up to :data:`SAMPLED` images each of
    validation and test, copies are searched among the equally large files of the preceding splits.

    Args:
        named: the splits whose samples have identities, training first.

    Returns:
        Findings: how many validation and test images were not compared, and any copies, if they are few.

    Raises:
        ReorderKitError: naming a file that is in two splits, or a copy if there are many.
    """
    splits = [_looked_at(name, samples) for name, samples in named.items()]
    _refuse_shared_files(splits)
    findings = Findings()
    for place, split in enumerate(splits[1:], start=1):
        _compare_some(split, splits[:place], findings)
    return findings.found


def _looked_at(name: str, samples: NamedSamples) -> _Split:
    sizes, inodes = np.full(len(samples), -1, np.int64), np.zeros(len(samples), np.uint64)
    for number in range(len(samples)):
        stored = samples.identity(number).stored()
        if stored is not None:
            sizes[number] = stored.size
            inodes[number] = 0 if stored.file is None else stored.file[1] % 2**64
    return _Split(name, samples, sizes, inodes)


def _refuse_shared_files(splits: Sequence[_Split]) -> None:
    if not splits:
        return
    inodes = np.concatenate([split.inodes for split in splits])
    of_split = np.repeat(np.arange(len(splits)), [len(split) for split in splits])
    numbers = np.concatenate([np.arange(len(split)) for split in splits])
    # Sorted by inode, then by split, so that a file in two splits gives two neighbors.
    line = np.lexsort((of_split, inodes))
    line = line[inodes[line] != 0]
    same = (inodes[line][1:] == inodes[line][:-1]) & (of_split[line][1:] != of_split[line][:-1])
    for place in np.flatnonzero(same).tolist():
        pair = line[place : place + 2].tolist()
        first, second = (splits[of_split[each]].identity(int(numbers[each])) for each in pair)
        stored = first.stored(), second.stored()
        # Two file systems can use the same inode number.
        if stored[0] is not None and stored[1] is not None and stored[0].file == stored[1].file:
            names = [splits[of_split[each]].name for each in pair]
            raise ReorderKitError(
                f"data: the {names[1]} image {second.name} and the {names[0]} image {first.name} are the same file",
                "an image belongs to one split; remove it from one of them",
            )


def _compare_some(split: _Split, others: Sequence[_Split], findings: Findings) -> None:
    """Search the preceding splits for copies of some images of a split."""
    sizes = np.concatenate([other.sizes for other in others])
    by_size = np.argsort(sizes, kind="stable")
    starts = np.cumsum([0, *map(len, others)])
    digests: dict[int, str] = {}

    def found_in(number: int) -> Identity:
        place = int(np.searchsorted(starts, number, side="right")) - 1
        return others[place].identity(number - int(starts[place]))

    left, looked_at, copies = MOST_READ, 0, 0
    first: tuple[str, str] | None = None
    for number in np.linspace(0, len(split) - 1, min(SAMPLED, len(split))).astype(int).tolist():
        ends = np.searchsorted(sizes[by_size], [split.sizes[number], split.sizes[number] + 1])
        alike = by_size[slice(*ends)].tolist()
        unread = [each for each in alike if each not in digests]
        if split.sizes[number] < 0 or len(unread) + 1 > left:
            continue
        left -= len(unread) + 1
        digests |= {each: found_in(each).digest() for each in unread}
        identity, looked_at = split.identity(number), looked_at + 1
        digest = identity.digest() if alike else ""
        copy = next((each for each in alike if digest and digests[each] == digest), None)
        if copy is not None and _is_copy(identity, found_in(copy)) and isinstance(split.samples[number], Sample):
            copies += 1
            first = first or (identity.name, found_in(copy).name)
    if first is not None:
        if looked_at >= _FEWEST_LOOKED_AT and copies >= _MANY * looked_at:
            raise ReorderKitError(
                f"data: of {looked_at} {split.name} images that were compared, {copies} are copies of images in other"
                f" splits, such as {first[0]} of {first[1]}",
                "an image belongs to one split; remove the copies",
            )
        findings.add(SOME_COPIED, " and ".join(first), copies)
    if looked_at < len(split):
        findings.add(NOT_COMPARED, split.identity(len(split) - 1).name, len(split) - looked_at)


def _is_copy(first: Identity, second: Identity) -> bool:
    try:
        return first.encoded() == second.encoded()
    except OSError:
        return False
