"""Convert the names and shapes of a released Vision Mamba checkpoint to those of the backbone ``mamba``."""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor, nn

from reorder_kit.backbones._released_names import CLASSIFIER, CLS, POSITIONS, outer_name
from reorder_kit.errors import ReorderKitError
from reorder_kit.layers.released_positions import released_positions
from reorder_kit.layers.weights_file import fill, read_weights
from reorder_kit.orders.grid import Grid


def load_vim_weights(backbone: nn.Module, grid: Grid, path: Path) -> None:
    """Load a Vision Mamba checkpoint.

    The position of CLS is added to CLS itself, because Vision Mamba only uses their sum. The classifier is skipped: the
    task has its own head.

    Args:
        backbone: a ``mamba``.
        grid: the grid of its patches.
        path: the file.

    Raises:
        ReorderKitError: if the file cannot be read, or its weights do not fit.
    """
    weights = read_weights(path)
    own = backbone.state_dict().keys()
    has_positions = POSITIONS in own
    fill(
        backbone,
        path,
        weights,
        names={name: released_name(name) for name in own - ({POSITIONS, CLS} if has_positions else set())},
        made=_positions(weights, grid, path) if has_positions else {},
        used=["pos_embed", CLS] if has_positions and CLS in own else ["pos_embed"] if has_positions else [],
        left_out=CLASSIFIER,
    )


def _positions(weights: dict[str, Tensor], grid: Grid, path: Path) -> dict[str, Tensor]:
    absent = [name for name in ("pos_embed", CLS) if name not in weights]
    if absent:
        raise ReorderKitError(f"{path}: it has no {' and no '.join(absent)}", "give a released file")
    patches, cls = released_positions(weights["pos_embed"], grid, path)
    if cls is None:
        raise ReorderKitError(f"{path}: CLS has no position in it (pos_embed)", "give a released file")
    if weights[CLS].shape != cls.shape:
        raise ReorderKitError(
            f"{path}: {CLS} is {tuple(weights[CLS].shape)}, but its position is {tuple(cls.shape)}",
            "give a released file",
        )
    return {POSITIONS: patches, CLS: weights[CLS] + cls}


def released_name(name: str) -> str:
    """The name of one of our weights in the released code.

    >>> released_name("blocks.3.mixer.reverse.A_log"), released_name("blocks.3.mixer.x_proj.weight")
    ('layers.3.mixer.A_b_log', 'layers.3.mixer.x_proj.weight')
    """
    return re.sub(r"\.mixer\.reverse\.(conv1d|x_proj|dt_proj|A|D)", r".mixer.\1_b", outer_name(name))
