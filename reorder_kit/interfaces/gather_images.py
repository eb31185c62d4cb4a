"""Rows of all processes in one tensor, for losses that compare images with each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor
from torch.autograd.function import once_differentiable

_is_alone: ContextVar[bool] = ContextVar("is_alone", default=False)


@contextmanager
def alone() -> Iterator[None]:
    """For code that runs on one process, or on the same images on all of them: there is nothing to gather."""
    token = _is_alone.set(True)
    try:
        yield
    finally:
        _is_alone.reset(token)


def gather_images(x: Shaped[Tensor, "image *rest"]) -> tuple[Shaped[Tensor, "all_images *rest"], slice]:
    """The rows of all processes, with gradients, and which of them are this process's own.

    Processes may hold different numbers of rows, or none. Every process has to call it, and if there is a gradient,
    every process has to use the rows in its loss. On a single process, and when influence, pictures or a prior look
    at images on one process, it returns ``x`` itself.

    The gradient of ``x`` is the sum over all processes of the gradients of its rows. So if each process's loss is the
    mean over its own rows (``mine``), each compared with all rows, and data parallelism averages gradients over
    processes, as it does here, the parameters get the gradient of the mean of the processes' losses. If all have
    equally many rows, that is the mean over all rows.

    >>> gather_images(torch.tensor([1.0, 2.0]))
    (tensor([1., 2.]), slice(0, 2, None))

    Args:
        x: one row for each image of this process; ``rest`` is the same on all processes.

    Returns:
        All rows, by process, and the slice of them that holds ``x``.
    """
    has_others = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
    if _is_alone.get() or not has_others:
        return x, slice(0, len(x))
    sizes = _sizes(x)
    first = sum(sizes[: dist.get_rank()])
    rows: Tensor = _Gather.apply(x, sizes)
    return rows, slice(first, first + len(x))


def _sizes(x: Tensor) -> list[int]:
    """How many rows each process has."""
    own = torch.tensor([len(x)], device=x.device)
    found = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(found, own)
    return [int(size) for size in found]


class _Gather(torch.autograd.Function):
    """Gathers rows padded to the largest number, because collectives need equal shapes."""

    @staticmethod
    def forward(context: Any, x: Tensor, sizes: list[int]) -> Tensor:
        context.sizes = sizes
        padded = x.new_zeros(max(sizes), *x.shape[1:])
        padded[: len(x)] = x
        found = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(found, padded)
        return torch.cat([rows[:size] for rows, size in zip(found, sizes, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return torch.split(total, context.sizes)[dist.get_rank()], None
