"""Backbones that read only single images."""

from __future__ import annotations

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import ImageShape


def refuse_clips(name: str, image: ImageShape) -> None:
    """Refuse clips for a backbone that reads single images.

    Args:
        name: name of the backbone.
        image: the images or clips it will read.

    Raises:
        ReorderKitError: if it is a clip.
    """
    if image.frames > 1:
        raise ReorderKitError(
            f"{name} reads single images, not clips of {image.frames} frames",
            "name a backbone that reads clips, such as local, longformer, sparse, transformer-xl, recurrent, mamba, "
            "mamba2, gated-deltanet, arm, hierarchical, vmamba or violin",
        )
