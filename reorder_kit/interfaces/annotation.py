"""What is drawn on an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Annotation:
    """What is drawn on an image: its target, or what a model says of it.

    Args:
        text: stands below the image; where there is none, the names of the classes in the mask do.
        boxes: left, top, right and bottom edge, pixels.
        box_texts: what stands at each box.
        mask: the number of a class for each pixel, :data:`~reorder_kit.interfaces.IGNORED` for none.
        note: stands in brackets behind the text, such as how sure the model is; not compared with the truth.
    """

    text: str = ""
    boxes: Float[Tensor, "box 4"] = field(default_factory=lambda: torch.zeros(0, 4))
    box_texts: Sequence[str] = ()
    mask: Int[Tensor, "height width"] | None = None
    note: str = ""
