"""The natural gradient: the plain formula, true divergences, and invariances."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from torch import Tensor

from reorder_kit.ops.plackett_luce import PlackettLuce
from reorder_kit.order_learners._natural_gradient import natural_gradient

FAR = 1e9


def drawn(samples: int, *parameters: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(samples)
    scores = torch.randn(samples, *parameters, generator=generator)
    return torch.randn(*parameters, generator=generator), scores


@pytest.mark.parametrize("samples", [1, 3, 20])
@pytest.mark.parametrize("damping", [1e-3, 0.1, 10.0])
def test_it_is_the_damped_inverse_of_the_fisher_matrix_times_the_gradient(samples: int, damping: float) -> None:
    gradient, scores = drawn(samples, 7)
    fisher = torch.stack([torch.outer(score, score) for score in scores.double()]).mean(dim=0)
    expected = torch.linalg.solve(fisher + damping * torch.eye(7, dtype=torch.float64), gradient.double())
    natural = natural_gradient(gradient, scores, damping, lr=1.0, max_kl=FAR)
    torch.testing.assert_close(natural, expected.float(), rtol=1e-4, atol=1e-6)


def test_parameters_of_any_shape_keep_it() -> None:
    gradient, scores = drawn(5, 4, 3)
    natural = natural_gradient(gradient, scores, 0.1, lr=1.0, max_kl=FAR)
    flat = natural_gradient(gradient.flatten(), scores.flatten(1), 0.1, lr=1.0, max_kl=FAR)
    assert torch.equal(natural, flat.view(4, 3))


@pytest.mark.parametrize("lr", [0.5, 3.0])
def test_a_long_step_is_shortened_to_the_trust_region_and_a_short_one_is_left(lr: float) -> None:
    gradient, scores = drawn(20, 7)
    free = natural_gradient(gradient, scores, 0.1, lr, max_kl=FAR)
    kl = float((lr * scores @ free).square().mean() / 2)
    half = natural_gradient(gradient, scores, 0.1, lr, max_kl=kl / 4)
    torch.testing.assert_close(half, free / 2, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(natural_gradient(gradient, scores, 0.1, lr, max_kl=1.01 * kl), free)


def test_a_shortened_step_moves_a_distribution_by_the_nats_it_may() -> None:
    logits, orders = torch.tensor([0.5, -0.25, 0.25, 0.0]), torch.tensor(list(permutations(range(4))))
    before = PlackettLuce(logits)
    sampled = before.sample(4_000, torch.Generator().manual_seed(0))
    gradient = torch.tensor([1.0, -2.0, 0.0, 1.0])
    step = natural_gradient(gradient, before.score(sampled), damping=1e-3, lr=0.5, max_kl=1e-3)
    old, new = before.log_prob(orders), PlackettLuce(logits - 0.5 * step).log_prob(orders)
    assert float((old.exp() * (old - new)).sum()) == pytest.approx(1e-3, rel=0.1)


@pytest.mark.parametrize("scores", [torch.zeros(4, 3), torch.ones(1, 3)])
def test_no_gradient_stays_none(scores: Tensor) -> None:
    assert natural_gradient(torch.zeros(3), scores, 0.1, lr=1.0, max_kl=0.01).tolist() == [0, 0, 0]


def test_samples_that_say_nothing_leave_the_damped_gradient() -> None:
    natural = natural_gradient(torch.tensor([1.0, -2.0]), torch.zeros(4, 2), damping=0.5, lr=1.0, max_kl=0.01)
    assert natural.tolist() == [2, -4]
