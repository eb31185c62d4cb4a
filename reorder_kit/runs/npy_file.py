"""Arrays in files that are written whole."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reorder_kit.whole_file import write_whole


def write_npy(path: Path, array: NDArray[Any]) -> None:
    """Write an array as ``.npy``; a kill at any moment leaves a whole file or none.

    Raises:
        OSError: if it cannot be written.
    """
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    write_whole(path, content.getvalue())
