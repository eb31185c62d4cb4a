"""Find the files that tables and annotations name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath

from reorder_kit.data.file_identity import name_below
from reorder_kit.data.findings import Findings
from reorder_kit.data.real_files import is_regular, leads_to_file, leads_to_folder
from reorder_kit.data.spellings import RESPELLED_FOUND, Spellings
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces.path_lengths import is_too_long


class FolderListing:
    """Files by folder. Each folder is listed once, because checking every file over a network takes long.

    Args:
        root: findings name files relative to this folder.
        findings: collects names that match a differently spelled file.
    """

    def __init__(self, root: Path, findings: Findings) -> None:
        self._root, self._findings = root, findings
        self._files, self._folders = _Listed(leads_to_file), _Listed(leads_to_folder)
        self._respelled: set[Path] = set()

    def has(self, path: Path) -> bool:
        """Whether the path is a regular file."""
        folder, name = os.path.split(path)
        # A file system may ignore the case of letters.
        return name in self._files.names(folder) or is_regular(path)

    def find(self, folder: Path, name: str, field: str) -> Path | None:
        """The file with this name; None if there is none.

        Without an exact match, a file also matches if it differs only in Unicode form, slashes, or the case of its
        extension.

        Args:
            folder: the folder that the name is relative to.
            name: the name in a table or an annotation.
            field: the recipe's field that leads to it, for messages.

        Raises:
            ReorderKitError: if several files match.
        """
        path = folder / name
        if self.has(path):
            return path
        found = self._spelled(folder, name, field)
        if found is not None and found not in self._respelled:
            self._respelled.add(found)
            self._findings.add(RESPELLED_FOUND, name_below(self._root, str(found)))
        return found

    def why_missing(self, folder: Path, name: str) -> str | None:
        """A likely reason why no file was found, for use as a hint; None if unknown.

        Args:
            folder: the folder that the name is relative to.
            name: the name in a table or an annotation.
        """
        path = folder / name
        if is_too_long(path):
            return "the name is longer than file systems allow"
        try:
            if path.is_dir():
                return "it is a folder"
            if path.exists():
                return "it is a pipe, a socket or a device, which are never opened"
        except OSError as error:
            return f"it cannot be accessed: {error.strerror}"
        if path.is_symlink():
            return "it is a broken link"
        if PureWindowsPath(name).drive or (PurePosixPath(name).is_absolute() and not path.parent.is_dir()):
            return "it is an absolute path of another machine; use paths relative to the data's folder"
        near = [each for each in sorted(self._files.names(str(path.parent))) if each.casefold() == path.name.casefold()]
        if near:
            return f"{near[0]} exists, which differs only in case; rename one of them"
        return None

    def _spelled(self, folder: Path, name: str, field: str) -> Path | None:
        if PureWindowsPath(name).anchor:
            return None
        place = str(folder)
        *folders, last = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")] or [""]
        for part in folders:
            found = part if part == ".." else self._one_of(place, part, name, field, self._folders)
            if found is None:
                return None
            place = f"{place}/{found}"
        found = self._one_of(place, last, name, field, self._files)
        return None if found is None else Path(place, found)

    def _one_of(self, place: str, part: str, name: str, field: str, listed: _Listed) -> str | None:
        if part in listed.names(place):
            return part
        found = listed.spellings(place).of(part)
        if len(found) > 1:
            shown = " and ".join(map(ascii, found))
            raise ReorderKitError(
                f"{field}: {name} could mean several files in {place}: {shown}",
                "these differ only in Unicode form or in the case of their extension; rename or remove some",
            )
        return found[0] if found else None


class _Listed:
    """The contents of folders, each of which is listed once.

    Args:
        counts: selects the entries to list.
    """

    def __init__(self, counts: Callable[[os.DirEntry[str]], bool]) -> None:
        self._counts = counts
        self._names: dict[str, set[str]] = {}
        self._spellings: dict[str, Spellings] = {}

    def names(self, folder: str) -> set[str]:
        """The names in a folder; empty if it cannot be read."""
        if folder not in self._names:
            try:
                with os.scandir(folder) as entries:
                    self._names[folder] = {entry.name for entry in entries if self._counts(entry)}
            except OSError:
                self._names[folder] = set()
        return self._names[folder]

    def spellings(self, folder: str) -> Spellings:
        """The same names, for lookup in other spellings."""
        if folder not in self._spellings:
            self._spellings[folder] = Spellings(sorted(self.names(folder)))
        return self._spellings[folder]
