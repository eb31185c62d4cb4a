"""Tensors in files."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from reorder_kit.errors import ReorderKitError


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        ReorderKitError: if it is missing or is not such a file.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ReorderKitError(f"{path}: cannot be read as safetensors: {error}") from None
