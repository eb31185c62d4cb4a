"""Turn photos upright according to their EXIF orientation, along with their boxes and masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

import torch
from jaxtyping import Float, Shaped
from PIL import ExifTags, Image
from torch import Tensor

Number = TypeVar("Number", int, float, Tensor)

Frame = Literal["stored", "upright"]
"""Which pixels an annotation was made on: as stored in the file, or as viewers show them."""

TURNED = "images are turned upright according to their EXIF orientation"
TURNED_ALONG = "boxes and masks made on the stored pixels are turned with their images"
GUESSED = "boxes and masks fit turned images both ways, and are assumed to be made on the {frame} pixels"
BROKEN = "images have unreadable EXIF data and are used as stored"


class _Steps(NamedTuple):
    is_transposed: bool
    flips_rows: bool
    flips_columns: bool


# The steps for each orientation, in this sequence: https://www.cipa.jp/std/documents/e/DC-008-2012_E.pdf, tag 274.
_STEPS = {
    1: _Steps(False, False, False),
    2: _Steps(False, False, True),
    3: _Steps(False, True, True),
    4: _Steps(False, True, False),
    5: _Steps(True, False, False),
    6: _Steps(True, False, True),
    7: _Steps(True, True, True),
    8: _Steps(True, True, False),
}


@dataclass(frozen=True)
class Turn:
    """How a stored image is turned upright.

    Args:
        orientation: EXIF's number, from 1 (upright) to 8.
        upright_size: height and width after the turn, in pixels.
    """

    orientation: int
    upright_size: tuple[int, int]

    @classmethod
    def of_stored(cls, orientation: int, stored_size: tuple[int, int]) -> Turn:
        """The turn of an image of this height and width."""
        return cls(orientation, _swapped(stored_size, _STEPS[orientation]))

    @property
    def stored_size(self) -> tuple[int, int]:
        """Height and width before the turn, in pixels."""
        return _swapped(self.upright_size, _STEPS[self.orientation])

    def turns(self, annotated_size: tuple[int, int] | None, usual: Frame, note: Callable[[str], None]) -> bool:
        """Whether an annotation has to be turned with the image.

        Args:
            annotated_size: height and width declared by the annotation; None if not declared.
            usual: the pixels that the source's annotations are usually made on, if the size does not tell.
            note: called with a finding about what is turned or guessed.
        """
        if self.orientation == 1:
            return False
        sizes = (self.stored_size, self.upright_size)
        if sizes[0] != sizes[1] and annotated_size in sizes:
            is_turned = annotated_size == sizes[0]
            if is_turned:
                note(TURNED_ALONG)
            return is_turned
        note(GUESSED.format(frame=usual))
        return usual == "stored"

    def edges(self, left: Number, top: Number, right: Number, bottom: Number) -> tuple[Number, Number, Number, Number]:
        """The upright edges of a box with these stored edges, as numbers or tensors."""
        height, width = self.upright_size
        is_transposed, flips_rows, flips_columns = _STEPS[self.orientation]
        if is_transposed:
            left, top, right, bottom = top, left, bottom, right
        if flips_rows:
            top, bottom = height - bottom, height - top
        if flips_columns:
            left, right = width - right, width - left
        return left, top, right, bottom

    def boxes(self, boxes: Float[Tensor, "box 4"]) -> Float[Tensor, "box 4"]:
        """Boxes on the upright pixels, from boxes on the stored ones."""
        return torch.stack(self.edges(*boxes.unbind(dim=1)), dim=1)

    def pixels(self, stored: Shaped[Tensor, "*channel height width"]) -> Shaped[Tensor, "*channel rows columns"]:
        """An image or a mask, turned upright."""
        is_transposed, flips_rows, flips_columns = _STEPS[self.orientation]
        turned = stored.transpose(-2, -1) if is_transposed else stored
        dims = [dim for dim, is_flipped in ((-2, flips_rows), (-1, flips_columns)) if is_flipped]
        return (turned.flip(dims) if dims else turned).contiguous()


def _swapped(size: tuple[int, int], steps: _Steps) -> tuple[int, int]:
    return (size[1], size[0]) if steps.is_transposed else size


# Where Pillow finds an orientation, except in a TIFF; most images have none of these, and looking takes time.
_SAYING = frozenset({"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"})


def read_orientation(image: Image.Image) -> int | None:
    """The EXIF orientation, 1 if there is none; None if the EXIF data is broken.

    Args:
        image: the loaded image, because a PNG's EXIF data may follow its pixels; a TIFF need only be opened.
    """
    if image.format != "TIFF" and not _SAYING.intersection(image.info):
        return 1
    try:
        exif = image.getexif()
        if not exif and "exif" in image.info:
            # Pillow ignores broken EXIF data when it opens a JPEG; this raises.
            Image.Exif().load(image.info["exif"])
        found: Any = exif.get(ExifTags.Base.Orientation)
    except Exception:  # for broken data, Pillow raises anything from SyntaxError to struct.error
        return None
    return found if isinstance(found, int) and found in _STEPS else 1
