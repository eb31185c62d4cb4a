"""Successors: checked against all orders."""

from __future__ import annotations

import math
from itertools import permutations

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from reorder_kit.ops.naive import successors as naive
from reorder_kit.ops.plackett_luce import PlackettLuce
from reorder_kit.ops.successors import Successors, successor_logits

every_temperature = pytest.mark.parametrize("temperature", [0.2, 1.0, 3.0])
sizes_and_slots = pytest.mark.parametrize(
    ("size", "slots"), [(1, 1), (2, 1), (2, 2), (3, 3), (4, 1), (4, 2), (4, 4), (5, 5)]
)


def logits_of(size: int, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(size + 1, size, generator=torch.Generator().manual_seed(size))


def all_orders(size: int, slots: int | None = None) -> Tensor:
    return torch.tensor(list(permutations(range(size), slots)))


def shuffled(size: int, seed: int = 0) -> Tensor:
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed))


def test_three_patches_are_worked_out_by_hand() -> None:
    # Odds of 1 : 2 : 1 for the first; after patch 1 odds of 3 : 1 for patches 0 and 2, and nothing to choose then.
    logits = torch.tensor([[9.0, 9, 9], [3, 5, 1], [9, 9, 9], [1, 2, 1]]).log()
    log_prob = Successors(logits).log_prob(torch.tensor([[1, 0, 2], [1, 2, 0]]))
    assert log_prob.exp().tolist() == pytest.approx([2 / 4 * 3 / 4, 2 / 4 * 1 / 4])


@every_temperature
@sizes_and_slots
def test_it_equals_the_plain_version(size: int, slots: int, temperature: float) -> None:
    logits, orders = logits_of(size), all_orders(size, slots)
    scaled, distribution = (logits / temperature).tolist(), Successors(logits, temperature)
    for fast, plain in (
        (distribution.log_prob, naive.successors_log_prob),
        (distribution.score, naive.successors_score),
        (distribution.entropy, naive.successors_entropy),
    ):
        expected = torch.tensor([plain(scaled, order) for order in orders.tolist()])
        torch.testing.assert_close(fast(orders), expected, rtol=1e-4, atol=1e-5)


@every_temperature
@sizes_and_slots
def test_probabilities_of_all_orders_sum_to_one(size: int, slots: int, temperature: float) -> None:
    log_prob = Successors(logits_of(size, scale=2.0), temperature).log_prob(all_orders(size, slots))
    assert float(log_prob.exp().sum()) == pytest.approx(1, abs=1e-5)


@every_temperature
@sizes_and_slots
def test_the_score_is_the_gradient_of_the_log_probability_and_zero_in_the_mean(
    size: int, slots: int, temperature: float
) -> None:
    scaled, orders = logits_of(size).double() / temperature, all_orders(size, slots)
    score = Successors(scaled).score(orders)
    jacobian = torch.autograd.functional.jacobian(lambda value: Successors(value).log_prob(orders), scaled)
    torch.testing.assert_close(score, jacobian)
    weights = [math.exp(naive.successors_log_prob(scaled.tolist(), order)) for order in orders.tolist()]
    mean = torch.tensordot(torch.tensor(weights, dtype=torch.float64), score, dims=1)
    assert mean.abs().max() < 1e-12


@every_temperature
@sizes_and_slots
def test_the_mean_entropy_of_choices_is_the_entropy_of_the_distribution(
    size: int, slots: int, temperature: float
) -> None:
    scaled, orders = (logits_of(size).double() / temperature).tolist(), all_orders(size, slots)
    log_prob = [naive.successors_log_prob(scaled, order) for order in orders.tolist()]
    choices = Successors(logits_of(size).double(), temperature).entropy(orders).tolist()
    mean = sum(math.exp(value) * choice for value, choice in zip(log_prob, choices, strict=True))
    assert mean == pytest.approx(-sum(math.exp(value) * value for value in log_prob), abs=1e-12)


@pytest.mark.parametrize("slots", [2, 4])
@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_orders_are_drawn_as_often_as_they_are_probable(temperature: float, slots: int) -> None:
    # The false-alarm rate of the chi-square test is 0.001 for each case.
    logits, orders = logits_of(4), list(permutations(range(4), slots))
    sampled = Successors(logits, temperature).sample(20_000, torch.Generator().manual_seed(1), slots).tolist()
    counts = dict.fromkeys(orders, 0)
    for order in sampled:
        counts[tuple(order)] += 1

    def p_value(of_temperature: float) -> float:
        scaled = (logits / of_temperature).tolist()
        expected = [20_000 * math.exp(naive.successors_log_prob(scaled, order)) for order in orders]
        return float(chisquare(list(counts.values()), [count * 20_000 / sum(expected) for count in expected]).pvalue)

    assert p_value(temperature) > 1e-3
    assert p_value(2 * temperature) < 1e-6  # the test would notice another temperature


def test_rows_that_are_alike_are_a_plackett_luce_distribution() -> None:
    row, orders = torch.randn(4, generator=torch.Generator().manual_seed(0)), all_orders(4)
    expected = PlackettLuce(row, 0.7).log_prob(orders)
    torch.testing.assert_close(Successors(row.expand(5, -1), 0.7).log_prob(orders), expected)


def test_the_greedy_order_follows_the_largest_logit_that_is_left() -> None:
    # First 2; after 2 the best is 2 itself, which is placed, so 0; after 0 the best is 2, placed, so 1.
    logits = torch.tensor([[0.0, 1, 9], [0, 0, 0], [5, 4, 9], [1, 2, 3]])
    assert Successors(logits).greedy().tolist() == [2, 0, 1]
    assert Successors(torch.zeros(4, 3)).greedy().tolist() == [0, 1, 2]  # among ties, the first in row-major order


@pytest.mark.parametrize("size", [1, 2, 3, 16, 196])
@pytest.mark.parametrize("strength", [1e-6, 1.0])
def test_the_greedy_order_of_starting_logits_is_the_start(size: int, strength: float) -> None:
    for start in (shuffled(size), torch.arange(size), torch.arange(size).flip(0)):
        logits = successor_logits(start, strength)
        assert logits.shape == (size + 1, size)
        assert torch.equal(Successors(logits, 0.3).greedy(), start)
    assert successor_logits(torch.tensor([1, 0]), 0.5).tolist() == [[0, 0], [0.5, 0], [0, 0.5]]


def test_every_distribution_of_a_batch_is_one_of_its_own() -> None:
    logits, generator = torch.stack([logits_of(3), -logits_of(3)]), torch.Generator().manual_seed(0)
    both = Successors(logits, 0.5)
    orders = both.sample(7, generator)
    assert orders.shape == (7, 2, 3)
    for row in range(2):
        one = Successors(logits[row], 0.5)
        for name in ("log_prob", "score", "entropy"):
            torch.testing.assert_close(getattr(both, name)(orders)[:, row], getattr(one, name)(orders[:, row]))
        assert torch.equal(both.greedy()[row], one.greedy())


def test_the_same_generator_state_gives_the_same_orders() -> None:
    distribution = Successors(logits_of(50))
    first, second, other = (distribution.sample(4, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("slots", [2, 4])
def test_gradcheck(slots: int) -> None:
    logits, orders = logits_of(4).double().requires_grad_(), all_orders(4, slots)[::3]
    assert torch.autograd.gradcheck(lambda value: Successors(value, 0.7).log_prob(orders), logits)
    assert torch.autograd.gradcheck(lambda value: Successors(value, 0.7).entropy(orders), logits)


@pytest.mark.parametrize("temperature", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("size", [1, 2, 64, 1024])
@pytest.mark.parametrize("autocast", [False, True])
def test_no_temperature_makes_anything_infinite(size: int, temperature: float, autocast: bool) -> None:
    logits = logits_of(size, 3.0).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        distribution = Successors(logits, temperature)
        order = distribution.sample(1, torch.Generator().manual_seed(0))[0]
        assert torch.equal(order.sort().values, torch.arange(size))
        score, entropy = distribution.score(order), distribution.entropy(order)
        assert score.dtype == entropy.dtype == torch.float32
        assert score.abs().max() <= 1
        assert 0 <= float(entropy.detach()) <= math.lgamma(size + 1) * 1.001
        log_prob = distribution.log_prob(order)
        assert log_prob.isfinite()
        (log_prob + entropy).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_near_zero_temperature_the_greedy_order_alone_is_drawn() -> None:
    distribution = Successors(logits_of(6), 1e-4)
    sampled = distribution.sample(50, torch.Generator().manual_seed(0))
    assert torch.equal(sampled.unique(dim=0), distribution.greedy().unsqueeze(0))
    assert distribution.log_prob(distribution.greedy()) == 0
    assert distribution.entropy(distribution.greedy()) == 0


@pytest.mark.parametrize("logits", [torch.full((6, 5), 7.0), 1e3 * torch.rand(6, 5)])
def test_equal_logits_and_a_high_temperature_make_every_order_equally_probable(logits: Tensor) -> None:
    log_prob = Successors(logits, 1e7).log_prob(all_orders(5))
    torch.testing.assert_close(log_prob, torch.full((120,), -math.log(120)), rtol=1e-3, atol=0)


def test_half_precision_logits_are_computed_in_float32() -> None:
    logits = logits_of(32, 3.0).bfloat16()
    log_prob = Successors(logits).log_prob(shuffled(32))
    assert log_prob.dtype == torch.float32
    expected = naive.successors_log_prob(logits.float().tolist(), shuffled(32).tolist())
    assert float(log_prob) == pytest.approx(expected, rel=1e-5)
