"""Read the headers of a tar file, and look whether members lie where they were once found."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from reorder_kit.data.findings import Findings
from reorder_kit.errors import ReorderKitError

Place = tuple[int, int]
"""Offset and size of a member, bytes."""

# Directories, then the stem up to the first dot, then the ending: the rule of the format.
_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]+)")
_HINT = "copy or write it again; shards are tar files without compression"
_READ_AT_ONCE = 1 << 20
# Longer names, and those with other letters, stand in a header of their own.
_LONGEST_NAME = 99


@dataclass(frozen=True)
class Headers:
    """The members of a shard.

    Args:
        samples: by directory and stem, where the member with each ending lies.
        findings: what was left out or read in another way, with the name of a member; empty for the shard as a whole.
    """

    samples: dict[str, dict[str, Place]] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)


def read_headers(path: Path) -> Headers:
    """Where the members of a shard lie.

    Tar files that were put one behind the other are read as one.

    Raises:
        ReorderKitError: if the shard is damaged, cut short, or has two members of one name.
    """
    headers = Headers()
    try:
        with path.open("rb") as file:
            start: int | None = 0
            while start is not None:
                file.seek(start)
                if start:
                    headers.findings.add("further archives behind the end mark of a shard are read, too", "")
                with tarfile.open(fileobj=file, mode="r:") as archive:
                    _add_members(path, archive, headers)
                    end = archive.offset
                start = _next_archive(path, file, end)
    except (tarfile.TarError, OSError) as error:
        raise ReorderKitError(f"the shard {path} cannot be read: {error}", _HINT) from error
    return headers


def _next_archive(path: Path, file: BinaryIO, end: int) -> int | None:
    """Where another archive begins behind the end mark of one; None if there is none."""
    file.seek(end)
    block = file.read(tarfile.BLOCKSIZE)
    # tarfile takes a broken header in the middle for the end, which is a block of zeros.
    if block != tarfile.NUL * tarfile.BLOCKSIZE:
        what = "is cut short" if len(block) < tarfile.BLOCKSIZE else "is damaged"
        raise ReorderKitError(f"the shard {path} {what}: after {end} bytes there is no header and no end mark", _HINT)
    offset = end + tarfile.BLOCKSIZE
    while block := file.read(_READ_AT_ONCE):
        zeros = len(block) - len(block.lstrip(tarfile.NUL))
        if zeros < len(block):
            return offset + zeros // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE
        offset += len(block)
    return None


def _add_members(path: Path, archive: tarfile.TarFile, headers: Headers) -> None:
    linked: dict[str, tarfile.TarInfo] | None = None
    for member in archive:
        match = _NAME.fullmatch(member.name)
        content: tarfile.TarInfo | None = member
        if member.isdir():
            continue
        if member.islnk():
            linked = _by_name(archive) if linked is None else linked
            content = linked.get(member.linkname)
            told = "are read as the members they lead to" if content else "that lead to no member are left out"
            headers.findings.add(f"hard links {told}", member.name)
        elif not member.isreg():
            headers.findings.add("members that are no files, such as symbolic links, are left out", member.name)
            continue
        if content is None:
            continue
        if match is None:
            headers.findings.add("members without an ending, or hidden ones, are left out", member.name)
            continue
        if content.issparse():
            raise ReorderKitError(f"the shard {path} has a sparse member, {member.name}", "write it without -S")
        members = headers.samples.setdefault(match[1], {})
        ending = match[2].lower()
        if ending in members:
            raise ReorderKitError(f"the shard {path} has two members {member.name}")
        members[ending] = (content.offset_data, content.size)


def _by_name(archive: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    return {member.name: member for member in archive.getmembers() if member.isreg()}


def are_there(path: Path, members: Iterable[tuple[str, Place]]) -> bool:
    """Whether the headers in front of some members have their names and sizes.

    Args:
        path: the shard.
        members: name, as far as letters of one case tell it, and place of each.
    """
    try:
        with path.open("rb") as file:
            for name, (offset, size) in members:
                file.seek(offset - tarfile.BLOCKSIZE)
                header = tarfile.TarInfo.frombuf(file.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
                is_short = len(name) <= _LONGEST_NAME and name.isascii()
                if not header.isreg() or header.size != size or (is_short and header.name.lower() != name.lower()):
                    return False
    except (tarfile.TarError, OSError):
        return False
    return True
