"""Gradient checkpointing (Chen et al., 2016, https://arxiv.org/abs/1604.06174)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint


def run_block(block: Callable[..., Any], *inputs: Any, recompute: bool) -> Any:
    """What a block makes of its inputs.

    Args:
        block: the block.
        inputs: its arguments.
        recompute: forget what the block computes inside, and compute it again in the backward pass.
    """
    if recompute and torch.is_grad_enabled():
        return checkpoint(block, *inputs, use_reentrant=False)
    return block(*inputs)
