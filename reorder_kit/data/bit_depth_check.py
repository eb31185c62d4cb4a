"""Tell of 16-bit images that use only few of their bits, and so would become almost black."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import BinaryIO

from reorder_kit.data.decoding import DecodingOptions
from reorder_kit.data.findings import Findings
from reorder_kit.data.image_file import load_picture, open_picture
from reorder_kit.data.sixteen_bits import has_16_bits, wide_values

LOOKED_AT = 32
"""So many training images are opened, and decoded if they have 16 bits."""

_FEW = 12
_LEAST = 8


def check_bit_depth(
    options: DecodingOptions, images: Iterable[tuple[str, Callable[[], str | BinaryIO]]], findings: Findings
) -> None:
    """Add a finding if no 16-bit image among the first training images uses more than 12 bits.

    Args:
        options: of the source; nothing is looked at where they give the number of bits.
        images: of each training image how to call it, and how to get its file.
        findings: gets it.
    """
    if options.bit_depth is not None:
        return
    highest = {}
    for name, file in islice(images, LOOKED_AT):
        try:
            value = _highest(file(), options.most_pixels)
        except Exception:  # it is found, and told, when it is used
            continue
        if value is not None:
            highest[name] = value
    bits = max(_LEAST, max(highest.values(), default=0).bit_length())
    if highest and bits <= _FEW:
        findings.add(
            f"16-bit training images looked at have no value above {max(highest.values()):,} and become almost black; "
            f"data.bit_depth={bits} would take {2**bits - 1:,} as white",
            next(iter(highest)),
            len(highest),
        )


def files_of(listed: Iterable[tuple[str, int]]) -> Iterator[tuple[str, Callable[[], str]]]:
    """What :func:`check_bit_depth` asks for, of files with their classes."""
    return ((path, partial(str, path)) for path, _ in listed)


def _highest(file: str | BinaryIO, most_pixels: int) -> int | None:
    """The highest value of a 16-bit image, opacity left out; None of any other, which is not decoded."""
    with open_picture(file, most_pixels) as image:
        if not has_16_bits(image):
            return None
        load_picture(image, lambda _: None)
        values = wide_values(image, lambda: open_picture(file, most_pixels))
    return int((values[..., :3] if values.ndim == 3 else values).max())
