"""How much memory a process can still take."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_MEMORY = Path("/proc/meminfo")
_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUP = Path("/proc/self/cgroup")


def free_memory() -> int:
    """Bytes that can be allocated without swapping, within the container's limit."""
    machine, container = _of_machine(), _of_container()
    return machine if container is None else min(machine, container)


def all_memory() -> int:
    """Bytes that a process could allocate if no other process ran, within the container's limit."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [limit for group in _groups() if (limit := _limit_of(group)) is not None]
    return min([machine, *limits])


def _limit_of(group: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int((group / "memory.max").read_text())
    return None


def _of_machine() -> int:
    with suppress(OSError):
        for line in _MEMORY.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    # Other systems do not report reclaimable memory; half of the total is a guess.
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _of_container() -> int | None:
    """The memory left in the tightest of the process's control groups; None without a limit."""
    left = [found for group in _groups() if (found := _left_in(group)) is not None]
    return min(left, default=None)


def _groups() -> list[Path]:
    """The control group (version 2) of this process and its parents, which limit the jobs of a cluster."""
    with suppress(OSError):
        for line in _OWN_GROUP.read_text().splitlines():
            if line.startswith("0::"):
                own = _CONTROL_GROUPS / line.removeprefix("0::").lstrip("/")
                return [group for group in (own, *own.parents) if group.is_relative_to(_CONTROL_GROUPS)]
    return [_CONTROL_GROUPS]


def _left_in(group: Path) -> int | None:
    """The memory left in a group, counting cached files as free."""
    with suppress(OSError, ValueError):
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return max(0, limit - used + int(statistics.get("inactive_file", 0)))
    return None
