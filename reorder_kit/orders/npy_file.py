"""Arrays in files that are written atomically."""

from __future__ import annotations

import io
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib.format import read_array
from numpy.typing import NDArray

from reorder_kit.errors import ReorderKitError
from reorder_kit.whole_file import write_whole


def write_npy(path: Path, array: NDArray[Any]) -> None:
    """Write an array as ``.npy``; if the process is killed, the file is complete or absent.

    Raises:
        OSError: if it cannot be written.
    """
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    write_whole(path, content.getvalue())


def read_npy(path: Path, hint: str | None = None) -> NDArray[Any]:
    """Read an array from ``.npy``.

    Args:
        path: the file.
        hint: what to do if it cannot be read.

    Raises:
        ReorderKitError: if it is missing or is not a ``.npy`` file.
    """
    try:
        array: NDArray[Any] = read_array(io.BytesIO(path.read_bytes()), allow_pickle=False)
    except OSError as error:
        raise ReorderKitError(f"{path}: cannot be read: {error.strerror or error}", hint) from None
    except (ValueError, EOFError, SyntaxError, TokenError, TypeError, OverflowError, MemoryError) as error:
        raise ReorderKitError(f"{path}: cannot be read: {error}", hint) from None
    return array
