"""Read an image file: the one place where images are decoded."""

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

# A variable of its module; threads shall not see each other's.
_PILLOWS_LIMIT = Lock()

TRIED = 1_000
"""So many training images are looked at, at the most, for one that can be read."""


class Picture(NamedTuple):
    """A decoded image.

    Args:
        pixels: upright.
        turn: how it was turned upright, which boxes and masks may have to follow.
        findings: what was converted or left out in decoding it.
    """

    pixels: UInt8[Tensor, "channel height width"]
    turn: Turn
    findings: tuple[Finding, ...] = ()


class Loaded(NamedTuple):
    """What loading an image tells.

    Args:
        turn: that its EXIF orientation asks for.
        is_turned: Pillow has done so already, as it does with TIFF.
    """

    turn: Turn
    is_turned: bool


def read_image(path: str, decoding: Decoding) -> Picture | Unreadable:
    """Decode the whole file as :func:`decode_image` does.

    Args:
        path: the file.
        decoding: how.
    """
    return decode_image(path, path, decoding)


def decode_image(file: str | BinaryIO, name: str, decoding: Decoding) -> Picture | Unreadable:
    """Decode an image: turned upright, transparency laid on a background, 16 bits brought to 8.

    Args:
        file: its path, or an open file.
        name: how to call the image in messages.
        decoding: how.
    """
    findings = Findings()
    try:
        with open_picture(file, decoding.most_pixels) as image:
            return decode_opened(image, lambda: open_picture(file, decoding.most_pixels), name, decoding, findings)
    except Exception as error:  # decoders raise whatever they like, from SyntaxError to struct.error
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
        reopened: the same once more, opened and not loaded.
        name: how to call the image in messages.
        decoding: how.
        findings: collects what is converted or left out.

    Raises:
        ValueError: if its values have no fixed scale.
        Exception: what decoders like, from SyntaxError to struct.error.
    """
    # Imported on first use: torchvision takes seconds.
    from torchvision.transforms.v2 import functional as F

    note = findings.noting(name)
    if decoding.least_side is not None:
        image.draft(None, (decoding.least_side, decoding.least_side))  # which only JPEGs follow
    is_wide = has_16_bits(image)
    turn, is_turned = load_picture(image, note)
    tensor: Tensor = F.pil_to_tensor(opaque_8_bit(image, is_wide, reopened, decoding, note))
    if turn.orientation != 1:
        note(TURNED)
        tensor = tensor if is_turned else turn.pixels(tensor)
    return Picture(tensor, turn, findings.found)


def open_picture(file: str | BinaryIO, most_pixels: int) -> ImageFile.ImageFile:
    """Open an image file as Pillow does, which decodes nothing yet; see :func:`load_picture`.

    Args:
        file: its path, or an open file, which is read from its start.
        most_pixels: larger images are refused.

    Raises:
        ValueError: if it has more pixels.
        Exception: what decoders like, from SyntaxError to struct.error.
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
            f"of {size} pixels, more than the {most_pixels:,} that data.most_pixels lets be decoded; cut it into "
            "several images, or raise that"
        )
    return image


def load_picture(image: Image.Image, note: Callable[[str], None]) -> Loaded:
    """Decode what was opened.

    Pillow itself warns from 89 million pixels on, and refuses what has twice as many; images of satellites have more.
    Of a compressed TIFF it does so when it is decoded, too.

    Args:
        image: an opened image.
        note: called with what is left out.

    Raises:
        Exception: what decoders like, from SyntaxError to struct.error.
    """
    # The further pictures of an MPO, as phones write it, are small or of help for displays only.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        note("only the first of several frames is read")
    # Pillow turns a TIFF when it is loaded, and forgets the orientation; a PNG may say it behind its pixels.
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
    """While it lasts, Pillow has no limit."""
    with _PILLOWS_LIMIT:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def first_readable(images: int, read: Callable[[int], Decoded | Unreadable]) -> Decoded:
    """The first training image that can be read; no more than :data:`TRIED` are tried.

    Args:
        images: how many there are.
        read: reads one by its number.

    Raises:
        ReorderKitError: if none of those that were tried can be read.
    """
    first = None
    for number in range(min(images, TRIED)):
        image = read(number)
        if not isinstance(image, Unreadable):
            return image
        first = first or image
    if first is None:
        raise ReorderKitError("data: there is no training image")
    which = "no training image" if images <= TRIED else f"none of the first {TRIED} training images"
    raise ReorderKitError(f"data: {which} can be used, {first.path} to begin with: {first.reason}")
