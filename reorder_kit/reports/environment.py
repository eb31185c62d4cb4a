"""The hardware, software and commands behind a run or a study."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import PurePath

from reorder_kit.reports.page import Facts
from reorder_kit.runs.environment import Environment


def environment_facts(environment: Environment | None) -> list[Facts]:
    """Versions and hardware; empty if they are unknown."""
    if environment is None:
        return []
    named = {
        "Python": environment.python,
        "Platform": environment.platform,
        "Device": environment.device,
        "CPU cores": environment.cpu_count,
        "Threads of torch": environment.torch_threads,
        "CUDA": environment.cuda,
        **environment.packages,
    }
    return [Facts([(name, str(value)) for name, value in named.items() if value is not None])]


def command_of(arguments: Sequence[str]) -> str:
    """A command line as it is typed, without the path of the program.

    >>> command_of(["/usr/lib/reorder_kit/__main__.py", "run", "quickstart", "--set", "name=my run"])
    "python -m reorder_kit run quickstart --set 'name=my run'"
    """
    program, *rest = arguments
    path = PurePath(program)
    name = "python -m reorder_kit" if path.parts[-2:] == ("reorder_kit", "__main__.py") else shlex.quote(path.name)
    return " ".join([name, *map(shlex.quote, rest)])
