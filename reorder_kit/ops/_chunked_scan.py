"""The recurrence of the selective scan as a torch operator, chunk by chunk, with recomputation in the backward pass.

The backward pass keeps the input and the state at the start of every chunk, and recomputes the states in between.
Memory is linear in the length: with a state of 16, twice that of the input.

As an operator, it is a single node for an outer ``torch.compile``, which would otherwise unroll every step.
"""

# The symbols are those of the paper.
# ruff: noqa: N803, N806

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import torch
from torch import Tensor

from reorder_kit.ops._scan_steps import walk, walk_back

# Steps per chunk. Longer chunks keep fewer states and take longer to compile, because the steps are unrolled.
CHUNK = 8


@torch.library.custom_op(
    "reorder_kit::scan",
    mutates_args=(),
    schema="(Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, bool compiled) -> (Tensor, Tensor)",
)
def scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, compiled: bool) -> tuple[Tensor, Tensor]:
    """The outputs, and the states at the start of every chunk, which only the backward pass uses.

    Args:
        u: input, ``(length, batch, dim)``.
        delta: step size, 0 or more, ``(length, batch, dim)``.
        A: rate of change of the state, 0 or less, ``(state, dim)``.
        B: how the input is written into the state, ``(length, batch, state)``.
        C: how the state is read, ``(length, batch, state)``.
        compiled: whether to compile the steps of a chunk, once per process.
    """
    h = u.new_zeros(u.shape[1], *A.shape)
    y, starts = u.new_empty(u.shape), u.new_empty(-(-len(u) // CHUNK), *h.shape)
    with torch.no_grad(), torch.autocast(u.device.type, enabled=False):
        for start, (u_c, delta_c, B_c, C_c, y_c) in zip(starts, _chunks(u, delta, B, C, y), strict=True):
            start.copy_(h)
            read, h = _run(walk, compiled, h, u_c, delta_c, A, B_c, C_c)
            y_c.copy_(read)
    return y, starts


@torch.library.custom_op(
    "reorder_kit::scan_backward",
    mutates_args=(),
    schema=(
        "(Tensor grad_y, Tensor starts, Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, bool compiled)"
        " -> (Tensor, Tensor, Tensor, Tensor, Tensor)"
    ),
)
def scan_backward(
    grad_y: Tensor, starts: Tensor, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, compiled: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The gradients of u, delta, A, B and C, in one walk from the last chunk to the first."""
    grad_h, grad_A = torch.zeros_like(starts[0]), torch.zeros_like(A)
    grads = [tensor.new_empty(tensor.shape) for tensor in (u, delta, B, C)]
    chunks = list(zip(starts, _chunks(grad_y, u, delta, B, C), _chunks(*grads), strict=True))
    with torch.no_grad(), torch.autocast(u.device.type, enabled=False):
        for h, (grad_y_c, u_c, delta_c, B_c, C_c), grads_c in reversed(chunks):
            grad_h, grad_A_c, *found = _run(walk_back, compiled, grad_h, grad_y_c, h, u_c, delta_c, A, B_c, C_c)
            grad_A += grad_A_c
            for place, grad in zip(grads_c, found, strict=True):
                place.copy_(grad)
    grad_u, grad_delta, grad_B, grad_C = grads
    return grad_u, grad_delta, grad_A, grad_B, grad_C


def _chunks(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    return zip(*(torch.split(tensor, CHUNK) for tensor in tensors), strict=True)


@cache
def _compiled(steps: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(steps)


def _run(steps: Callable[..., Any], compiled: bool, *tensors: Tensor) -> Any:
    """Run the steps of a chunk: compiled if requested and the chunk is full, because each length is compiled anew."""
    if not compiled or len(tensors[-1]) < CHUNK:
        return steps(*tensors)
    # Copies, because parts of one tensor that begin at different places would also be compiled anew.
    return _compiled(steps)(*(tensor.clone() for tensor in tensors))


@scan.register_fake
def _(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, compiled: bool) -> tuple[Tensor, Tensor]:
    return u.new_empty(u.shape), u.new_empty(-(-len(u) // CHUNK), u.shape[1], *A.shape)


@scan_backward.register_fake
def _(
    grad_y: Tensor, starts: Tensor, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, compiled: bool
) -> tuple[Tensor, ...]:
    return tuple(tensor.new_empty(tensor.shape) for tensor in (u, delta, A, B, C))


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, ctx.compiled = inputs
    ctx.save_for_backward(output[1], *tensors)


def _backward(ctx: Any, grad_y: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    # The gradient is often laid out by channel: reading single steps from it would miss the cache every time.
    return (*scan_backward(grad_y.contiguous(), *ctx.saved_tensors, ctx.compiled), None)


scan.register_autograd(_backward, setup_context=_keep)
