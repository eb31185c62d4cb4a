"""Find the image files in folders, each once, ignoring files that other programs leave there."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path

from reorder_kit.data.file_identity import name_below
from reorder_kit.data.findings import Findings
from reorder_kit.data.heif import HEIF_ENDINGS, reads_heif, unread_format
from reorder_kit.data.real_files import RealFiles, identity, leads_to_file, leads_to_folder
from reorder_kit.errors import ReorderKitError

_JUNK = frozenset(
    {
        "__macosx", "icon\r", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information",
        "@eadir", "@recycle", "#recycle", "@recently-snapshot", "lost+found", "found.000", "__pycache__",
    }
)  # fmt: skip
_ENDINGS = (
    ".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".jfif", ".jpe", ".gif", ".avif",
)  # fmt: skip

JUNK_FOUND = "hidden files and files of operating systems are left out"
"""Files and folders."""
OTHERS_FOUND = "files without an image extension are left out"
SPECIAL_FOUND = "pipes, sockets and devices are left out"
TWICE_FOUND = "images and folders reached again through links are read once"

Above = dict[tuple[int, int], str]


def is_junk(name: str) -> bool:
    """Whether a file or folder is hidden, or left behind by an operating system or another program.

    >>> is_junk("._7.png"), is_junk("Thumbs.db"), is_junk("7.png")
    (True, True, False)
    """
    return name.startswith(".") or name.casefold() in _JUNK


@cache
def image_endings() -> tuple[str, ...]:
    """Lower-case extensions of the images that Pillow reads here; some builds have no WebP or AVIF."""
    from PIL import Image

    endings = _ENDINGS + HEIF_ENDINGS if reads_heif() else _ENDINGS
    formats = Image.registered_extensions()
    return tuple(ending for ending in endings if formats.get(ending) in Image.OPEN)


def loose_images(folder: Path) -> list[str]:
    """Names of the images directly in a folder, sorted."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if not is_junk(entry.name) and not leads_to_folder(entry)]
    return sorted(name for name in names if _ending(name) in image_endings())


@dataclass(frozen=True)
class ImageWalk:
    """Lists the images below folders, and counts what is left out.

    Args:
        root: findings name files relative to this folder.
        field: the recipe's field that leads there, for messages.
        endings: lower-case extensions of the files to list.
        findings: collects what is left out.
        companions: extensions of files that accompany images and are not counted.
        has_each_once: whether a file with several paths is listed only once. False for masks: one file, such as an
            empty mask, may serve several images.
    """

    root: Path
    field: str
    endings: Collection[str]
    findings: Findings
    companions: Collection[str] = ()
    has_each_once: bool = True

    def files(self, folder: Path) -> dict[str, int]:
        """The path of each image below a folder, with its inode number.

        Images directly in the folder come first, by name, then those of each subfolder.
        Links are followed; a folder with several paths is entered once.

        Raises:
            ReorderKitError: naming a link that leads back to a parent folder, or a folder that cannot be read.
        """
        found: dict[str, int] = {}
        met, entered = RealFiles(), set()
        # A list instead of recursion: a chain of folders can be deeper than Python's stack.
        to_visit = [(str(folder), _above(folder))]
        while to_visit:
            place, above = to_visit.pop()
            known = self._identity(place)
            if known in above:
                raise ReorderKitError(
                    f"{self.field}: {place} leads back to its parent folder {above[known]}",
                    "remove this link; it would make reading endless",
                )
            if known in entered:
                self._count(TWICE_FOUND, place)
                continue
            entered.add(known)
            folders, files = self._entries(place)
            for path, inode in files.items():
                if self.has_each_once and met.met_before(path, inode) is not None:
                    self._count(TWICE_FOUND, path)
                else:
                    found[path] = inode
            below = above | {known: place}
            to_visit += [(inner, below) for inner in reversed(folders)]
        return found

    def _entries(self, place: str) -> tuple[list[str], dict[str, int]]:
        # No object per file: Python's garbage collector would scan all of them again and again.
        folders: list[str] = []
        files: dict[str, int] = {}
        try:
            with os.scandir(place) as entries:
                for entry in sorted(entries, key=attrgetter("name")):
                    # Most files are not links; skipping further system calls for them saves time.
                    is_plain = entry.is_file(follow_symlinks=False)
                    if is_junk(entry.name):
                        self._count(JUNK_FOUND, entry.path)
                    elif not is_plain and leads_to_folder(entry):
                        folders.append(entry.path)
                    elif not is_plain and _is_special(entry):
                        self._count(SPECIAL_FOUND, entry.path)
                    elif (ending := _ending(entry.name)) in self.endings:
                        files[entry.path] = entry.inode() if is_plain else _inode_of_target(entry)
                    elif ending not in self.companions:
                        self._count(unread_format(ending) or OTHERS_FOUND, entry.path)
        except OSError as error:
            raise self._unreadable(place, error) from error
        return folders, files

    def _identity(self, place: str) -> tuple[int, int]:
        try:
            return identity(place)
        except OSError as error:
            raise self._unreadable(place, error) from error

    def _unreadable(self, place: str, error: OSError) -> ReorderKitError:
        return ReorderKitError(f"{self.field}: the folder {place} cannot be read: {error.strerror}")

    def _count(self, what: str, path: str) -> None:
        self.findings.add(what, name_below(self.root, path))


def _above(folder: Path) -> Above:
    """The parent folders in a folder's path."""
    found: Above = {}
    for parent in Path(os.path.normpath(folder.absolute())).parents:
        try:
            found[identity(parent)] = str(parent)
        except OSError:  # a folder may be accessible although its parents are not
            continue
    return found


def _ending(name: str) -> str:
    stem, _, ending = name.rpartition(".")
    return f".{ending.lower()}" if stem else ""


def _is_special(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is neither a regular file nor a broken link, which is reported when it is read."""
    if leads_to_file(entry):
        return False
    try:
        identity(entry.path)
    except OSError:
        return False
    return True


def _inode_of_target(link: os.DirEntry[str]) -> int:
    try:
        return link.stat().st_ino
    except OSError:  # a broken link
        return link.inode()
