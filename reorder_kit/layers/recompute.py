"""Gradient checkpointing (Chen et al., 2016, https://arxiv.org/abs/1604.06174)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint


def run_block(block: Callable[..., Any], *inputs: Any, recompute: bool) -> Any:
    """Apply a block to its inputs.

    Args:
        block: the block.
        inputs: its arguments.
        recompute: discard the block's activations, and compute them again in the backward pass.
    """
    if recompute and torch.is_grad_enabled():
        return checkpoint(block, *inputs, use_reentrant=False)
    return block(*inputs)
