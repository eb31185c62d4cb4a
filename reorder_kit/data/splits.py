"""Set samples aside reproducibly, with the same share of every class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reorder_kit.errors import ReorderKitError


def split_off(targets: Sequence[int], fraction: float, seed: int, field: str) -> tuple[list[int], list[int]]:
    """Two ascending lists of sample indices: those that stay, and those set aside.

    The shares of all classes are as equal as whole samples allow, and at least one sample of each class stays.

    Args:
        targets: the class of each sample.
        fraction: share of all samples to set aside, between 0 and 1.
        seed: seed of the random choice within each class.
        field: the recipe's field with the fraction, for messages.

    Raises:
        ReorderKitError: if nothing would be set aside.
    """
    # RandomState, because numpy guarantees that its stream never changes, and splits must not change.
    random = np.random.RandomState(seed)
    labels = np.asarray(targets)
    shuffled = random.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    counts = np.bincount(labels)
    place = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)

    # A sample's depth within its class, from 0 to 1. Taking the samples with the smallest depth takes the same share of
    # every class; ties are broken at random.
    depth = (place + 0.5) / np.repeat(counts, counts)
    line = by_class[np.lexsort((random.permutation(len(labels)), depth))]
    last_of_class = by_class[place == np.repeat(counts, counts) - 1]
    candidates = line[~np.isin(line, last_of_class)]

    aside = candidates[: int(len(labels) * fraction + 0.5)]
    if len(aside) == 0:
        raise ReorderKitError(
            f"{field}: {fraction:g} of {len(labels)} images is zero images",
            "give a larger share, or at least two images of a class",
        )
    return np.setdiff1d(np.arange(len(labels)), aside).tolist(), np.sort(aside).tolist()
