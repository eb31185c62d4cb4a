"""Sinkhorn: logits balanced to a doubly stochastic matrix."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.errors import ReorderKitError


def sinkhorn(
    logits: Float[Tensor, "*batch slot slot"],
    temperature: float,
    max_iterations: int = 100,
    tolerance: float = 1e-3,
) -> Float[Tensor, "*batch slot slot"]:
    """The matrix ``exp(logits / temperature)``, with columns and rows normalized in turn until both sum to one.

    Computed in the log domain: ``matrix[slot, patch] = exp(logits / temperature + row[slot] + column[patch])``, where
    only the potentials ``row`` and ``column`` change in an iteration. Rows are normalized last and sum to one exactly.
    Every column does so within the tolerance, unless ``max_iterations`` is reached first: the number of iterations
    grows with the spread of the logits over the temperature. All matrices of a batch get as many as the slowest one.

    The gradient is that of the iterations performed, exact even if they did not converge. The backward pass recomputes
    each normalized matrix from its potentials, so that memory grows by two vectors, not by matrices, with every
    iteration.

    Source: Sinkhorn, "A Relationship Between Arbitrary Positive Matrices and Doubly Stochastic Matrices", 1964;
    learning through it, Adams and Zemel, "Ranking via Sinkhorn Propagation", https://arxiv.org/abs/1106.1925; in the
    log domain, Mena et al., "Learning Latent Permutations with Gumbel-Sinkhorn Networks", ICLR 2018,
    https://arxiv.org/abs/1802.08665 (their X is our ``logits``, their tau our ``temperature``, their S our result).

    Args:
        logits: how well a patch fits into a slot; as many slots as patches. ``-inf`` keeps a patch out of a slot: its
            share and gradient are zero. Computed in float32, or in float64 if they are.
        temperature: above 0, in units of the logits. Toward 0 the matrix becomes the permutation with the largest sum
            of logits (equally good ones are mixed), given enough iterations; toward infinity all shares become equal.
        max_iterations: the largest number of normalizations of columns and rows; above 0.
        tolerance: stop when no sum of a column is further than this from one.

    Raises:
        ReorderKitError: if a logit is NaN or ``inf``, or if all logits of a slot or of a patch are ``-inf``.
    """
    logits = logits if logits.dtype == torch.float64 else logits.float()
    matrix: Tensor = _Sinkhorn.apply(logits / temperature, max_iterations, tolerance)
    return matrix


class _Sinkhorn(torch.autograd.Function):
    """The iterations and their backward pass."""

    @staticmethod
    def forward(ctx: Any, scaled: Tensor, max_iterations: int, tolerance: float) -> Tensor:
        row = _row_potential(scaled)
        rows, columns = [], [torch.zeros_like(row).transpose(-1, -2)]
        for _ in range(max_iterations):
            rows.append(row)
            columns.append(_column_potential(scaled + row))
            row = _row_potential(scaled + columns[-1])
            # Each column summed to one before these corrections to its entries, so its error is no larger.
            deviation = float(torch.expm1(row - rows[-1]).abs().max())
            if math.isnan(deviation):
                raise ReorderKitError(
                    "logits hold NaN or infinity, or leave a slot or patch without any match",
                    "raise the temperature or lower the step size",
                )
            if deviation <= tolerance:
                break
        # A softmax, because sums of large potentials and logits round too coarsely for rows to sum to one.
        matrix = torch.softmax(scaled + columns[-1], dim=-1)
        ctx.save_for_backward(scaled, matrix, torch.stack(rows), torch.stack(columns))
        return matrix

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_matrix: Tensor) -> tuple[Tensor, None, None]:
        scaled, matrix, rows, columns = ctx.saved_tensors
        weighted = matrix * grad_matrix
        grad_scaled = weighted - matrix * weighted.sum(dim=-1, keepdim=True)
        grad_column = grad_scaled.sum(dim=-2, keepdim=True)
        # The derivative of a potential is minus the matrix that it normalizes.
        for row, column in zip(reversed(rows.unbind()), reversed(columns.unbind()[:-1]), strict=True):
            through_column = torch.softmax(scaled + row, dim=-2) * -grad_column
            grad_row = through_column.sum(dim=-1, keepdim=True)
            through_row = torch.softmax(scaled + column, dim=-1) * -grad_row
            grad_column = through_row.sum(dim=-2, keepdim=True)
            grad_scaled += through_column + through_row
        return grad_scaled, None, None


def _row_potential(scaled: Tensor) -> Tensor:
    return -scaled.logsumexp(dim=-1, keepdim=True)


def _column_potential(scaled: Tensor) -> Tensor:
    return -scaled.logsumexp(dim=-2, keepdim=True)
