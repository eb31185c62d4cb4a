"""Patch numbers from anything that holds whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from reorder_kit.errors import ReorderKitError


def whole_numbers(indices: Tensor | NDArray[Any] | Sequence[int]) -> Int[Tensor, "*batch slot"]:
    """Patch numbers as a tensor.

    Raises:
        ReorderKitError: if they are anything else.
    """
    try:
        # NumPy arrays may be reversed, read-only or unsigned, none of which torch accepts.
        numbers = torch.from_numpy(_copied(indices)) if isinstance(indices, np.ndarray) else torch.as_tensor(indices)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ReorderKitError(f"an order holds patch numbers, in rows of one length: {error}") from None
    if numbers.numel() and (numbers.is_floating_point() or numbers.is_complex() or numbers.dtype == torch.bool):
        raise ReorderKitError(
            f"an order holds patch numbers, not {numbers.dtype}", "an array of whole numbers: array.astype(int)"
        )
    return numbers.long()


def _copied(array: NDArray[Any]) -> NDArray[Any]:
    return np.array(array, dtype=np.int64 if array.dtype.kind in "iu" else None, order="C")
