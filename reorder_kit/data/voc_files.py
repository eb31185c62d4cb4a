"""Find the lists, images, annotations and masks of Pascal VOC."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from reorder_kit.data.findings import Findings
from reorder_kit.data.folder_listing import FolderListing
from reorder_kit.errors import ReorderKitError

Names = Sequence[str]

_IMAGE_ENDINGS = (".jpg", ".jpeg", ".png")
# Lists of one class have a mark behind each name: whether the image shows it.
_MARKED = re.compile(r"(.*\S)\s+(?:-1|0|1)")
_QUOTED = re.compile(r"""(["'])(.*)\1(?:\s+(?:-1|0|1))?""")
REWRITTEN = "names in lists are read without quotes or file endings"


class VocFiles:
    """The files of one year.

    Args:
        folder: holds ImageSets.
        kind: the folder of lists in it.
        findings: where it is told which names are not read as they are written.
    """

    def __init__(self, folder: Path, kind: str, findings: Findings) -> None:
        self._folder, self._lists, self._findings = folder, folder / "ImageSets" / kind, findings
        self._listing, self._by_ending = FolderListing(), _Endings()

    def has(self, split: str) -> bool:
        """There is such a list."""
        return (self._lists / f"{split}.txt").is_file()

    def listed(self, split: str, field: str) -> Names:
        """The names of a list."""
        path = self._lists / f"{split}.txt"
        try:
            # utf-8-sig, since some editors write a byte-order mark.
            lines = path.read_text(encoding="utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            known = ", ".join(sorted(file.stem for file in self._lists.glob("*.txt"))[:10]) or "none"
            raise ReorderKitError(
                f"{field}: the list {path} cannot be read: {error}", f"lists there: {known}"
            ) from error
        names = [self._named(line.strip(), path) for line in lines if line.strip()]
        if not names:
            raise ReorderKitError(f"{field}: the list {path} is empty")
        return names

    def image(self, name: str) -> Path:
        """The image."""
        return self._existing("JPEGImages", name, _IMAGE_ENDINGS)

    def annotation(self, name: str) -> Path:
        """The XML file."""
        return self._existing("Annotations", name, (".xml",))

    def mask(self, name: str) -> Path:
        """The mask."""
        return self._existing("SegmentationClass", name, (".png",))

    def _named(self, line: str, path: Path) -> str:
        """The name that a line gives: the first reading of which there is an image."""
        for name, is_rewritten in _readings(line):
            if self._listed("JPEGImages", name, _IMAGE_ENDINGS) is not None:
                if is_rewritten:
                    self._findings.add(REWRITTEN, f"{line} in {path}")
                return name
        marked = _MARKED.fullmatch(line)
        return marked[1] if marked else line

    def _listed(self, folder: str, name: str, endings: Sequence[str]) -> Path | None:
        """The file of a name, without a look at each of those that are not there."""
        return self._by_ending.find(self._folder / folder / name, endings)

    def _existing(self, folder: str, name: str, endings: Sequence[str]) -> Path:
        found = self._listed(folder, name, endings)
        if found is not None:
            return found
        # A file system may know it by other letters, small or large ones.
        paths = [self._folder / folder / f"{name}{ending}" for ending in endings]
        for path in paths:
            if self._listing.has(path):
                return path
        raise ReorderKitError(
            f"data.root: {self._lists} lists {name}, but there is no {paths[0]}",
            "copy the data again, or shorten the list",
        )


class _Endings:
    """Files by their names with the ending in small letters; each folder is listed once."""

    def __init__(self) -> None:
        self._names: dict[Path, dict[str, str]] = {}

    def find(self, base: Path, endings: Sequence[str]) -> Path | None:
        """The file with the first of these endings that is there, in small or large letters."""
        folder = base.parent
        if folder not in self._names:
            self._names[folder] = dict(_by_small_ending(folder))
        names = self._names[folder]
        return next((folder / names[base.name + ending] for ending in endings if base.name + ending in names), None)


def _by_small_ending(folder: Path) -> Iterator[tuple[str, str]]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_file())
    except OSError:
        return
    # Capital letters sort first, so that of two files the one with small letters remains.
    for name in names:
        path = PurePath(name)
        yield path.stem + path.suffix.lower(), name


def _readings(line: str) -> Iterator[tuple[str, bool]]:
    """Names that a line can mean, and whether that is more than leaving out a mark."""
    quoted, marked = _QUOTED.fullmatch(line), _MARKED.fullmatch(line)
    plain = [line, *([marked[1]] if marked else [])]
    for name in dict.fromkeys(plain):
        yield name, False
    for name in dict.fromkeys([*([quoted[2]] if quoted else []), *plain]):
        if name != line and name not in plain:
            yield name, True
        path = PurePath(name)
        if path.suffix.lower() in _IMAGE_ENDINGS:
            yield path.with_suffix("").as_posix(), True
    yield line.split()[0], True
