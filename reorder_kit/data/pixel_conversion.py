"""Bring what image files hold to opaque pixels of 8 bits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFile

from reorder_kit.data.decoding import Decoding
from reorder_kit.data.sixteen_bits import in_8_bits, wide_values

# Of 255. Some programs leave opacity at 0, or write it on a scale from 0 to 1.
_INVISIBLE = 1


def opaque_8_bit(
    image: Image.Image,
    is_wide: bool,
    reopened: Callable[[], ImageFile.ImageFile],
    decoding: Decoding,
    note: Callable[[str], None],
) -> Image.Image:
    """The image in 8 bits, in color or gray as asked for.

    Args:
        image: loaded.
        is_wide: its values have 16 bits.
        reopened: the same once more, opened and not loaded.
        decoding: how.
        note: called with what is converted with a loss, or by a convention.

    Raises:
        ValueError: if its values have no fixed scale, or more bits than was said.
    """
    is_scaled = image.mode == "I" and image.format == "PPM"
    if image.mode in ("I", "F") and not (is_wide or is_scaled):
        kind = "signed, or of 32 bits" if image.mode == "I" else "floating-point numbers"
        raise ValueError(f"the pixels are {kind}, which have no fixed scale; save the image with 8 or 16 bits")
    decoded: Image.Image = image
    if is_wide:
        note(f"16-bit images are brought to 8 bits, with {2**decoding.bit_depth - 1:,} as white (data.bit_depth)")
        transparent = image.info.get("transparency")
        # Pillow itself keeps the upper byte of colors, and of gray would cut off everything above 255.
        if image.mode.startswith("I") or decoding.bit_depth < 16 or transparent is not None:
            decoded = Image.fromarray(in_8_bits(wide_values(image, reopened), decoding.bit_depth, transparent))
    elif is_scaled:
        # A PGM says its largest value, which Pillow has made that of 16 bits.
        note("16-bit images are brought to 8 bits, with their own largest value as white")
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
            note("images that are transparent everywhere are read without their opacity, as it would hide them")
            return layer
        note(f"images of one color that are transparent everywhere become {list(background)} (data.background)")
        return Image.new("RGB", layer.size, background)
    note(f"transparent images are laid on the color {list(background)} (data.background)")
    return Image.alpha_composite(Image.new("RGBA", layer.size, (*background, 255)), layer)
