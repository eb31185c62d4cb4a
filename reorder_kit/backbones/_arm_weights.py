"""Convert the names and shapes of a released ARM checkpoint to those of the backbone."""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor, nn

from reorder_kit.backbones._released_names import CLASSIFIER, CLS, POSITIONS, outer_name
from reorder_kit.errors import ReorderKitError
from reorder_kit.layers.released_positions import released_positions
from reorder_kit.layers.weights_file import fill, read_weights
from reorder_kit.orders.grid import Grid

SUFFIXES = ("", "_b", "_c", "_c_b")
"""Name suffixes of the four scans, in our sequence: along, back, along the columns, and back."""
POSITION_OF_CLS = "position_of_cls"
DECODER = re.compile(r"(ar_token|dec_pos_embed|mask)$|(ar_norm|ar_pred|enc2dec|dec_block|norm_[1-4])\.")
"""Weights that predict the next patches in pretraining."""


def load_arm_weights(backbone: nn.Module, grid: Grid, path: Path) -> None:
    """Load a checkpoint from ARM's pretraining or fine-tuning.

    Pretraining has a single scan: its weights initialize all four, as in ARM's fine-tuning. CLS and the last norm are
    then missing from the file and keep their starting weights, and the decoder is skipped. A classifier is always
    skipped: the task has its own head.

    Args:
        backbone: an ``arm``.
        grid: the grid of its patches.
        path: the file.

    Raises:
        ReorderKitError: if the file cannot be read, or its weights do not fit.
    """
    weights = read_weights(path)
    is_pretraining = "ar_token" in weights
    own = backbone.state_dict().keys()
    absent = {name for name in own if is_pretraining and name.startswith((CLS, "norm."))}
    names = {name: released_name(name, is_pretraining) for name in own - absent - {POSITIONS, POSITION_OF_CLS}}
    fill(
        backbone,
        path,
        weights,
        names,
        made=_positions(weights, grid, path) if POSITIONS in own else {},
        used=["pos_embed"] if POSITIONS in own else [],
        left_out=[name for name in weights if name in CLASSIFIER or DECODER.match(name)],
    )


def _positions(weights: dict[str, Tensor], grid: Grid, path: Path) -> dict[str, Tensor]:
    if "pos_embed" not in weights:
        raise ReorderKitError(
            f"{path}: it has no positions (pos_embed)", "give a released file, or set positions: none"
        )
    patches, cls = released_positions(weights["pos_embed"], grid, path)
    return {POSITIONS: patches} if cls is None else {POSITIONS: patches, POSITION_OF_CLS: cls}


def released_name(name: str, is_pretraining: bool = False) -> str:
    """The name of one of our weights in the released code.

    >>> released_name("blocks.3.mixer.walks.1.A_log"), released_name("blocks.3.mlp.gate.bias")
    ('layers.3.mixer.A_b_log', 'layers.3.mlp.w1.bias')
    """
    name = outer_name(name)
    for ours, theirs in (("gate", "w1"), ("value", "w2"), ("out", "w3")):
        name = name.replace(f".mlp.{ours}.", f".mlp.{theirs}.")
    found = re.fullmatch(r"(.*\.mixer)\.walks\.(\d)\.(conv1d|x_proj|dt_proj|A|D)(.*)", name)
    if found is None:
        return name
    mixer, walk, part, rest = found.groups()
    return f"{mixer}.{part}{'' if is_pretraining else SUFFIXES[int(walk)]}{rest}"
