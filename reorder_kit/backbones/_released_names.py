"""Names shared by the released code of Vision Mamba and of ARM, which grew out of it."""

from __future__ import annotations

import re

POSITIONS, CLS = "embedding.positions.table", "cls_token"
"""Our weights that are made from the released positions, and our CLS."""
CLASSIFIER = ("head.weight", "head.bias")
"""The classifier, which a backbone leaves to the task."""


def outer_name(name: str) -> str:
    """The released name of one of our weights, except for the part inside a block.

    >>> outer_name("embedding.projection.bias"), outer_name("blocks.3.mixer.D"), outer_name("norm.weight")
    ('patch_embed.proj.bias', 'layers.3.mixer.D', 'norm_f.weight')
    """
    name = re.sub(r"^embedding\.projection\.", "patch_embed.proj.", name)
    name = re.sub(r"^norm\.", "norm_f.", name)
    return re.sub(r"^blocks\.", "layers.", name)
