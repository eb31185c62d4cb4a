"""Soft ranks and soft sorting against torchsort: its own functions, and its compiled regression as our backend."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from reorder_kit.ops.isotonic import IsotonicBackend, soft_rank, soft_sort

torchsort = pytest.importorskip(
    "torchsort",
    reason="torchsort is not installed: pip install --no-build-isolation torchsort, with no nvcc on the PATH",
    exc_type=ImportError,  # a build against another torch is installed but cannot be loaded
)

BACKENDS: list[IsotonicBackend] = ["torch", "torchsort", "auto"]
every_backend = pytest.mark.parametrize("backend", BACKENDS)
every_strength = pytest.mark.parametrize("strength", [1e-4, 1e-2, 1.0, 30.0, 1e4])
every_size = pytest.mark.parametrize("size", [1, 2, 17, 196, 1024])


def scores_of(size: int) -> Tensor:
    return 2 * torch.randn(4, size, generator=torch.Generator().manual_seed(size))


def check_close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual.double(), expected, rtol=1e-6, atol=1e-5)


def check_parity(ours: Tensor, scores: Tensor, theirs: Tensor, wide: Tensor) -> None:
    """Values, and the gradient of a random direction."""
    check_close(ours, theirs)
    weights = scores_of(scores.shape[-1]).flip(0)
    expected = torch.autograd.grad((theirs * weights).sum(), wide)[0]
    actual = torch.autograd.grad((ours * weights).sum(), scores)[0]
    # The gradient of ranks is proportional to one over the strength.
    check_close(actual / expected.abs().max().clamp(min=1), expected / expected.abs().max().clamp(min=1))


@every_backend
@every_strength
@every_size
def test_ranks_and_their_gradients_are_those_of_torchsort(size: int, strength: float, backend: IsotonicBackend) -> None:
    scores = scores_of(size).requires_grad_()
    wide = scores.detach().double().requires_grad_()
    theirs = torchsort.soft_rank(-wide, regularization_strength=strength) - 1
    check_parity(soft_rank(scores, strength, backend), scores, theirs, wide)


@every_backend
@every_strength
@every_size
def test_sorted_scores_and_their_gradients_are_those_of_torchsort(
    size: int, strength: float, backend: IsotonicBackend
) -> None:
    scores = scores_of(size).requires_grad_()
    wide = scores.detach().double().requires_grad_()
    theirs = torchsort.soft_sort(wide, regularization_strength=strength).flip(-1)
    check_parity(soft_sort(scores, strength, backend), scores, theirs, wide)


@every_strength
@pytest.mark.parametrize("size", [1, 17, 3136])
def test_both_backends_give_the_same(size: int, strength: float) -> None:
    scores = scores_of(size).reshape(2, 2, size)
    for operator in (soft_rank, soft_sort):
        one, other = (operator(scores, strength, backend) for backend in ("torch", "torchsort"))
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-5)


def test_equal_scores_are_one_pool_with_either_backend() -> None:
    scores = torch.tensor([1.0, 0.0, 1.0, 1.0])
    for backend in BACKENDS:
        assert soft_rank(scores, 1e-3, backend).tolist() == [1, 3, 1, 1]
