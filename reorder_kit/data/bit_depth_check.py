"""Tell of 16-bit images that use only few of their bits, and so would become almost black."""

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
"""How to call an image, and its path or the open file."""

LOOKED_AT = 32
"""So many training images, spread over all, are opened, and decoded if they have 16 bits."""

_FEW = 12
_LEAST = 8


def check_bit_depth(
    options: DecodingOptions, images: Sequence[Item], file_of: Callable[[Item], NamedFile], findings: Findings
) -> None:
    """Add findings if training images have 8 and 16 bits, or no image of 16 bits uses more than 12.

    Args:
        options: of the source; nothing is looked at where they give the number of bits.
        images: all training images.
        file_of: opens one.
        findings: gets them.
    """
    if options.bit_depth is not None:
        return
    highest, others = {}, 0
    for image in spread(images, LOOKED_AT):
        try:
            name, file = file_of(image)
            value = _highest(file, options.most_pixels)
        except Exception:  # it is found, and told, when it is used
            continue
        if value is None:
            others += 1
        else:
            highest[name] = value
    bits = max(_LEAST, max(highest.values(), default=0).bit_length())
    if highest and bits <= _FEW:
        findings.add(
            f"16-bit training images looked at have no value above {max(highest.values()):,} and become almost black; "
            f"data.bit_depth={bits} would take {2**bits - 1:,} as white",
            next(iter(highest)),
            len(highest),
        )
    if highest and others:
        findings.add(
            f"training images looked at have 16 bits, and {others} have 8; the former look darker unless they use all "
            "bits, or data.bit_depth says how many",
            next(iter(highest)),
            len(highest),
        )


def file_with_class(listed: tuple[str, int]) -> NamedFile:
    """What :func:`check_bit_depth` asks for, of a file with its class."""
    return listed[0], listed[0]


def _highest(file: str | BinaryIO, most_pixels: int) -> int | None:
    """The highest value of a 16-bit image, opacity left out; None of any other, which is not decoded."""
    with open_picture(file, most_pixels) as image:
        if not has_16_bits(image):
            return None
        load_picture(image, lambda _: None)
        values = wide_values(image, lambda: open_picture(file, most_pixels))
    return int((values[..., :3] if values.ndim == 3 else values).max())
