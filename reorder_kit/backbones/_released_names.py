"""Names that the released codes of Vision Mamba and ARM share: the second grew out of the first."""

from __future__ import annotations

import re

POSITIONS, CLS = "embedding.positions.table", "cls_token"
"""Our weights that are made from the released positions, and our CLS."""
CLASSIFIER = ("head.weight", "head.bias")
"""What a backbone leaves to the task."""


def outer_name(name: str) -> str:
    """What a weight of ours is called there, but for what lies within a block.

    >>> outer_name("embedding.projection.bias"), outer_name("blocks.3.mixer.D"), outer_name("norm.weight")
    ('patch_embed.proj.bias', 'layers.3.mixer.D', 'norm_f.weight')
    """
    name = re.sub(r"^embedding\.projection\.", "patch_embed.proj.", name)
    name = re.sub(r"^norm\.", "norm_f.", name)
    return re.sub(r"^blocks\.", "layers.", name)
