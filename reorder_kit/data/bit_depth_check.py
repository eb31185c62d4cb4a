"""Report 16-bit images that use only a few of their bits and would become almost black."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import BinaryIO, TypeVar

from reorder_kit.data.decoding import DecodingOptions
from reorder_kit.data.findings import Findings
from reorder_kit.data.image_file import load_picture, open_picture
from reorder_kit.data.sixteen_bits import has_16_bits, wide_values
from reorder_kit.data.spread import spread

Item = TypeVar("Item")
NamedFile = tuple[str, str | BinaryIO]
"""The name of an image, and its path or the open file."""

LOOKED_AT = 32
"""The number of training images, spread over all, that are opened, and decoded if they have 16 bits."""

_FEW = 12
_LEAST = 8


def check_bit_depth(
    options: DecodingOptions, images: Sequence[Item], file_of: Callable[[Item], NamedFile], findings: Findings
) -> None:
    """Add findings if some training images have 8 bits and others 16, or no 16-bit image uses more than 12 bits.

    Args:
        options: options of the source; if they give the number of bits, nothing is checked.
        images: all training images.
        file_of: opens one.
        findings: collects the findings.
    """
    if options.bit_depth is not None:
        return
    highest, others = {}, 0
    for image in spread(images, LOOKED_AT):
        try:
            name, file = file_of(image)
            value = _highest(file, options.most_pixels)
        except Exception:  # reported when the image is used
            continue
        if value is None:
            others += 1
        else:
            highest[name] = value
    bits = max(_LEAST, max(highest.values(), default=0).bit_length())
    if highest and bits <= _FEW:
        findings.add(
            f"16-bit training images were sampled; none has a value above {max(highest.values()):,}, so they become "
            f"almost black; data.bit_depth={bits} makes {2**bits - 1:,} white",
            next(iter(highest)),
            len(highest),
        )
    if highest and others:
        findings.add(
            f"sampled training images have 16 bits, and {others} have 8; the 16-bit ones look darker unless they use "
            "all their bits, or data.bit_depth gives the number of bits",
            next(iter(highest)),
            len(highest),
        )


def file_with_class(listed: tuple[str, int]) -> NamedFile:
    """A file with its class, as :func:`check_bit_depth` expects it."""
    return listed[0], listed[0]


def _highest(file: str | BinaryIO, most_pixels: int) -> int | None:
    """The highest value of a 16-bit image, ignoring opacity; None for other images, which are not decoded."""
    with open_picture(file, most_pixels) as image:
        if not has_16_bits(image):
            return None
        load_picture(image, lambda _: None)
        values = wide_values(image, lambda: open_picture(file, most_pixels))
    return int((values[..., :3] if values.ndim == 3 else values).max())
