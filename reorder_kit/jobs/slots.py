"""The share of the machine that each process may use."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Slot:
    """The resources of one process.

    Args:
        threads: number of torch threads; None for torch's default.
        gpu: the only GPU that the process sees, as in CUDA_VISIBLE_DEVICES; None for all GPUs.
    """

    threads: int | None = None
    gpu: str | None = None


def slots_for(jobs: int | None, gpus: Sequence[str]) -> list[Slot]:
    """The slots for a number of processes; one for each GPU if no number is given.

    Several processes have one thread each, because more threads than cores slow each other down.

    >>> [slot.gpu for slot in slots_for(None, ["0", "1"])]
    ['0', '1']
    >>> slots_for(2, [])
    [Slot(threads=1, gpu=None), Slot(threads=1, gpu=None)]

    Args:
        jobs: number of processes; None for one per GPU, or one without a GPU.
        gpus: names of the GPUs, as in CUDA_VISIBLE_DEVICES.
    """
    count = jobs or max(1, len(gpus))
    if count == 1:
        return [Slot()]
    return [Slot(threads=1, gpu=gpus[number % len(gpus)] if gpus else None) for number in range(count)]


def slots_of_one_thread(jobs: int) -> list[Slot]:
    """The slots for a number of processes with one thread each, so that results do not depend on that number."""
    return [Slot(threads=1)] * jobs


def gpus_of_machine() -> list[str]:
    """Names of the GPUs that this process sees, as in CUDA_VISIBLE_DEVICES."""
    import torch  # imported late because a process without a GPU starts sooner without torch

    return visible_gpus(os.environ, torch.cuda.device_count())


def visible_gpus(environment: Mapping[str, str], count: int) -> list[str]:
    """Names of the GPUs that a process sees, as in CUDA_VISIBLE_DEVICES.

    >>> visible_gpus({"CUDA_VISIBLE_DEVICES": "2,5"}, count=2)
    ['2', '5']

    Args:
        environment: environment of the process.
        count: number of GPUs that torch sees.
    """
    given = [name.strip() for name in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return given[:count] if given else [str(number) for number in range(count)]
