"""RELAX: unbiased for any surrogate, and with less variance once it has learned."""

from __future__ import annotations

from itertools import permutations, product

import pytest
import torch
from torch import Tensor

from reorder_kit.ops.plackett_luce import PlackettLuce
from reorder_kit.order_learners._relax import PositionSurrogate, relax_gradients

SIZE = 6
LOGITS = torch.linspace(0, -1, SIZE)
# The value of a patch in a slot, plus a small part that no sum of such values explains.
WORTH = torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(0))
PAIRS = 0.1 * torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def surrogate_of(worth: Tensor) -> PositionSurrogate:
    surrogate = PositionSurrogate(len(worth))
    surrogate.worth.data.copy_(worth)
    return surrogate


def rewards_of(orders: Tensor) -> Tensor:
    return WORTH[torch.arange(SIZE), orders].sum(dim=1) + PAIRS[orders[:, 1:], orders[:, :-1]].sum(dim=1)


def expected_gradient() -> Tensor:
    """Of minus the expected reward, by enumeration and the definition."""
    orders = torch.tensor(list(permutations(range(SIZE))))
    logits = LOGITS.double().requires_grad_()
    weights = logits.exp()[orders]
    probabilities = (weights / weights.flip(1).cumsum(dim=1).flip(1)).prod(dim=1)
    (gradient,) = torch.autograd.grad(-(probabilities * rewards_of(orders)).sum(), logits)
    return gradient.float()


def estimates(surrogate: PositionSurrogate, batches: int, samples: int, seed: int = 0) -> Tensor:
    generator, distribution = torch.Generator().manual_seed(seed), PlackettLuce(LOGITS)
    found = []
    for _ in range(batches):
        orders = distribution.sample(samples, generator)
        found.append(relax_gradients(surrogate, distribution, orders, rewards_of(orders), generator)[0])
    return torch.stack(found)


@pytest.mark.parametrize("scale", [0.0, 1.0, -3.0])
def test_it_is_unbiased_whatever_the_surrogate_is(scale: float) -> None:
    # Within 5 standard errors in each of 6 logits; by the t distribution a false alarm has a rate below 0.0002.
    gradients = estimates(surrogate_of(scale * WORTH), batches=60, samples=500)
    error = gradients.std(dim=0) / 60**0.5
    assert ((gradients.mean(dim=0) - expected_gradient()).abs() < 5 * error).all()
    assert (expected_gradient().abs() > 5 * error).any()  # the test would detect a missing gradient


def test_without_a_guess_it_is_reinforce() -> None:
    distribution, orders = PlackettLuce(LOGITS), torch.tensor([[3, 1, 0, 2, 5, 4], [0, 1, 5, 4, 2, 3]])
    advantage, surrogate = torch.tensor([2.0, -1.0]), PositionSurrogate(SIZE)
    gradient, _ = relax_gradients(surrogate, distribution, orders, advantage, torch.Generator())
    logits = LOGITS.clone().requires_grad_()
    (-(advantage * PlackettLuce(logits).log_prob(orders)).mean()).backward()
    torch.testing.assert_close(gradient, logits.grad)


def test_the_surrogate_follows_the_gradient_of_the_squared_estimate() -> None:
    distribution, order = PlackettLuce(LOGITS), torch.tensor([[3, 1, 0, 2, 5, 4]])

    def of(worth: Tensor) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(3)
        return relax_gradients(surrogate_of(worth), distribution, order, torch.tensor([1.5]), generator)

    expected = torch.zeros(SIZE, SIZE)
    for slot, patch in product(range(SIZE), repeat=2):
        shift = torch.zeros(SIZE, SIZE)
        shift[slot, patch] = 0.1
        higher, lower = (of(WORTH + sign * shift)[0].square().sum() for sign in (1, -1))
        expected[slot, patch] = (higher - lower) / 0.2  # exact, since it is the square of a linear function
    torch.testing.assert_close(of(WORTH)[1], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_a_surrogate_that_has_learned_takes_variance_out() -> None:
    surrogate, distribution = PositionSurrogate(SIZE), PlackettLuce(LOGITS)
    plain = estimates(surrogate, batches=100, samples=8, seed=9).var(dim=0).sum()
    optimizer, generator = torch.optim.Adam(surrogate.parameters(), lr=0.05), torch.Generator().manual_seed(0)
    for _ in range(150):
        orders = distribution.sample(16, generator)
        surrogate.worth.grad = relax_gradients(surrogate, distribution, orders, rewards_of(orders), generator)[1]
        optimizer.step()
    assert estimates(surrogate, batches=100, samples=8, seed=9).var(dim=0).sum() < 0.8 * plain


def test_a_guess_is_what_patches_are_worth_in_their_slots_where_scores_are_far_apart() -> None:
    # Patch 1 first, then 2, then 0.
    perturbed = torch.tensor([[-100.0, 100.0, 0.0]])
    worth = torch.tensor([[1.0, 2, 3], [10, 20, 30], [100, 200, 300]])
    assert surrogate_of(worth)(perturbed).tolist() == [2 + 30 + 100]
