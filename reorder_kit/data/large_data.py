"""Images in two splits of data that is too large to read all of it."""

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
"""Images of a split that are compared with those of others, at the most."""
MOST_READ = 3_000
"""Files of which both ends are read for a split, at the most: that takes seconds, over a network as well."""
NOT_COMPARED = "validation and test images are too many to be compared with others for copies"
SOME_COPIED = "images of a sample are copies of images of another split"

_FEWEST_LOOKED_AT = 20
_MANY = 0.1
"""A share of copies that is no slip: figures over such a split would say little."""


class NamedSamples(SampleSet, HasIdentities, Protocol):
    """Samples that are told apart."""


@dataclass(frozen=True)
class _Split:
    """The images of a split by what a look at each tells.

    Args:
        name: of the split.
        samples: its samples.
        sizes: of each file, bytes; -1 where it is not known.
        inodes: number of each file in its file system; 0 where there is none.
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
    """Compare images by their files, and some of them by their content.

    Two paths to one file are found among all images, by a look at each. Copies are looked for of up to
    :data:`SAMPLED` validation and test images each: among those of equal size in the splits before.

    Args:
        named: the splits that tell their images apart, training first.

    Returns:
        How many validation and test images were not compared, and copies, if there are few.

    Raises:
        ReorderKitError: naming a file that is in two splits, or a copy where they are many.
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
    # By inode, then by split: where a file is in two of them, two neighbors are.
    line = np.lexsort((of_split, inodes))
    line = line[inodes[line] != 0]
    same = (inodes[line][1:] == inodes[line][:-1]) & (of_split[line][1:] != of_split[line][:-1])
    for place in np.flatnonzero(same).tolist():
        pair = line[place : place + 2].tolist()
        first, second = (splits[of_split[each]].identity(int(numbers[each])) for each in pair)
        stored = first.stored(), second.stored()
        # Two file systems can have one number.
        if stored[0] is not None and stored[1] is not None and stored[0].file == stored[1].file:
            names = [splits[of_split[each]].name for each in pair]
            raise ReorderKitError(
                f"data: the {names[1]} image {second.name} is the {names[0]} image {first.name}: they are one file",
                "an image belongs to one split; remove it from one of them",
            )


def _compare_some(split: _Split, others: Sequence[_Split], findings: Findings) -> None:
    """Look for copies of some images of a split among those of the splits before."""
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
                f"data: of {looked_at} {split.name} images that were compared, {copies} are copies of images of other"
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
