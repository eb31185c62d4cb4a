"""Find the lists, images, annotations and masks of Pascal VOC."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from reorder_kit.data.findings import Findings
from reorder_kit.data.folder_listing import FolderListing
from reorder_kit.data.image_walk import is_junk
from reorder_kit.data.split_names import Split, by_split
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces.path_lengths import shortened

Names = Sequence[str]

_IMAGE_ENDINGS = (".jpg", ".jpeg", ".png")
# Lists of one class have a mark after each name: whether the image shows the class.
_MARKED = re.compile(r"(.*\S)\s+(?:-1|0|1)")
_QUOTED = re.compile(r"""(["'])(.*)\1(?:\s+(?:-1|0|1))?""")
# Lists of other programs give paths, each followed by the path of its annotation or mask.
_PAIRED = re.compile(r"(.+\.(?:jpe?g|png))\s+(\S.*\.(?:xml|png))", re.IGNORECASE)
REWRITTEN = "names in lists are read without quotes or file endings"
FOLDERS = "paths in lists are read as names of images"


class VocFiles:
    """The files of one year.

    Args:
        folder: holds ImageSets.
        kind: the folder of lists in it.
        listing: finds images and annotations.
        findings: collects names that are read differently than written.
    """

    def __init__(self, folder: Path, kind: str, listing: FolderListing, findings: Findings) -> None:
        self._folder, self._lists = folder, folder / "ImageSets" / kind
        self._targets = "Annotations" if kind == "Main" else "SegmentationClass"
        self._listing, self._findings = listing, findings
        self._field = f"data.root: {self._lists}"

    def splits(self, chosen: Mapping[Split, str | None]) -> dict[Split, str]:
        """The lists that are named like a split, or chosen for one."""
        names = [file.stem for file in self._lists.glob("*.txt") if not is_junk(file.name)]
        return by_split(
            names, self._field, "keep one list, or choose with data.train, data.validation or data.test", chosen
        )

    def listed(self, split: str, field: str) -> Names:
        """The names of a list."""
        path = self._lists / f"{split}.txt"
        try:
            # utf-8-sig, because some editors write a byte-order mark.
            lines = path.read_text(encoding="utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            known = ", ".join(sorted(file.stem for file in self._lists.glob("*.txt"))[:10]) or "none"
            raise ReorderKitError(
                f"{field}: the list {path} cannot be read: {error}", f"existing lists: {known}"
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
        """The name in a line: the first reading for which an image exists."""
        for name, is_rewritten in _readings(line):
            # An absolute path would bypass the image folder, and would not lead to an annotation.
            if not Path(name).is_absolute() and self._listed("JPEGImages", name, _IMAGE_ENDINGS) is not None:
                if is_rewritten:
                    self._findings.add(REWRITTEN, f"{line} in {path}")
                return name
        for written, name in self._paths(line):
            found = self._listed("JPEGImages", name, _IMAGE_ENDINGS)
            if found is not None and not _is_other_file(written, found):
                self._findings.add(FOLDERS, f"{line} in {path}")
                return name
        marked = _MARKED.fullmatch(line)
        return marked[1] if marked else line

    def _paths(self, line: str) -> Iterator[tuple[str, str]]:
        """The image paths that a line can mean, each with the resulting name relative to the image folder."""
        marked, paired = _MARKED.fullmatch(line), _PAIRED.fullmatch(line)
        written = [line, *([marked[1]] if marked else [])]
        if paired:
            image, target = map(_slashed, paired.groups())
            # If the line pairs the image with a target other than the one that would be read, do not guess.
            if target.stem == image.stem and target.parent.name == self._targets:
                written = [paired[1]]
        for each in written:
            *_, last = parts = _slashed(each.strip("\"'")).parts or ("",)
            if "JPEGImages" in parts[:-1] and last.lower().endswith(_IMAGE_ENDINGS):
                start = len(parts) - parts[::-1].index("JPEGImages")
                yield each, PurePosixPath(*parts[start:]).with_suffix("").as_posix()

    def _listed(self, folder: str, name: str, endings: Sequence[str]) -> Path | None:
        """The file with this name and the first of these extensions that exists."""
        found = (self._listing.find(self._folder / folder, f"{name}{ending}", self._field) for ending in endings)
        return next((path for path in found if path is not None), None)

    def _existing(self, folder: str, name: str, endings: Sequence[str]) -> Path:
        found = self._listed(folder, name, endings)
        if found is None:
            place, first = self._folder / folder, f"{name}{endings[0]}"
            raise ReorderKitError(
                f"{self._field} lists {shortened(name)}, but {shortened(place / first)} does not exist",
                self._listing.why_missing(place, first) or "copy the data again, or correct the list",
            )
        return found


def _readings(line: str) -> Iterator[tuple[str, bool]]:
    """Names that a line can mean, and whether the reading changes more than dropping a mark."""
    quoted, marked = _QUOTED.fullmatch(line), _MARKED.fullmatch(line)
    plain = [line, *([marked[1]] if marked else [])]
    for name in dict.fromkeys(plain):
        yield name, False
    for name in dict.fromkeys([*([quoted[2]] if quoted else []), *plain]):
        if name != line and name not in plain:
            yield name, True
        path = PurePosixPath(name)
        if path.suffix.lower() in _IMAGE_ENDINGS:
            yield path.with_suffix("").as_posix(), True
    yield line.split()[0], True


def _slashed(path: str) -> PurePosixPath:
    return PurePosixPath(path.replace("\\", "/"))


def _is_other_file(written: str, found: Path) -> bool:
    """Whether an absolute path leads to another existing file than the one found by name."""
    path = Path(written.strip("\"'"))
    try:
        return path.is_absolute() and path.exists() and not path.samefile(found)
    except OSError:  # for instance, the path is too long
        return False
