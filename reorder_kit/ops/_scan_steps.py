"""A few steps of the selective scan, forward and backward: plain torch, run eagerly or compiled.

The data of a step fits into the cache of a CPU, and nothing is divided by a product of decays or raised to a positive
power: every factor ``exp(delta A)`` is between 0 and 1, whatever the step size.
"""

# The symbols are those of the paper.
# ruff: noqa: N803, N806

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def walk(
    h: Float[Tensor, "batch state dim"],
    u: Float[Tensor, "step batch dim"],
    delta: Float[Tensor, "step batch dim"],
    A: Float[Tensor, "state dim"],
    B: Float[Tensor, "step batch state"],
    C: Float[Tensor, "step batch state"],
) -> tuple[Float[Tensor, "step batch dim"], Float[Tensor, "batch state dim"]]:
    """What the steps read, and the state after the last of them.

    Args:
        h: the state before the first step.
        u: input.
        delta: step size, 0 or more.
        A: rate of change of the state, 0 or less.
        B: how the input is written into the state.
        C: how the state is read.
    """
    outputs = []
    for u_t, delta_t, B_t, C_t in zip(u.unbind(), delta.unbind(), B.unbind(), C.unbind(), strict=True):
        h = torch.exp(delta_t.unsqueeze(1) * A) * h + (delta_t * u_t).unsqueeze(1) * B_t.unsqueeze(2)
        outputs.append((h * C_t.unsqueeze(2)).sum(dim=1))
    return torch.stack(outputs), h


def walk_back(
    grad_h: Float[Tensor, "batch state dim"],
    grad_y: Float[Tensor, "step batch dim"],
    h: Float[Tensor, "batch state dim"],
    u: Float[Tensor, "step batch dim"],
    delta: Float[Tensor, "step batch dim"],
    A: Float[Tensor, "state dim"],
    B: Float[Tensor, "step batch state"],
    C: Float[Tensor, "step batch state"],
) -> tuple[
    Float[Tensor, "batch state dim"],
    Float[Tensor, "state dim"],
    Float[Tensor, "step batch dim"],
    Float[Tensor, "step batch dim"],
    Float[Tensor, "step batch state"],
    Float[Tensor, "step batch state"],
]:
    """Gradients of the state before the first step, A, u, delta, B and C; the states in between are recomputed.

    Args:
        grad_h: gradient of the state after the last step.
        grad_y: gradient of what the steps read.
        h: the state before the first step; this and the rest as in :func:`walk`.
        u: input.
        delta: step size.
        A: rate of change of the state.
        B: how the input is written into the state.
        C: how the state is read.
    """
    states, decays = [h], []
    for u_t, delta_t, B_t in zip(u.unbind(), delta.unbind(), B.unbind(), strict=True):
        decays.append(torch.exp(delta_t.unsqueeze(1) * A))
        states.append(decays[-1] * states[-1] + (delta_t * u_t).unsqueeze(1) * B_t.unsqueeze(2))
    grads = []
    grad_rate = torch.zeros_like(h)
    for t in reversed(range(len(u))):
        u_t, delta_t = u[t].unsqueeze(1), delta[t].unsqueeze(1)
        grad_h = grad_h + grad_y[t].unsqueeze(1) * C[t].unsqueeze(2)
        grad_C = (states[t + 1] * grad_y[t].unsqueeze(1)).sum(dim=2)
        grad_B = (grad_h * (delta_t * u_t)).sum(dim=2)
        grad_write = (grad_h * B[t].unsqueeze(2)).sum(dim=1)
        grad_h = grad_h * decays[t]  # from here on the gradient of the previous state
        grad_exponent = grad_h * states[t]
        grad_rate = grad_rate + grad_exponent * delta_t
        grad_delta = u[t] * grad_write + (grad_exponent * A).sum(dim=1)
        grads.append((delta[t] * grad_write, grad_delta, grad_B, grad_C))
    grad_u, grad_delta, grad_B, grad_C = (torch.stack(steps) for steps in zip(*reversed(grads), strict=True))
    return grad_h, grad_rate.sum(dim=0), grad_u, grad_delta, grad_B, grad_C
