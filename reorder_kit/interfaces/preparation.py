"""How an image from outside the data becomes what a model reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import UInt8
from torch import Tensor

from reorder_kit.interfaces.decoding import Decoding

if TYPE_CHECKING:
    from reorder_kit.interfaces.data_source import Sample


@dataclass(frozen=True)
class Preparation:
    """What a source does to a test image, for images that do not belong to its data.

    Args:
        transform: turns an upright 8-bit image, (channel, height, width), into a sample whose target is None.
        decoding: how image files are decoded before that.
        shows_all: whether the content of the sample is the whole image, scaled. Then boxes and masks can be mapped back
            to the pixels of the image; if a transform crops, they cannot.
        notes: what users should know about such images, one sentence each.
    """

    transform: Callable[[UInt8[Tensor, "channel height width"]], Sample]
    decoding: Decoding
    shows_all: bool = False
    notes: tuple[str, ...] = ()
