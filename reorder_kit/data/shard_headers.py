"""Read the headers of a tar file, and verify noted places of members."""

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
"""Offset and size of a member, in bytes."""

# Directories, then the stem up to the first dot, then the extension: the format's rule.
_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]+)")
_HINT = "copy or write it again; shards must be uncompressed tar files"
_READ_AT_ONCE = 1 << 20
# Longer names, and names with other characters, have their own header.
_LONGEST_NAME = 99


@dataclass(frozen=True)
class Headers:
    """The members of a shard.

    Args:
        samples: by directory and stem, the place of the member with each extension.
        findings: what was left out or read differently, with the name of a member; empty for the whole shard.
    """

    samples: dict[str, dict[str, Place]] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)


def read_headers(path: Path) -> Headers:
    """The places of a shard's members.

    Concatenated tar files are read as one.

    Raises:
        ReorderKitError: if the shard is damaged, cut short, or has two members with the same name.
    """
    headers = Headers()
    try:
        with path.open("rb") as file:
            start: int | None = 0
            while start is not None:
                file.seek(start)
                if start:
                    headers.findings.add("further archives after the end mark of a shard are read, too", "")
                with tarfile.open(fileobj=file, mode="r:") as archive:
                    _add_members(path, archive, headers)
                    end = archive.offset
                start = _next_archive(path, file, end)
    except (tarfile.TarError, OSError) as error:
        raise ReorderKitError(f"the shard {path} cannot be read: {error}", _HINT) from error
    return headers


def _next_archive(path: Path, file: BinaryIO, end: int) -> int | None:
    """The offset of the next archive after an end mark; None if there is none."""
    file.seek(end)
    block = file.read(tarfile.BLOCKSIZE)
    # tarfile treats a broken header in the middle as the end, which must be a block of zeros.
    if block != tarfile.NUL * tarfile.BLOCKSIZE:
        what = "is cut short" if len(block) < tarfile.BLOCKSIZE else "is damaged"
        raise ReorderKitError(f"the shard {path} {what}: it has no header or end mark after {end} bytes", _HINT)
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
            told = "are read as the members they point to" if content else "to missing members are left out"
            headers.findings.add(f"hard links {told}", member.name)
        elif not member.isreg():
            headers.findings.add("members other than files, such as symbolic links, are left out", member.name)
            continue
        if content is None:
            continue
        if match is None:
            headers.findings.add("members that are hidden or have no extension are left out", member.name)
            continue
        if content.issparse():
            raise ReorderKitError(f"the shard {path} has a sparse member, {member.name}", "write it without -S")
        members = headers.samples.setdefault(match[1], {})
        ending = match[2].lower()
        if ending in members:
            raise ReorderKitError(f"the shard {path} has two members named {member.name}")
        members[ending] = (content.offset_data, content.size)


def _by_name(archive: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    return {member.name: member for member in archive.getmembers() if member.isreg()}


def are_there(path: Path, members: Iterable[tuple[str, Place]]) -> bool:
    """Whether the headers before some members have the expected names and sizes.

    Args:
        path: the shard.
        members: the lower-case name and the place of each.
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
