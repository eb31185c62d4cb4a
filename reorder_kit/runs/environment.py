"""What a run ran on: the content of its ``environment.json``."""

from __future__ import annotations

from collections.abc import Mapping

from reorder_kit.runs.record import SealedRecord


class Environment(SealedRecord):
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
