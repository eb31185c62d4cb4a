"""Read an annotation file in COCO's format."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reorder_kit.data.box_findings import FLAT, UNCOMPARED
from reorder_kit.data.boxed_images import Edges
from reorder_kit.data.findings import Findings
from reorder_kit.data.flags import flag
from reorder_kit.data.folder_listing import FolderListing
from reorder_kit.data.json_text import parse_json
from reorder_kit.data.record_objects import four_numbers
from reorder_kit.data.whole_numbers import Size, declared_size, whole_number
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces.path_lengths import shortened

Id = int | str
"""The id of a category or an image. 7, 7.0 and "7" are the same number."""

_UNLISTED = "annotations of images that the file does not list are left out"
_BOXLESS = "annotations without a bbox are left out"
_NO_BOX = object()
_ONE_ID = 'ids must be unique; 7, 7.0, "7" and "007" are the same'


@dataclass
class CocoImage:
    """An image and its objects.

    Args:
        file_name: the image's name in the file.
        size: height and width declared in the file, in pixels; None if not declared.
        boxes: left, top, right and bottom edges of each object, in pixels.
        categories: the category id of each object.
        crowd: which boxes enclose many objects.
        flat: edges of the boxes without width or height, which are not among the objects.
    """

    file_name: str
    size: Size | None
    boxes: list[Edges] = field(default_factory=list)
    categories: list[Id] = field(default_factory=list)
    crowd: list[bool] = field(default_factory=list)
    flat: list[Edges] = field(default_factory=list)


@dataclass(frozen=True)
class CocoFile:
    """The content of an annotation file.

    Args:
        path: the file.
        categories: the name of each category by id, ascending; ids may have gaps.
        images: the images, in the sequence of the file.
    """

    path: Path
    categories: dict[Id, str]
    images: Sequence[CocoImage]


def read_coco(path: Path, source: str, findings: Findings) -> CocoFile:
    """Read images, categories and boxes.

    These are left out and counted: boxes without width or height, annotations without a box if they are few, and
    annotations of unlisted images if there are others.

    Args:
        path: the file.
        source: the recipe's field that leads to it, for messages.
        findings: collects what is left out.

    Raises:
        ReorderKitError: if the file cannot be read, lacks something, or contradicts itself.
    """
    return _Reader(path, source, findings).read()


class _Reader:
    def __init__(self, path: Path, source: str, findings: Findings) -> None:
        self._path, self._source, self._findings = path, source, findings

    def read(self) -> CocoFile:
        content = self._content()
        categories = self._categories(content)
        images = self._images(content)
        self._add_objects(content, categories, images)
        named = self._named_once(categories, {number for image in images.values() for number in image.categories})
        return CocoFile(self._path, named, list(images.values()))

    def _mistake(self, what: str, hint: str | None = None) -> ReorderKitError:
        return ReorderKitError(f"{self._source}: {self._path}: {what}", hint)

    def _content(self) -> dict[str, Any]:
        try:
            content = parse_json(self._path.read_bytes())
        except OSError as error:
            raise self._mistake(f"it cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise self._mistake(f"it is not valid JSON: {error}", "the file may be cut off; copy it again") from error
        if not isinstance(content, dict):
            raise self._mistake("it must be an object with images, annotations and categories")
        for key in ("images", "annotations", "categories"):
            if not isinstance(content.get(key), list):
                raise self._mistake(
                    f"it has no list {key!r}", "this source reads object annotations, as in instances_val2017.json"
                )
        return content

    def _categories(self, content: dict[str, Any]) -> dict[Id, str]:
        found: dict[Id, str] = {}
        for place, category in enumerate(content["categories"]):
            where = f"categories[{place}]"
            number, name = self._id(category, where), category.get("name")
            if not isinstance(name, str) or not name:
                raise self._mistake(f"{where} has no name")
            if number in found:
                raise self._mistake(f"the category id {number} appears twice", _ONE_ID)
            found[number] = name
        if not found:
            raise self._mistake("it has no category")
        # Numbers by value, then strings.
        return dict(sorted(found.items(), key=lambda item: (isinstance(item[0], str), item[0])))

    def _named_once(self, categories: dict[Id, str], used: set[Id]) -> dict[Id, str]:
        """Drop categories that have no object and share a name with another, such as Roboflow's supercategory."""
        times = Counter(categories.values())
        named = {number: name for number, name in categories.items() if number in used or times[name] == 1}
        twice = [name for name, count in Counter(named.values()).items() if count > 1]
        if twice:
            raise self._mistake(f"the category name {twice[0]!r} appears twice", "give every class its own name")
        if not named:
            raise self._mistake("no category has an object and its own name")
        return named

    def _images(self, content: dict[str, Any]) -> dict[Id, CocoImage]:
        found: dict[Id, CocoImage] = {}
        for place, image in enumerate(content["images"]):
            where = f"images[{place}]"
            number, name = self._id(image, where), image.get("file_name")
            if not isinstance(name, str) or not name:
                raise self._mistake(f"{where} has no file_name")
            if number in found:
                raise self._mistake(f"the image id {number} appears twice", _ONE_ID)
            found[number] = CocoImage(name, self._declared(image, where))
        if not found:
            raise self._mistake("it lists no image")
        return found

    def _declared(self, image: dict[str, Any], where: str) -> Size | None:
        height, width = image.get("height"), image.get("width")
        if height is None and width is None:
            return None
        size = declared_size(height, width)
        if size is None:
            self._findings.add(UNCOMPARED, f"{self._path}, {where}")
        return size

    def _id(self, entry: Any, where: str) -> Id:
        number = _normalized(entry.get("id")) if isinstance(entry, dict) else None
        if number is None:
            raise self._mistake(f"{where} has no id that is a whole number or a string")
        return number

    def _add_objects(self, content: dict[str, Any], categories: dict[Id, str], images: dict[Id, CocoImage]) -> None:
        unlisted, boxless, used = [], [], 0
        for place, annotation in enumerate(content["annotations"]):
            if not isinstance(annotation, dict):
                raise self._mistake(f"annotations[{place}] is not an object")
            where = f"annotation {annotation['id']!s:.60}" if "id" in annotation else f"annotations[{place}]"
            image_id, category_id = _normalized(annotation.get("image_id")), _normalized(annotation.get("category_id"))
            if image_id is None:
                raise self._unlisted(annotation, where)
            if image_id not in images:
                unlisted.append((annotation, where))
                continue
            if category_id is None or category_id not in categories:
                known = ", ".join(map(str, list(categories)[:10])) + (", ..." if len(categories) > 10 else "")
                said = f"{annotation.get('category_id')!s:.60}"
                raise self._mistake(f"{where} has the category {said}, which is not one of {known}")
            if annotation.get("bbox", _NO_BOX) in (None, []):
                boxless.append(where)
                continue
            used += 1
            left, top, right, bottom = edges = self._edges(annotation.get("bbox"), where)
            image = images[image_id]
            if right <= left or bottom <= top:
                self._findings.add(FLAT, f"{self._path}, {where}")
                image.flat.append(edges)
                continue
            image.boxes.append(edges)
            image.categories.append(category_id)
            image.crowd.append(self._is_crowd(annotation, where))
        if unlisted and not used:
            raise self._unlisted(*unlisted[0])
        if len(boxless) > used:
            raise self._mistake(
                f"{len(boxless)} of {used + len(boxless)} annotations have no bbox, such as {boxless[0]}",
                "this source needs boxes; compute them from the segmentations",
            )
        for what, left_out in ((_UNLISTED, [where for _, where in unlisted]), (_BOXLESS, boxless)):
            if left_out:
                self._findings.add(what, f"{self._path}, {left_out[0]}", len(left_out))

    def _unlisted(self, annotation: dict[str, Any], where: str) -> ReorderKitError:
        said = f"{annotation.get('image_id')!s:.60}"
        return self._mistake(f"{where} refers to the image {said}, which the file does not list")

    def _is_crowd(self, annotation: dict[str, Any], where: str) -> bool:
        try:
            return flag(annotation.get("iscrowd"))
        except ValueError as error:
            raise self._mistake(
                f"{where}: iscrowd: {error}", "use 1 for a box around many objects, 0 for all others"
            ) from error

    def _edges(self, bbox: Any, where: str) -> Edges:
        numbers = four_numbers(bbox)
        if numbers is not None:
            left, top, width, height = numbers
            edges = (left, top, left + width, top + height)
            if all(map(math.isfinite, edges)):
                return edges
        raise self._mistake(f"{where} has the bbox {bbox!s:.80}, which is not [left, top, width, height] in pixels")


def _normalized(value: Any) -> Id | None:
    """An id, with numbers as integers; None if it is neither a whole number nor a string."""
    number = whole_number(value)
    return (value or None) if number is None and isinstance(value, str) else number


def _some(names: Sequence[str], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def find_images(file: CocoFile, folders: Sequence[Path], source: str, listing: FolderListing) -> list[Path]:
    """Find the images of an annotation file, all in the first of these folders that holds the first image.

    Args:
        file: names the images.
        folders: where to look.
        source: the recipe's field that leads to the file, for messages.
        listing: lists the folders.

    Raises:
        ReorderKitError: if the first image is in none of the folders, or another image is missing.
    """
    first, where = file.images[0].file_name, f"{source}: {file.path}"
    folder = next((folder for folder in folders if listing.find(folder, first, where) is not None), None)
    if folder is None:
        looked = ", ".join(map(str, folders))
        causes = (listing.why_missing(folder, first) for folder in folders)
        raise ReorderKitError(
            f"{where} names the image {shortened(first)}, which was not found; looked in {looked}",
            next((cause for cause in causes if cause), "give the folder of the images as data.images"),
        )
    paths, missing = [], []
    for image in file.images:
        path = listing.find(folder, image.file_name, where)
        if path is None:
            missing.append(image.file_name)
        else:
            paths.append(path)
    if missing:
        raise ReorderKitError(
            f"{where} names images that do not exist: {_some([shortened(folder / name) for name in missing])}",
            listing.why_missing(folder, missing[0]) or "copy the images again, or remove them from the file",
        )
    return paths
