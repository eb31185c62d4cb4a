"""Scores of single images: ``test_scores.npy``, and the losses of trials."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.checksums import DAMAGED
from reorder_kit.orders.npy_file import read_npy

Scores = Float[NDArray[np.float32], " image"]


def read_scores(path: Path) -> Scores:
    """Read the file.

    Raises:
        ReorderKitError: if it is missing or is not a one-dimensional float32 array.
    """
    found = read_npy(path, DAMAGED)
    if found.ndim != 1 or found.dtype != np.float32:
        raise ReorderKitError(f"{path}: must be a one-dimensional float32 array with one score per image", DAMAGED)
    scores: Scores = found
    return scores
