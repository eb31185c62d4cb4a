"""Read an annotation of Pascal VOC."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from reorder_kit.data.box_findings import FLAT, UNCOMPARED
from reorder_kit.data.boxed_images import Edges
from reorder_kit.data.findings import Findings
from reorder_kit.data.flags import flag
from reorder_kit.data.whole_numbers import Size, declared_size
from reorder_kit.errors import ReorderKitError

_DECLARATION = re.compile(rb"""\s*<\?xml[^>]*?\sencoding\s*=\s*["']([^"']*)["']""")


class VocObject(NamedTuple):
    """An object of an image.

    Args:
        name: the name of its class.
        box: its edges.
        is_difficult: whether it is marked as difficult to recognize.
    """

    name: str
    box: Edges
    is_difficult: bool


class VocAnnotation(NamedTuple):
    """The content of an XML file.

    Args:
        size: declared height and width, in pixels; None if there is no usable size.
        objects: the objects whose box has an area.
        flat: edges of the boxes without width or height.
    """

    size: Size | None
    objects: list[VocObject]
    flat: list[Edges]


def read_annotation(path: Path, findings: Findings) -> VocAnnotation:
    """Read the image's size and objects.

    Args:
        path: the XML file.
        findings: collects what is left out.

    Raises:
        ReorderKitError: if it cannot be read, or an object is incomplete.
    """
    root = _parsed(path)
    objects, flat = [], []
    for place, thing in enumerate(root.iterfind("object"), start=1):
        edges = _edges(thing)
        if edges is None:
            raise ReorderKitError(f"data.root: {path}: object {place} has no bndbox of four numbers")
        if edges[2] <= edges[0] or edges[3] <= edges[1]:
            findings.add(FLAT, f"{path}, object {place}")
            flat.append(edges)
            continue
        try:
            # An empty mark counts as missing.
            is_difficult = flag(thing.findtext("difficult", "").strip() or None)
        except ValueError as error:
            raise ReorderKitError(
                f"data.root: {path}: object {place}: difficult: {error}", "use 1 for a difficult object, else 0"
            ) from error
        objects.append(VocObject(thing.findtext("name", "").strip(), edges, is_difficult))
    return VocAnnotation(_size(root, path, findings), objects, flat)


def _parsed(path: Path) -> ElementTree.Element:
    mistake = f"data.root: {path} is not XML"
    try:
        content = path.read_bytes()
        declaration = _DECLARATION.match(content)
        if declaration is None:  # UTF-8, or UTF-16 with its mark, which the parser tells apart
            return ElementTree.fromstring(content)
        encoding = declaration[1].decode("ascii", "replace")
        # Decoded here, because the parser knows no multibyte encodings; it ignores the declaration of decoded text.
        return ElementTree.fromstring(content.decode("utf-8-sig" if _is_utf_8(encoding) else encoding))
    except OSError as error:
        raise ReorderKitError(f"data.root: {path} cannot be read: {error.strerror}") from error
    except LookupError as error:
        raise ReorderKitError(f"{mistake} that can be read: {error}", "save it as UTF-8 and declare that") from error
    except UnicodeError as error:
        raise ReorderKitError(
            f"{mistake} in the encoding that it declares: {error}", "declare the encoding in which it was saved"
        ) from error
    except (ElementTree.ParseError, ValueError) as error:
        raise ReorderKitError(
            f"{mistake}: {error}", "the file may be cut off, or declare the wrong encoding"
        ) from error


def _is_utf_8(encoding: str) -> bool:
    return encoding.lower().replace("_", "-") in ("utf-8", "utf8")


def _size(root: ElementTree.Element, path: Path, findings: Findings) -> Size | None:
    if root.find("size") is None:
        return None
    size = declared_size(root.findtext("size/height", ""), root.findtext("size/width", ""))
    if size is None:
        findings.add(UNCOMPARED, str(path))
    return size


def _edges(thing: ElementTree.Element) -> Edges | None:
    """Edges counted from 0: VOC counts pixels from 1 and gives the last pixel that belongs to the object."""
    texts = [thing.findtext(f"bndbox/{edge}", "") for edge in ("xmin", "ymin", "xmax", "ymax")]
    try:
        left, top, right, bottom = map(float, texts)
    except ValueError:
        return None
    return (left - 1, top - 1, right, bottom) if math.isfinite(left + top + right + bottom) else None
