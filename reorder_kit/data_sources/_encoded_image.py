"""Images and masks from the bytes of a file that lies inside another one."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from reorder_kit.data_sources._image_file import to_8_bit
from reorder_kit.interfaces import Unreadable

# One number for each pixel; a palette's pixels are its indices.
_MASK_MODES = ("1", "L", "P", "I")


def decode_image(data: bytes, name: str, channels: int) -> UInt8[Tensor, "channel height width"] | Unreadable:
    """Decode an image as :func:`~reorder_kit.data_sources._image_file.read_image` does.

    Args:
        data: the encoded image.
        name: how to call it where it cannot be read.
        channels: 3 for colour, 1 for grey.
    """
    try:
        with Image.open(BytesIO(data)) as image:
            image.load()
            decoded = to_8_bit(image).convert("RGB" if channels == 3 else "L")
    except Exception as error:  # decoders raise whatever they like, from SyntaxError to struct.error
        return Unreadable(name, f"{type(error).__name__}: {error}")
    tensor: Tensor = F.pil_to_tensor(decoded)
    return tensor


def decode_mask(data: Any) -> NDArray[np.int64]:
    """Decode an image whose pixels are numbers: those of a palette, not its colours, and all of 16 bits.

    Raises:
        ValueError: if it cannot be decoded, or has several channels.
    """
    if not isinstance(data, bytes):
        raise ValueError("there is no mask")
    try:
        with Image.open(BytesIO(data)) as image:
            image.load()
            mode, pixels = image.mode, np.asarray(image)
    except Exception as error:
        raise ValueError(f"the mask cannot be read, {type(error).__name__}: {error}") from error
    if mode not in _MASK_MODES and not mode.startswith("I;16"):
        raise ValueError(f"a mask has one number for each pixel; this one is an image of mode {mode}")
    return pixels.astype(np.int64)
