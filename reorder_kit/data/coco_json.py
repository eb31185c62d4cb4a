"""Read a file of annotations in COCO's format."""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reorder_kit.data.folder_listing import FolderListing
from reorder_kit.errors import ReorderKitError

_log = logging.getLogger(__name__)


@dataclass
class CocoImage:
    """An image and its objects.

    Args:
        file_name: as the file gives it.
        boxes: left, top, right and bottom edge of each object, pixels.
        categories: the category id of each object.
        crowd: which boxes are around many objects.
        declared_size: height and width, pixels, as the file gives them; None if it does not.
    """

    file_name: str
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    categories: list[int] = field(default_factory=list)
    crowd: list[bool] = field(default_factory=list)
    declared_size: tuple[int, int] | None = None


@dataclass(frozen=True)
class CocoFile:
    """What a file of annotations holds.

    Args:
        path: the file.
        categories: name of each category by its id, ascending; ids may have gaps.
        images: the images, in the sequence of the file.
    """

    path: Path
    categories: dict[int, str]
    images: Sequence[CocoImage]


def read_coco(path: Path, source: str) -> CocoFile:
    """Read images, categories and boxes. Boxes without width or height are left out, and logged.

    Args:
        path: the file.
        source: the recipe's field that leads to it, for messages.

    Raises:
        ReorderKitError: if the file cannot be read, lacks something, or contradicts itself.
    """
    return _Reader(path, source).read()


class _Reader:
    def __init__(self, path: Path, source: str) -> None:
        self._path, self._source = path, source

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
            content = json.loads(self._path.read_bytes())
        except OSError as error:
            raise self._mistake(f"it cannot be read: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise self._mistake(f"this is no JSON: {error}", "the file may be cut off; copy it again") from error
        if not isinstance(content, dict):
            raise self._mistake("an object with images, annotations and categories is needed")
        for key in ("images", "annotations", "categories"):
            if not isinstance(content.get(key), list):
                raise self._mistake(
                    f"there is no list {key!r}", "this source reads object annotations, as in instances_val2017.json"
                )
        return content

    def _categories(self, content: dict[str, Any]) -> dict[int, str]:
        found: dict[int, str] = {}
        for place, category in enumerate(content["categories"]):
            where = f"categories[{place}]"
            number, name = self._id(category, where), category.get("name")
            if not isinstance(name, str) or not name:
                raise self._mistake(f"{where} has no name")
            if number in found:
                raise self._mistake(f"the category id {number} comes twice")
            found[number] = name
        if not found:
            raise self._mistake("there is no category")
        return dict(sorted(found.items()))

    def _named_once(self, categories: dict[int, str], used: set[int]) -> dict[int, str]:
        """Without categories that have no object and another's name, as Roboflow's group of all the others."""
        times = Counter(categories.values())
        named = {number: name for number, name in categories.items() if number in used or times[name] == 1}
        twice = [name for name, count in Counter(named.values()).items() if count > 1]
        if twice:
            raise self._mistake(f"the category name {twice[0]!r} comes twice", "every class needs a name of its own")
        if not named:
            raise self._mistake("no category has an object and a name of its own")
        return named

    def _images(self, content: dict[str, Any]) -> dict[int, CocoImage]:
        found: dict[int, CocoImage] = {}
        for place, image in enumerate(content["images"]):
            where = f"images[{place}]"
            number, name = self._id(image, where), image.get("file_name")
            if not isinstance(name, str) or not name:
                raise self._mistake(f"{where} has no file_name")
            if number in found:
                raise self._mistake(f"the image id {number} comes twice")
            height, width = image.get("height"), image.get("width")
            is_sized = isinstance(height, int) and isinstance(width, int)
            found[number] = CocoImage(name, declared_size=(height, width) if is_sized else None)
        if not found:
            raise self._mistake("there is no image")
        return found

    def _id(self, entry: Any, where: str) -> int:
        number = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(number, int):
            raise self._mistake(f"{where} has no id that is a whole number")
        return number

    def _add_objects(self, content: dict[str, Any], categories: dict[int, str], images: dict[int, CocoImage]) -> None:
        flat = []
        for place, annotation in enumerate(content["annotations"]):
            if not isinstance(annotation, dict):
                raise self._mistake(f"annotations[{place}] is no object")
            where = f"annotation {annotation['id']}" if "id" in annotation else f"annotations[{place}]"
            image_id, category_id = annotation.get("image_id"), annotation.get("category_id")
            if not _is_number(image_id) or image_id not in images:
                raise self._mistake(f"{where} is of the image {image_id}, which the file does not list")
            if not _is_number(category_id) or category_id not in categories:
                known = ", ".join(map(str, list(categories)[:10])) + (", ..." if len(categories) > 10 else "")
                raise self._mistake(f"{where} has the category {category_id}, which is none of {known}")
            left, top, width, height = self._numbers(annotation.get("bbox"), where)
            if width <= 0 or height <= 0:
                flat.append(where)
                continue
            image = images[image_id]
            image.boxes.append((left, top, left + width, top + height))
            image.categories.append(category_id)
            image.crowd.append(bool(annotation.get("iscrowd", 0)))
        if flat:
            _log.warning("%s: left out, their boxes without width or height: %s", self._path, _some(flat))

    def _numbers(self, bbox: Any, where: str) -> Sequence[float]:
        if not isinstance(bbox, list) or len(bbox) != 4 or not all(_is_number(value) for value in bbox):
            raise self._mistake(f"{where} has the bbox {bbox}, which is not [left, top, width, height] in pixels")
        return bbox


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _some(names: Sequence[str], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def find_images(file: CocoFile, folders: Sequence[Path], source: str) -> list[Path]:
    """Where the images of a file of annotations lie: all of them in the first of these folders that has the first one.

    Args:
        file: names the images.
        folders: where to look.
        source: the recipe's field that leads to the file, for messages.

    Raises:
        ReorderKitError: if an image is in none of them, or is missing.
    """
    first, listing = file.images[0].file_name, FolderListing()
    folder = next((folder for folder in folders if (folder / first).is_file()), None)
    if folder is None:
        looked = ", ".join(map(str, folders))
        raise ReorderKitError(
            f"{source}: {file.path} names the image {first}, which is not there; looked in {looked}",
            "say with data.images where the images are",
        )
    paths = [folder / image.file_name for image in file.images]
    missing = [str(path) for path in paths if not listing.has(path)]
    if missing:
        raise ReorderKitError(
            f"{source}: {file.path} names images that are not there: {_some(missing)}",
            "copy the images again, or take them out of the file",
        )
    return paths
