"""What each of several processes may use of the machine."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Slot:
    """What a process may use.

    Args:
        threads: of torch; None for as many as torch takes.
        gpu: the only GPU that the process sees, as in CUDA_VISIBLE_DEVICES; None for all there are.
    """

    threads: int | None = None
    gpu: str | None = None


def slots_for(jobs: int | None, gpus: Sequence[str]) -> list[Slot]:
    """The slots for so many processes: one for each GPU if no number is given, else as many as are asked for.

    Several processes have one thread each, since more threads than cores wait for each other.

    >>> [slot.gpu for slot in slots_for(None, ["0", "1"])]
    ['0', '1']
    >>> slots_for(2, [])
    [Slot(threads=1, gpu=None), Slot(threads=1, gpu=None)]

    Args:
        jobs: processes; None for one for each GPU, or one.
        gpus: names of the GPUs, as in CUDA_VISIBLE_DEVICES.
    """
    count = jobs or max(1, len(gpus))
    if count == 1:
        return [Slot()]
    return [Slot(threads=1, gpu=gpus[number % len(gpus)] if gpus else None) for number in range(count)]


def slots_of_one_thread(jobs: int) -> list[Slot]:
    """The slots for so many processes, be it a single one, whose figures shall not depend on how many there are."""
    return [Slot(threads=1)] * jobs


def gpus_of_machine() -> list[str]:
    """Names of the GPUs that this process sees, as in CUDA_VISIBLE_DEVICES."""
    import torch  # not above, since a process that is given no GPU starts sooner without

    return visible_gpus(os.environ, torch.cuda.device_count())


def visible_gpus(environment: Mapping[str, str], count: int) -> list[str]:
    """Names of the GPUs that a process sees, as in CUDA_VISIBLE_DEVICES.

    >>> visible_gpus({"CUDA_VISIBLE_DEVICES": "2,5"}, count=2)
    ['2', '5']

    Args:
        environment: of the process.
        count: GPUs that torch sees.
    """
    given = [name.strip() for name in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return given[:count] if given else [str(number) for number in range(count)]
