"""The natural gradient, with a trust region."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def natural_gradient(
    gradient: Float[Tensor, "*parameter"],
    scores: Float[Tensor, "sample *parameter"],
    damping: float,
    lr: float,
    max_kl: float,
) -> Float[Tensor, "*parameter"]:
    """The gradient times the inverse of the empirical Fisher information, shortened to a trust region.

    The Fisher matrix F is the mean of the scores' outer products. With fewer samples than parameters, applying its
    damped inverse takes a linear system with one unknown per sample (Woodbury). A step moves the distribution by 0.5
    d'Fd nats (Kullback-Leibler divergence, to second order), limited to ``max_kl``.

    Source: Kakade, "A Natural Policy Gradient", NeurIPS 2001; trust region, Schulman et al., "Trust Region Policy
    Optimization", https://arxiv.org/abs/1502.05477 (their delta is our ``max_kl``, their s our result).

    Args:
        gradient: the gradient of the loss with respect to logits in units of the temperature.
        scores: gradients of the samples' log-probabilities with respect to the same.
        damping: added to the diagonal of the Fisher matrix, whose entries are at most about 1.
        lr: the step size that the result will be multiplied by.
        max_kl: the trust region, in nats.
    """
    # In float64: with little damping the two terms of Woodbury's formula nearly cancel.
    flat, matrix = gradient.flatten().double(), scores.flatten(start_dim=1).double()
    samples = len(matrix)
    along = matrix @ flat
    system = matrix @ matrix.T + damping * samples * torch.eye(samples, dtype=matrix.dtype, device=matrix.device)
    direction: Float[Tensor, " flat"] = (flat - matrix.T @ torch.linalg.solve(system, along)) / damping
    kl = (lr * (matrix @ direction)).square().mean() / 2
    shortening = math.sqrt(max_kl) / kl.sqrt().clamp(min=math.sqrt(max_kl))
    return (direction * shortening).reshape(gradient.shape).to(gradient.dtype)
