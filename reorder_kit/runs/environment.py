"""What a run ran on: the content of its ``environment.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from reorder_kit.runs.record import Record, read_json
from reorder_kit.whole_file import write_unless_same


class Environment(Record):
    """Versions, hardware and the command line.

    Args:
        python: version of Python.
        platform: the operating system.
        packages: versions by package; None for one that is not installed.
        device: where it ran, in words.
        cpu_count: cores; None where that is not known.
        torch_threads: threads that torch computes with.
        cuda: version of CUDA; None without a GPU.
        command: the arguments of the process; empty for a study, which has the commands of its own.
        folder: of a run: where its folder was; empty for a study.
    """

    python: str
    platform: str
    packages: Mapping[str, str | None]
    device: str
    cpu_count: int | None
    torch_threads: int
    cuda: str | None
    command: tuple[str, ...] = ()
    folder: str = ""

    def write(self, path: Path) -> None:
        """Write the file, unless it says the same already."""
        write_unless_same(path, json.dumps(self.as_dict(), indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file.

        Raises:
            ReorderKitError: if it is missing or damaged; it names the file and the fields.
        """
        return cls.parse(read_json(path), str(path))
