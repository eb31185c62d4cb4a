"""Sums over segments: against single sums, and accuracy of gradients over a long sequence."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from reorder_kit.ops.naive.segment_sums import segment_sums as naive_sums
from reorder_kit.ops.segment_sums import segment_sums


@pytest.mark.parametrize("function", [segment_sums, naive_sums])
def test_three_steps_by_hand(function: Callable[[Tensor], Tensor]) -> None:
    none = -torch.inf
    expected = torch.tensor([[0, none, none], [-2, 0, none], [-6, -4, 0.0]])
    torch.testing.assert_close(function(torch.tensor([-1.0, -2.0, -4.0])), expected, check_dtype=False)


@pytest.mark.parametrize("shape", [(1,), (2, 3, 7)])
def test_they_are_those_of_the_reference(shape: tuple[int, ...]) -> None:
    values = torch.randn(shape, dtype=torch.float64)
    torch.testing.assert_close(segment_sums(values), naive_sums(values), rtol=1e-12, atol=1e-12)


def differences(values: Tensor) -> Tensor:
    """The definition of :func:`segment_sums`."""
    totals = values.cumsum(dim=-1)
    later = torch.ones(len(values), len(values), dtype=torch.bool).triu(1)
    return (totals.unsqueeze(1) - totals).masked_fill(later, -torch.inf)


def gradient_error(function: Callable[[Tensor], Tensor], values: Tensor) -> float:
    """The largest error of a gradient in float32, as a share of the largest gradient."""
    weights = torch.randn(len(values), len(values), generator=torch.Generator().manual_seed(1))
    found = []
    for dtype in (torch.float32, torch.float64):
        given = values.to(dtype).requires_grad_()
        found.append(torch.autograd.grad((function(given).exp() * weights.to(dtype)).sum(), given)[0].double())
    return float((found[0] - found[1]).abs().max() / found[1].abs().max())


def test_gradients_at_a_length_of_512_keep_the_precision_of_float32() -> None:
    torch.manual_seed(0)
    gentle = -0.01 * torch.rand(512)
    for each, lost in ((2, 1e-3), (16, 1e-4)):  # every n-th step forgets everything, as large step sizes do
        values = torch.where(torch.arange(512) % each == 0, -600 * torch.rand(512), gentle)
        assert gradient_error(segment_sums, values) < 1e-6
        assert gradient_error(differences, values) > lost


def test_nothing_left_has_a_gradient_of_zero() -> None:
    values = torch.full((4,), -1e4, requires_grad=True)
    left = segment_sums(values).exp()
    torch.testing.assert_close(left, torch.eye(4))
    (gradient,) = torch.autograd.grad(left.sum(), values)
    torch.testing.assert_close(gradient, torch.zeros(4))
