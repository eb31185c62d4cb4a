"""The starting step sizes of state space models."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def starting_steps(count: int) -> Float[Tensor, " count"]:
    """Biases whose softplus is spread log-uniformly from 0.001 to 0.1, as in mamba-ssm.

    Args:
        count: number of biases, each drawn at random.
    """
    step_size = torch.empty(count).uniform_(math.log(0.001), math.log(0.1)).exp()
    return step_size + torch.log(-torch.expm1(-step_size))  # the inverse of softplus, without losing small values
