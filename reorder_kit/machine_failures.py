"""Failures of the machine in words: full disks, lost permissions, missing folders, system limits."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_MEGABYTE = 1_000_000
_ROOM_FOR_A_FILE = 100 * _MEGABYTE

# Errors that no program causes by mistake, with what to do; {place} is the folder, {disk} the disk and its free space.
_REMEDIES = {
    errno.ENOSPC: "free space on {disk}",
    errno.EDQUOT: "free space within your quota on {disk}; `quota -s` may show it",
    errno.EFBIG: "allow larger files with `ulimit -f unlimited`, or use a file system that supports them",
    errno.EACCES: "get permission for {place}; `ls -ld` shows its owner",
    errno.EPERM: "get permission for {place}; `ls -ld` shows its owner",
    errno.EROFS: "{place} is on a disk that is mounted read-only: use another disk, or mount it for writing",
    errno.EIO: "the disk of {place}, or the network to it, is failing: check `dmesg`, and save the disk's content",
    errno.ESTALE: "the network drive of {place} was lost: mount it again",
    errno.ELOOP: "the links in {place} form a loop: remove one",
    errno.EMFILE: "raise the limit with `ulimit -n`, or set data.workers lower",
    errno.ENFILE: "close other programs: together they have too many files open",
    errno.ENOMEM: "close other programs, or start over with a smaller data.batch_size or a smaller model",
}
# A mistake of a program causes these errors, too: they count as the machine's fault only for a known file.
_OF_KNOWN_FILES = {
    errno.ENOENT: "{place} does not exist: create it, or mount its disk again",
    errno.ENOTDIR: "a file is in the place of a folder: choose another place, or remove the file",
    errno.EISDIR: "a folder is in the place of a file: choose another place, or remove the folder",
    errno.EEXIST: "a file is in the place of a folder: choose another place, or remove the file",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EINVAL: "this file system does not allow it: use another one for {place}",
}
_BY_WORDS = {os.strerror(code): code for code in _REMEDIES}
_RUST = re.compile(r"os error (\d+)")


@dataclass(frozen=True)
class MachineFailure:
    """An operation that the system refused.

    Args:
        code: the system's error number.
        file: the file concerned; None if there is none or it is unknown.
    """

    code: int
    file: Path | None = None

    @property
    def reason(self) -> str:
        """The system's error message."""
        return os.strerror(self.code)

    def remedy(self, folder: Path) -> str:
        """What to do about it.

        Args:
            folder: the folder concerned, if the file is unknown.
        """
        place = folder if self.file is None else self.file.parent
        words = {**_REMEDIES, **_OF_KNOWN_FILES}.get(self.code, "use a place other than {place}")
        return words.format(place=place, disk=_disk(place, self.code))


def failure_of_machine(error: BaseException, folder: Path | None = None) -> MachineFailure | None:
    """The machine's failure that caused an error; None if the error has another cause.

    Libraries wrap system errors, so causes and messages are examined.

    Args:
        error: the error.
        folder: a folder in which missing or unexpected files are the machine's fault, too.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError):
            failure = _of_system(seen, folder)
            if failure is not None:
                return failure
        seen = seen.__cause__
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return MachineFailure(errno.ENOMEM)
    if isinstance(error, OSError):
        return None
    text = str(error)
    rust = _RUST.search(text)
    code = int(rust[1]) if rust else next((code for words, code in _BY_WORDS.items() if words in text), None)
    return MachineFailure(code) if code in _REMEDIES else None


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Add a file's name to system errors: errors while writing to an open file lack it.

    Raises:
        OSError: with the name of the file.
    """
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(file), None
        raise


def _of_system(error: OSError, folder: Path | None) -> MachineFailure | None:
    file = Path(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) else None
    if error.errno in _REMEDIES:
        return MachineFailure(error.errno, file)
    is_known = folder is not None and file is not None and file.absolute().is_relative_to(folder.absolute())
    return MachineFailure(error.errno, file) if error.errno in _OF_KNOWN_FILES and is_known else None


def _disk(place: Path, code: int) -> str:
    """The disk of a folder, with its space if that can be determined."""
    if code not in (errno.ENOSPC, errno.EDQUOT):
        return str(place)
    there = next((folder for folder in (place, *place.absolute().parents) if folder.is_dir()), None)
    if there is None:
        return f"the disk of {place}"
    total, _, free = shutil.disk_usage(there)
    has_room = code == errno.ENOSPC and free > _ROOM_FOR_A_FILE
    words = "; it has space, so it may hold too many files, or your quota may be used up" if has_room else ""
    return f"the disk of {place} ({free // _MEGABYTE:,} of {total // _MEGABYTE:,} MB are free{words})"
