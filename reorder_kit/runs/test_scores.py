"""What each image scores: ``test_scores.npy``, and the losses of trials."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from tokenize import TokenError

import numpy as np
from jaxtyping import Float
from numpy.lib.format import read_array
from numpy.typing import NDArray

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.checksums import DAMAGED

Scores = Float[NDArray[np.float32], " image"]


def read_scores(path: Path) -> Scores:
    """Read the file.

    Raises:
        ReorderKitError: if it is missing or holds anything but a row of float32.
    """
    try:
        found = read_array(BytesIO(path.read_bytes()), allow_pickle=False)
    except OSError as error:
        raise ReorderKitError(f"{path}: cannot be read: {error.strerror or error}", DAMAGED) from None
    except (ValueError, EOFError, SyntaxError, TokenError, TypeError, OverflowError, MemoryError) as error:
        raise ReorderKitError(f"{path}: cannot be read: {error}", DAMAGED) from None
    if found.ndim != 1 or found.dtype != np.float32:
        raise ReorderKitError(f"{path}: is not a row of float32, one for each image", DAMAGED)
    scores: Scores = found
    return scores
