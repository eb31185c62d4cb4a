"""Images given to a trained model: files, folders, Pillow images and arrays."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image, ImageFile
from torch import Tensor

from reorder_kit.data.findings import Findings
from reorder_kit.data.header_size import header_sizes
from reorder_kit.data.image_file import decode_opened, open_picture
from reorder_kit.data.image_walk import ImageWalk, image_endings
from reorder_kit.data.real_files import is_regular
from reorder_kit.data.sixteen_bits import has_16_bits, in_8_bits
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Decoding, Finding, Unreadable

IN_GRAY = "color images are read in gray, as the run's images were"
IN_COLOR = "gray images are read with three equal channels, as the run's images were"
NARROWED = "16-bit arrays are converted to 8 bits, with {white:,} as white (the run's data.bit_depth)"
NO_IMAGE = "the folder holds no image"

_GRAY_MODES = ("1", "L", "LA", "La", "I", "F")


@dataclass(frozen=True)
class GivenImage:
    """One image.

    Args:
        name: the file, or the name of an image in memory.
        content: the path of the file, a Pillow image, or an array (row, column) or (row, column, channel).
    """

    name: str
    content: str | Image.Image | NDArray[Any]


class GivenImages(NamedTuple):
    """The given images.

    Args:
        images: the images, in the given sequence; those in a folder sorted by name.
        unreadable: missing files, and folders without an image.
        findings: what was left out of folders.
    """

    images: list[GivenImage]
    unreadable: list[Unreadable]
    findings: tuple[Finding, ...]


class GivenPixels(NamedTuple):
    """A decoded image.

    Args:
        pixels: upright, with the channels of the run.
        size: height and width of the upright image, in pixels.
        findings: what was converted while decoding it.
    """

    pixels: UInt8[Tensor, "channel height width"]
    size: tuple[int, int]
    findings: tuple[Finding, ...]


def find_images(given: Any) -> GivenImages:
    """List the given images.

    A folder stands for all images in it and in its subfolders, recognized by extension, except hidden ones.

    Args:
        given: a path, a Pillow image, an array, or several of these.

    Raises:
        ReorderKitError: if something else was given, there is no image, or a folder cannot be listed.
    """
    images: list[GivenImage] = []
    unreadable: list[Unreadable] = []
    findings = Findings()
    for number, each in enumerate(_several(given)):
        if not isinstance(each, str | os.PathLike):
            images.append(_in_memory(each, f"image {number}"))
            continue
        path = Path(each)
        reason, is_folder = _why_not(path)
        if reason is not None:
            unreadable.append(Unreadable(str(path), reason))
        elif is_folder:
            found = ImageWalk(path, "images", image_endings(), findings).files(path)
            images += [GivenImage(file, file) for file in found]
            unreadable += [] if found else [Unreadable(str(path), NO_IMAGE)]
        else:
            images.append(GivenImage(str(path), str(path)))
    if not images:
        raise ReorderKitError(
            "\n  ".join(["no image found", *(f"{each.path}: {each.reason}" for each in unreadable)]),
            "give image files, folders of images, Pillow images or arrays",
        )
    return GivenImages(images, unreadable, findings.found)


def read_given(given: GivenImage, decoding: Decoding) -> GivenPixels | Unreadable:
    """Decode an image like those of a run: upright, opaque, with 8 bits and the same channels.

    Args:
        given: the image.
        decoding: how to decode it.
    """
    findings = Findings()
    try:
        if isinstance(given.content, str):
            with open_picture(given.content, decoding.most_pixels) as opened:
                return _decoded(given, opened, decoding, findings)
        content = given.content
        # A copy, because Pillow would change the caller's image, which has no header with its original size.
        decoding = replace(decoding, least_side=None)
        image = content if isinstance(content, Image.Image) else _from_array(content, given.name, decoding, findings)
        return _decoded(given, image, decoding, findings)
    except Exception as error:  # decoders raise anything from SyntaxError to struct.error
        return Unreadable(given.name, f"{type(error).__name__}: {error}")


def _several(given: Any) -> Sequence[Any]:
    if isinstance(given, str | os.PathLike | Image.Image):
        return [given]
    if isinstance(given, np.ndarray) and given.ndim <= 3:
        return [given]
    if isinstance(given, Iterable):
        return list(given)
    return [given]


def _in_memory(given: Any, name: str) -> GivenImage:
    if isinstance(given, Image.Image):
        return GivenImage(name, given)
    if not isinstance(given, np.ndarray):
        raise ReorderKitError(
            f"{name}: {type(given).__name__} is not an image",
            "give a path, a Pillow image or an array; for a tensor (channel, row, column), "
            "tensor.permute(1, 2, 0).numpy()",
        )
    is_image = given.ndim == 2 or (given.ndim == 3 and given.shape[2] in (1, 3, 4))
    if not is_image or not given.size:
        raise ReorderKitError(
            f"{name}: an array with shape {given.shape} is not an image",
            "give (row, column), or (row, column, channel) with 1, 3 or 4 channels; several images as a list",
        )
    if given.dtype not in (np.uint8, np.uint16):
        raise ReorderKitError(
            f"{name}: an array of {given.dtype} has no fixed scale", "give uint8, from 0 to 255, or uint16"
        )
    return GivenImage(name, given)


def _why_not(path: Path) -> tuple[str | None, bool]:
    """Why a path cannot be read, or None if it can; and whether it is a folder."""
    try:
        if path.is_dir():
            return None, True
        if is_regular(path):
            return None, False
        return ("it is not a regular file" if path.exists() else "there is no such file"), False
    except OSError as error:
        return f"it cannot be accessed: {error.strerror}", False


def _decoded(given: GivenImage, image: Image.Image, decoding: Decoding, findings: Findings) -> GivenPixels:
    is_gray = image.mode in _GRAY_MODES or image.mode.startswith("I;16")
    if is_gray != (decoding.channels == 1):
        findings.add(IN_GRAY if decoding.channels == 1 else IN_COLOR, given.name)
    path = given.content if isinstance(given.content, str) else None

    def reopened() -> ImageFile.ImageFile:
        if path is None:
            raise ValueError("Pillow keeps only 8 bits of a 16-bit color image in memory; give the file's path")
        return open_picture(path, decoding.most_pixels)

    if path is None and has_16_bits(image) and not image.mode.startswith("I"):
        reopened()
    picture = decode_opened(image, reopened, given.name, decoding, findings)
    size = (picture.pixels.shape[-2], picture.pixels.shape[-1])
    if path is not None and decoding.least_side is not None:
        # An image that was decoded at reduced size does not know its original size.
        sizes = header_sizes(path)
        size = size if sizes is None else sizes[1]
    return GivenPixels(picture.pixels, size, picture.findings)


def _from_array(values: NDArray[Any], name: str, decoding: Decoding, findings: Findings) -> Image.Image:
    values = values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
    if values.dtype == np.uint16:
        findings.add(NARROWED.format(white=2**decoding.bit_depth - 1), name)
        values = in_8_bits(values, decoding.bit_depth, None)
    return Image.fromarray(np.ascontiguousarray(values))
