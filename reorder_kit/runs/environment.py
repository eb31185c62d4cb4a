"""The environment of a run: the content of its ``environment.json``."""

from __future__ import annotations

from collections.abc import Mapping

from reorder_kit.runs.record import SealedRecord


class Environment(SealedRecord):
    """Versions, hardware and the command line.

    Args:
        python: version of Python.
        platform: the operating system.
        packages: versions by package; None for a package that is not installed.
        device: the device, in words.
        cpu_count: the number of cores; None if unknown.
        torch_threads: the number of threads used by torch.
        cuda: version of CUDA; None without a GPU.
        command: the arguments of the process; empty for a study, which records its own commands.
        folder: for a run, the location of its folder; empty for a study.
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
