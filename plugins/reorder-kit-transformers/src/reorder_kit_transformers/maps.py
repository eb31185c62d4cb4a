"""The weights that the attention of an encoder computes, for attention maps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn


@contextmanager
def recorded_weights(model: Any, blocks: nn.ModuleList) -> Iterator[list[Float[Tensor, "batch token token"]]]:
    """The weights that each block computes meanwhile, the mean over heads. The fused operator shows none."""
    weights: list[Tensor] = []

    def record(attention: nn.Module, inputs: Any, output: tuple[Tensor, Tensor]) -> None:
        weights.append(output[1].mean(dim=1))

    attentions = [block.get_submodule("attention" if hasattr(block, "attention") else "self_attn") for block in blocks]
    handles = [attention.register_forward_hook(record) for attention in attentions]
    fused = model.config._attn_implementation
    try:
        model.config._attn_implementation = "eager"
        yield weights
    finally:
        model.config._attn_implementation = fused
        for handle in handles:
            handle.remove()
