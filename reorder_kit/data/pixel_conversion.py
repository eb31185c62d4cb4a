"""Convert the content of image files to opaque 8-bit pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFile

from reorder_kit.data.decoding import Decoding
from reorder_kit.data.sixteen_bits import in_8_bits, wide_values

# Out of 255. Some programs leave opacity at 0, or write it on a scale from 0 to 1.
_INVISIBLE = 1


def opaque_8_bit(
    image: Image.Image,
    is_wide: bool,
    reopened: Callable[[], ImageFile.ImageFile],
    decoding: Decoding,
    note: Callable[[str], None],
) -> Image.Image:
    """The image with 8 bits, in color or gray according to the options.

    Args:
        image: the loaded image.
        is_wide: whether its values have 16 bits.
        reopened: opens the same image again, without loading it.
        decoding: how to decode it.
        note: called with a finding about lossy or conventional conversions.

    Raises:
        ValueError: if its values have no fixed scale, or more bits than ``bit_depth``.
    """
    is_scaled = image.mode == "I" and image.format == "PPM"
    if image.mode in ("I", "F") and not (is_wide or is_scaled):
        kind = "signed, or of 32 bits" if image.mode == "I" else "floating-point numbers"
        raise ValueError(f"the pixels are {kind}, which have no fixed scale; save the image with 8 or 16 bits")
    decoded: Image.Image = image
    if is_wide:
        note(f"16-bit images are converted to 8 bits, with {2**decoding.bit_depth - 1:,} as white (data.bit_depth)")
        transparent = image.info.get("transparency")
        # Pillow itself keeps the upper byte of colors, and clips gray values above 255.
        if image.mode.startswith("I") or decoding.bit_depth < 16 or transparent is not None:
            decoded = Image.fromarray(in_8_bits(wide_values(image, reopened), decoding.bit_depth, transparent))
    elif is_scaled:
        # A PGM states its largest value, which Pillow has scaled to that of 16 bits.
        note("16-bit images are converted to 8 bits, with their own largest value as white")
        decoded = Image.fromarray(in_8_bits(np.asarray(image), 16, None))
    if decoded.mode == "CMYK":
        note("CMYK images are converted to RGB without their color profile")
    decoded = _on_background(decoded, decoding.background, note)
    mode = "RGB" if decoding.channels == 3 else "L"
    return decoded if decoded.mode == mode else decoded.convert(mode)


def _on_background(image: Image.Image, background: tuple[int, int, int], note: Callable[[str], None]) -> Image.Image:
    if not image.has_transparency_data:
        return image
    layer = image.convert("RGBA")
    opacity = np.asarray(layer.getchannel("A"))
    if opacity.min() == 255:
        return layer
    if opacity.max() <= _INVISIBLE:
        colors = np.asarray(layer)[..., :3]
        if (colors != colors[0, 0]).any():
            note("fully transparent images are read without their opacity, which would hide them")
            return layer
        note(f"fully transparent images of one color become {list(background)} (data.background)")
        return Image.new("RGB", layer.size, background)
    note(f"transparent images get the background color {list(background)} (data.background)")
    return Image.alpha_composite(Image.new("RGBA", layer.size, (*background, 255)), layer)
