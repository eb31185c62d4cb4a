"""What a run or a study ran on, and the commands behind it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from reorder_kit.report.page import Facts

_NAMES = {
    "python": "Python",
    "platform": "Platform",
    "device": "Device",
    "cpu_count": "CPU cores",
    "torch_threads": "Threads of torch",
    "cuda": "CUDA",
}


def environment_facts(environment: Mapping[str, Any]) -> list[Facts]:
    """Versions and hardware; nothing if nothing is known."""
    pairs = [(name, str(environment[key])) for key, name in _NAMES.items() if environment.get(key) is not None]
    packages = environment.get("packages") or {}
    pairs += [(str(name), str(version)) for name, version in packages.items() if version is not None]
    return [Facts(pairs)] if pairs else []


def command_of(arguments: Sequence[str]) -> str:
    """A command line as it is typed; where the program lay on that machine is left out.

    >>> command_of(["/usr/lib/reorder_kit/__main__.py", "run", "quickstart", "--set", "name=my run"])
    "python -m reorder_kit run quickstart --set 'name=my run'"
    """
    program, *rest = arguments
    path = PurePath(program)
    name = "python -m reorder_kit" if path.parts[-2:] == ("reorder_kit", "__main__.py") else shlex.quote(path.name)
    return " ".join([name, *map(shlex.quote, rest)])
