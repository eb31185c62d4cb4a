"""Read image files: the only place where images are decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import BinaryIO, NamedTuple, TypeVar

from jaxtyping import UInt8
from PIL import Image, ImageFile
from torch import Tensor

from reorder_kit.data.decoding import Decoding
from reorder_kit.data.exif_orientation import BROKEN, TURNED, Turn, read_orientation
from reorder_kit.data.findings import Findings
from reorder_kit.data.heif import reads_heif
from reorder_kit.data.pixel_conversion import opaque_8_bit
from reorder_kit.data.sixteen_bits import has_16_bits
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Finding, Unreadable

Decoded = TypeVar("Decoded")

# A module variable of Pillow; threads must not see one another's value.
_PILLOWS_LIMIT = Lock()

TRIED = 1_000
"""At most this many training images are tried to find a readable one."""


class Picture(NamedTuple):
    """A decoded image.

    Args:
        pixels: the upright pixels.
        turn: how the image was turned upright, which may apply to its boxes and mask, too.
        findings: what was converted or left out while decoding it.
    """

    pixels: UInt8[Tensor, "channel height width"]
    turn: Turn
    findings: tuple[Finding, ...] = ()


class Loaded(NamedTuple):
    """What is known after loading an image.

    Args:
        turn: the turn for its EXIF orientation.
        is_turned: whether Pillow has already turned it, as it does for TIFF.
    """

    turn: Turn
    is_turned: bool


def read_image(path: str, decoding: Decoding) -> Picture | Unreadable:
    """Decode the whole file as :func:`decode_image` does.

    Args:
        path: the file.
        decoding: how to decode it.
    """
    return decode_image(path, path, decoding)


def decode_image(file: str | BinaryIO, name: str, decoding: Decoding) -> Picture | Unreadable:
    """Decode an image: turn it upright, put it on a background if it is transparent, and convert 16 bits to 8.

    Args:
        file: the path of the image, or an open file.
        name: the image's name in messages.
        decoding: how to decode it.
    """
    findings = Findings()
    try:
        with open_picture(file, decoding.most_pixels) as image:
            return decode_opened(image, lambda: open_picture(file, decoding.most_pixels), name, decoding, findings)
    except Exception as error:  # decoders raise anything from SyntaxError to struct.error
        return Unreadable(name, f"{type(error).__name__}: {error}")


def decode_opened(
    image: Image.Image,
    reopened: Callable[[], ImageFile.ImageFile],
    name: str,
    decoding: Decoding,
    findings: Findings,
) -> Picture:
    """Decode an image that Pillow has opened, or holds in memory.

    Args:
        image: the image.
        reopened: opens the same image again, without loading it.
        name: the image's name in messages.
        decoding: how to decode it.
        findings: collects what is converted or left out.

    Raises:
        ValueError: if its values have no fixed scale.
        Exception: whatever decoders raise, from SyntaxError to struct.error.
    """
    # Imported on first use, because importing torchvision takes seconds.
    from torchvision.transforms.v2 import functional as F

    note = findings.noting(name)
    if decoding.least_side is not None:
        image.draft(None, (decoding.least_side, decoding.least_side))  # affects only JPEGs
    is_wide = has_16_bits(image)
    turn, is_turned = load_picture(image, note)
    tensor: Tensor = F.pil_to_tensor(opaque_8_bit(image, is_wide, reopened, decoding, note))
    if turn.orientation != 1:
        note(TURNED)
        tensor = tensor if is_turned else turn.pixels(tensor)
    return Picture(tensor, turn, findings.found)


def open_picture(file: str | BinaryIO, most_pixels: int) -> ImageFile.ImageFile:
    """Open an image file with Pillow, without decoding it yet; see :func:`load_picture`.

    Args:
        file: the path of the image, or an open file, which is read from its start.
        most_pixels: larger images are refused.

    Raises:
        ValueError: if the image has more pixels.
        Exception: whatever decoders raise, from SyntaxError to struct.error.
    """
    if not isinstance(file, str):
        file.seek(0)
    reads_heif()  # in this process, which may be a loader's
    with _pillows_limit_lifted():
        image = Image.open(file)
    if image.width * image.height > most_pixels:
        size = f"{image.height}x{image.width}"
        image.close()
        raise ValueError(
            f"{size} pixels exceed the {most_pixels:,} that data.most_pixels allows; cut the image into several, or "
            "raise data.most_pixels"
        )
    return image


def load_picture(image: Image.Image, note: Callable[[str], None]) -> Loaded:
    """Decode an opened image.

    Pillow warns from 89 million pixels on, and refuses twice as many, but satellite images have more. Its check also
    runs when a compressed TIFF is decoded. So its limit is lifted here.

    Args:
        image: an opened image.
        note: called with a finding about what is left out.

    Raises:
        Exception: whatever decoders raise, from SyntaxError to struct.error.
    """
    # The further pictures of an MPO, as written by phones, are small or only useful for displays.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        note("only the first of several frames is read")
    # Pillow turns a TIFF when loading it, and forgets the orientation; a PNG may have it after its pixels.
    orientation = read_orientation(image) if image.format == "TIFF" else 1
    with _PILLOWS_LIMIT:
        usual = Image.MAX_IMAGE_PIXELS
    if usual is not None and image.width * image.height > usual:
        with _pillows_limit_lifted():
            image.load()
    else:
        image.load()
    size = (image.height, image.width)
    if image.format != "TIFF":
        orientation = read_orientation(image)
    if orientation is None:
        note(BROKEN)
        return Loaded(Turn(1, size), is_turned=True)
    if image.format == "TIFF":
        return Loaded(Turn(orientation, size), is_turned=True)
    return Loaded(Turn.of_stored(orientation, size), is_turned=False)


@contextmanager
def _pillows_limit_lifted() -> Iterator[None]:
    """Remove Pillow's limit while the context is active."""
    with _PILLOWS_LIMIT:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def first_readable(images: int, read: Callable[[int], Decoded | Unreadable]) -> Decoded:
    """The first readable training image; at most :data:`TRIED` are tried.

    Args:
        images: the number of training images.
        read: reads an image by its index.

    Raises:
        ReorderKitError: if none of the tried images can be used.
    """
    first = None
    for number in range(min(images, TRIED)):
        image = read(number)
        if not isinstance(image, Unreadable):
            return image
        first = first or image
    if first is None:
        raise ReorderKitError("data: there are no training images")
    which = "no training image" if images <= TRIED else f"none of the first {TRIED} training images"
    raise ReorderKitError(f"data: {which} can be used; the first is {first.path}: {first.reason}")
