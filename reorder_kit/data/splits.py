"""Set samples aside, reproducibly and with the same share of every class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reorder_kit.errors import ReorderKitError


def split_off(targets: Sequence[int], fraction: float, seed: int, field: str) -> tuple[list[int], list[int]]:
    """Two lists of sample numbers, ascending: those that stay, and those set aside.

    Of every class as nearly the same share is set aside as whole samples allow, and at least one sample stays.

    Args:
        targets: the class of each sample.
        fraction: share of all samples to set aside, between 0 and 1.
        seed: of the random choice within each class.
        field: where the recipe gives the fraction, for messages.

    Raises:
        ReorderKitError: if nothing would be set aside.
    """
    # RandomState, since numpy promises that its stream never changes, and a split must not.
    random = np.random.RandomState(seed)
    labels = np.asarray(targets)
    shuffled = random.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    counts = np.bincount(labels)
    place = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)

    # How far down its class a sample stands, from 0 to 1. Taking the samples with the smallest depth takes the same
    # share of every class; equal depths are drawn by lot.
    depth = (place + 0.5) / np.repeat(counts, counts)
    line = by_class[np.lexsort((random.permutation(len(labels)), depth))]
    last_of_class = by_class[place == np.repeat(counts, counts) - 1]
    candidates = line[~np.isin(line, last_of_class)]

    aside = candidates[: int(len(labels) * fraction + 0.5)]
    if len(aside) == 0:
        raise ReorderKitError(
            f"{field}: {fraction:g} of {len(labels)} images leaves none to set aside",
            "give a larger share, or at least two images of a class",
        )
    return np.setdiff1d(np.arange(len(labels)), aside).tolist(), np.sort(aside).tolist()
