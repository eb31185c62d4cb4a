"""Find masks among photographs by name and folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import PurePath
from typing import NamedTuple

_PICTURES = frozenset({"image", "images", "img", "imgs", "jpegimages", "photo", "photos", "picture", "pictures"})
_MASKS = frozenset(
    {
        "mask", "masks", "trimap", "trimaps", "groundtruth", "gt", "segmentation", "segmentations", "segmentationclass",
        "segmentationobject", "annotation", "annotations", "annots",
    }
)  # fmt: skip
_NAME = re.compile(
    r"(.+?)[ _-]+(?:masks?|seg|segmentation|groundtruth|gt|annotation|trimap)(?:[ _-]?\d+)?", re.IGNORECASE
)
_HINT = re.compile(r"mask|seg|truth|gt|annot|trimap", re.IGNORECASE)


class Masks(NamedTuple):
    """Paths of images that seem to be masks.

    Args:
        certain: masks with a matching image: ``X_mask.png`` next to ``X.png``, or ``masks/X.png`` next to
            ``images/X.png`` or ``X.png``.
        likely: other images in folders named like masks.
    """

    certain: list[str]
    likely: list[str]


def is_pictures(name: str) -> bool:
    """Whether a folder is named like a folder of images of all kinds.

    >>> is_pictures("Images"), is_pictures("cat")
    (True, False)
    """
    return _letters(name) in _PICTURES


def is_masks(name: str) -> bool:
    """Whether a folder is named like a folder of masks or annotations.

    >>> is_masks("ground_truth"), is_masks("unmasked")
    (True, False)
    """
    return _letters(name) in _MASKS


def masks_among(place: str, files: Collection[str]) -> Masks:
    """The images in a class folder that seem to be masks.

    Args:
        place: the class folder.
        files: the paths of all images below it.
    """
    start = len(place) + 1
    # Most data has no masks; then no path needs to be parsed.
    hinted = [path for path in files if _HINT.search(path, start)]
    suspects = {path: key for path in hinted if (key := _belongs_to(path[start:])) is not None}
    if not suspects:
        return Masks([], [])
    images = {_without(path[start:], is_pictures)[0] for path in files if path not in suspects}
    found = Masks([], [])
    for path, key in suspects.items():
        if key in images:
            found.certain.append(path)
        elif any(map(is_masks, PurePath(path[start:]).parts[:-1])):
            found.likely.append(path)
    return found


def _belongs_to(path: str) -> str | None:
    """The image that a mask would belong to; None if the path does not look like a mask."""
    key, is_in_masks = _without(path, is_masks)
    place, slash, name = key.rpartition("/")
    named = _NAME.fullmatch(name)
    if named is not None:
        return f"{place}{slash}{named[1]}"
    return key if is_in_masks else None


def _without(path: str, is_left_out: Callable[[str], bool]) -> tuple[str, bool]:
    """A path with slashes, without its extension and the folders to leave out, and whether it had such folders."""
    *folders, name = PurePath(path.rpartition(".")[0]).parts
    kept = [folder for folder in folders if not is_left_out(folder)]
    return "/".join((*kept, name)), len(kept) < len(folders)


def _letters(name: str) -> str:
    return "".join(filter(str.isalpha, name)).casefold()
