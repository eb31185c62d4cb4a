"""What a failing machine says: full disks, lost permissions, folders that are gone, limits of the system."""

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

# What no program asks for by mistake. Each with what to do; {place} is the folder, {disk} the disk with its free space.
_REMEDIES = {
    errno.ENOSPC: "free space on {disk}",
    errno.EDQUOT: "free space within your quota on {disk}; `quota -s` may show it",
    errno.EFBIG: "allow larger files with `ulimit -f unlimited`, or use a file system that holds them",
    errno.EACCES: "get permission for {place}; `ls -ld` shows whose it is",
    errno.EPERM: "get permission for {place}; `ls -ld` shows whose it is",
    errno.EROFS: "{place} is on a disk that is mounted read-only: use another one, or mount it for writing",
    errno.EIO: "the disk of {place} fails, or the network to it: look at `dmesg`, and save what is on it",
    errno.ESTALE: "the network drive of {place} was lost: mount it again",
    errno.ELOOP: "the links in {place} lead to each other: remove one",
    errno.EMFILE: "raise the limit with `ulimit -n`, or set data.workers lower",
    errno.ENFILE: "end other programs: together they have too many files open",
    errno.ENOMEM: "end other programs, or start anew with a smaller data.batch_size or a smaller model",
}
# What a mistake of a program says as well: only of a file that is known to be missed is it the machine's fault.
_OF_KNOWN_FILES = {
    errno.ENOENT: "{place} is not there: make it, or mount its disk again",
    errno.ENOTDIR: "a file is where a folder is needed: give another place, or remove it",
    errno.EISDIR: "a folder is where a file is needed: give another place, or remove it",
    errno.EEXIST: "a file is where a folder is needed: give another place, or remove it",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.EINVAL: "this file system does not allow it: use another one for {place}",
}
_BY_WORDS = {os.strerror(code): code for code in _REMEDIES}
_RUST = re.compile(r"os error (\d+)")


@dataclass(frozen=True)
class MachineFailure:
    """What the system refused.

    Args:
        code: its number for that.
        file: which file it was about; None if it was about none, or that is not known.
    """

    code: int
    file: Path | None = None

    @property
    def reason(self) -> str:
        """In the words of the system."""
        return os.strerror(self.code)

    def remedy(self, folder: Path) -> str:
        """What to do about it.

        Args:
            folder: where it was tried, if the file does not tell.
        """
        place = folder if self.file is None else self.file.parent
        words = {**_REMEDIES, **_OF_KNOWN_FILES}.get(self.code, "use another place than {place}")
        return words.format(place=place, disk=_disk(place, self.code))


def failure_of_machine(error: BaseException, folder: Path | None = None) -> MachineFailure | None:
    """What the machine refused, if an error comes from that; None if it does not.

    Libraries wrap what the system says: of those, causes and words are looked at.

    Args:
        error: the error.
        folder: where a file that is missing, or is something else than expected, is the machine's fault, too.
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
    """Let errors of the system name a file: those of writing into an open one do not.

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
    """The disk of a folder, with the space on it where that can be had."""
    if code not in (errno.ENOSPC, errno.EDQUOT):
        return str(place)
    there = next((folder for folder in (place, *place.absolute().parents) if folder.is_dir()), None)
    if there is None:
        return f"the disk of {place}"
    total, _, free = shutil.disk_usage(there)
    has_room = code == errno.ENOSPC and free > _ROOM_FOR_A_FILE
    words = "; as it has space, it may hold too many files, or your quota may be used up" if has_room else ""
    return f"the disk of {place} ({free // _MEGABYTE:,} of {total // _MEGABYTE:,} MB are free{words})"
