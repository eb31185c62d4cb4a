"""Attention with biases added to its scores."""

from __future__ import annotations

import functools

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


def biased_attention(
    query: Float[Tensor, "*batch query dim"],
    key: Float[Tensor, "*batch key dim"],
    value: Float[Tensor, "*batch key dim"],
    *biases: Float[Tensor, "*#batch query key"],
) -> Float[Tensor, "*batch query dim"]:
    """``softmax(query key / sqrt(dim) + biases) value``.

    On a CPU, torch's fused attention computes no gradient of the bias, and its fallback spends time on queries that see
    nothing. Here, every query must see something.

    Args:
        query: queries, with any number of batch dimensions.
        key: keys, with as many dimensions.
        value: values, like the keys.
        biases: one or more, added to the scores; minus infinity hides a key.

    >>> alike, values = torch.zeros(1, 1, 2, 1), torch.tensor([[[[3.0], [5.0]]]])
    >>> biased_attention(alike, alike, values, torch.tensor([[0.0, 0.0], [0.0, -torch.inf]])).flatten().tolist()
    [4.0, 3.0]
    """
    learns = torch.is_grad_enabled() and any(bias.requires_grad for bias in biases)
    # In half precision, torch's implementation computes in single precision.
    if not learns or query.device.type != "cpu" or query.dtype in (torch.bfloat16, torch.float16):
        return _fused(query, key, value, functools.reduce(torch.add, biases))
    scores: Tensor = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    for bias in biases:
        scores.add_(bias)  # in place: new memory would have to be fetched from the system
    attended: Tensor = scores.softmax(dim=-1) @ value
    return attended


def _fused(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """The fused kernels take two batch dimensions."""
    if query.ndim <= 4:
        return scaled_dot_product_attention(query, key, value, attn_mask=bias)
    bias = bias.expand(*query.shape[:-1], bias.shape[-1])
    flat = [tensor.flatten(1, -3) for tensor in (query, key, value, bias)]
    attended = scaled_dot_product_attention(flat[0], flat[1], flat[2], attn_mask=flat[3])
    return attended.reshape(query.shape)
