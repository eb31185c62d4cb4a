"""The selective scan of Mamba."""

# The symbols are those of the paper.
# ruff: noqa: N803, N806

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from reorder_kit.errors import ReorderKitError
from reorder_kit.ops._chunked_scan import scan
from reorder_kit.ops.scan_backend import ScanBackend


def selective_scan(
    u: Float[Tensor, "batch dim length"],
    delta: Float[Tensor, "batch dim length"],
    A: Float[Tensor, "dim state"],
    B: Float[Tensor, "batch state length"],
    C: Float[Tensor, "batch state length"],
    D: Float[Tensor, " dim"] | None = None,
    z: Float[Tensor, "batch dim length"] | None = None,
    delta_bias: Float[Tensor, " dim"] | None = None,
    delta_softplus: bool = False,
    backend: ScanBackend = "auto",
) -> Float[Tensor, "batch dim length"]:
    """Walk along a sequence with a state that the input itself writes, keeps and reads.

    For every channel of u, with its own state h::

        h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t
        y_t = (C_t h_t + D u_t) silu(z_t)

    Source: Gu and Dao, "Mamba", 2023 (https://arxiv.org/abs/2312.00752), algorithm 2; their x is our u, their Delta our
    delta after bias and softplus. Names and shapes are those of ``selective_scan_fn`` in the package mamba-ssm.

    The state is float32 under any autocast, and float64 for float64. Safe for any step size and length: decays are
    between 0 and 1, and nothing is ever divided by a product of them. Memory is linear in the length. There are no
    second derivatives.

    Backends:

    * ``torch``: eager, on any device, without compilation.
    * ``compiled``: the same with ``torch.compile``, in about half the time on a CPU. It needs a C++ compiler (on a GPU,
      Triton) and takes seconds to compile at its first use in a process and again when shapes change.
    * ``mamba-ssm``: the CUDA kernel of that package.
    * ``auto``: ``mamba-ssm`` if it can be used, else ``torch``.

    Args:
        u: input.
        delta: step size, before bias and softplus.
        A: rate of change of the state, 0 or less.
        B: how the input is written into the state.
        C: how the state is read.
        D: factor of the input that is added to the output.
        z: gate of the output.
        delta_bias: added to delta.
        delta_softplus: make delta positive by a softplus.
        backend: the implementation.

    Returns:
        y, in the dtype of u.

    Raises:
        ReorderKitError: if the backend is ``mamba-ssm`` and cannot be used here.

    >>> import torch
    >>> ones = torch.ones(1, 1, 3)
    >>> selective_scan(ones, ones, A=torch.zeros(1, 1), B=ones, C=ones)  # nothing decays: a running sum
    tensor([[[1., 2., 3.]]])
    """
    chosen = choose_backend(backend, u.device.type, u.dtype)
    if chosen == "mamba-ssm":
        y: Tensor = _mamba_ssm(u, delta, A, B, C, D, z, delta_bias, delta_softplus)
        return y
    dtype, wide = u.dtype, torch.promote_types(u.dtype, torch.float32)
    u, delta, A, B, C = (tensor.to(wide) for tensor in (u, delta, A, B, C))
    if delta_bias is not None:
        delta = delta + delta_bias.to(wide).unsqueeze(-1)
    if delta_softplus:
        delta = F.softplus(delta)
    u_t, delta_t, B_t, C_t = (tensor.permute(2, 0, 1).contiguous() for tensor in (u, delta, B, C))
    y_t, _ = scan(u_t, delta_t, A.t().contiguous(), B_t, C_t, chosen == "compiled")
    y = y_t.permute(1, 2, 0)
    if D is not None:
        y = y + D.to(wide).unsqueeze(-1) * u
    if z is not None:
        y = y * F.silu(z.to(wide))
    return y.to(dtype)


def choose_backend(
    backend: ScanBackend, device: str, dtype: torch.dtype = torch.float32
) -> Literal["torch", "compiled", "mamba-ssm"]:
    """Choose the implementation of a scan.

    Args:
        backend: the requested backend.
        device: type of the device, as in ``cuda``.
        dtype: dtype of the input.

    Raises:
        ReorderKitError: if it is ``mamba-ssm`` and cannot be used here.
    """
    fits = device == "cuda" and dtype != torch.float64
    if backend == "auto":
        return "mamba-ssm" if fits and _has_kernel() else "torch"
    if backend == "mamba-ssm" and not fits:
        raise ReorderKitError(
            f"the scan backend mamba-ssm computes float32 or less on cuda, not {dtype} on {device}",
            "set backend: auto, torch or compiled",
        )
    return backend


@cache
def _kernel() -> Callable[..., Tensor] | Exception:
    """The CUDA kernel, or the reason why it is missing."""
    try:
        kernel: Callable[..., Tensor] = import_module("mamba_ssm.ops.selective_scan_interface").selective_scan_fn
    except Exception as error:  # an incompatible compiled extension can raise anything
        return error
    return kernel


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _has_kernel() -> bool:
    return not isinstance(_kernel(), Exception)


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _mamba_ssm(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
) -> Tensor:
    """The kernel requires inputs that vary along the sequence in the dtype of u, and the others in float32."""
    kernel = _kernel()
    if isinstance(kernel, Exception):
        raise ReorderKitError(
            f"the scan backend mamba-ssm cannot be imported: {type(kernel).__name__}: {kernel}",
            "run reorder-kit doctor to see how to install it, or set backend: auto",
        ) from kernel
    delta, B, C = (tensor.to(u.dtype) for tensor in (delta, B, C))
    z = None if z is None else z.to(u.dtype)
    D, delta_bias = (None if tensor is None else tensor.float() for tensor in (D, delta_bias))
    return kernel(u, delta, A.float(), B, C, D, z, delta_bias, delta_softplus)
