"""Plackett-Luce: checked against all orders."""

from __future__ import annotations

import math
from itertools import permutations

import pytest
import torch
from scipy.stats import chisquare, gumbel_r, kstest
from torch import Tensor

from reorder_kit.ops.naive import plackett_luce as naive
from reorder_kit.ops.plackett_luce import PlackettLuce

TEMPERATURES = [0.2, 1.0, 3.0]
every_temperature = pytest.mark.parametrize("temperature", TEMPERATURES)
every_size = pytest.mark.parametrize("size", [1, 2, 3, 4, 5])


def logits_of(size: int, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(size, generator=torch.Generator().manual_seed(size))


def all_orders(size: int) -> Tensor:
    return torch.tensor(list(permutations(range(size))))


def probability(logits: Tensor, order: Tensor, temperature: float) -> float:
    """The definition, as a plain product of choices."""
    weights = [math.exp(logit / temperature) for logit in logits.tolist()]
    product, left = 1.0, sum(weights)
    for patch in order.tolist():
        product *= weights[patch] / left
        left -= weights[patch]
    return product


@every_temperature
@every_size
def test_log_prob_is_the_log_of_the_product_of_choices(size: int, temperature: float) -> None:
    logits, orders = logits_of(size), all_orders(size)
    expected = torch.tensor([math.log(probability(logits, order, temperature)) for order in orders])
    torch.testing.assert_close(PlackettLuce(logits, temperature).log_prob(orders), expected, rtol=1e-4, atol=1e-5)


@every_temperature
@every_size
def test_probabilities_of_all_orders_sum_to_one(size: int, temperature: float) -> None:
    log_prob = PlackettLuce(logits_of(size, scale=2.0), temperature).log_prob(all_orders(size))
    assert float(log_prob.exp().sum()) == pytest.approx(1, abs=1e-5)


def test_two_patches_are_a_logistic_choice() -> None:
    # Patch 1 first: 1 / (1 + e^((0.3 - 1.1) / 0.5)), e^-1.6 = 0.201897.
    log_prob = PlackettLuce(torch.tensor([0.3, 1.1]), 0.5).log_prob(torch.tensor([[1, 0], [0, 1]]))
    assert log_prob.exp().tolist() == pytest.approx([0.832018, 0.167982], abs=1e-5)


@pytest.mark.parametrize("size", [1, 2, 16, 196, 1024])
@pytest.mark.parametrize("level", [0.0, -7.0, 1e4])
def test_equal_logits_make_every_order_equally_probable(size: int, level: float) -> None:
    orders = torch.stack([torch.randperm(size, generator=torch.Generator().manual_seed(seed)) for seed in range(3)])
    log_prob = PlackettLuce(torch.full((size,), level)).log_prob(orders)
    # Near 1e4, float32 resolves a thousandth.
    expected = torch.full((3,), -math.lgamma(size + 1))
    torch.testing.assert_close(log_prob, expected, rtol=1e-4, atol=1e-5 if level < 1 else 1e-3 * size)


@every_size
def test_the_greedy_order_is_the_most_probable_one(size: int) -> None:
    logits, orders = logits_of(size), all_orders(size)
    probabilities = [probability(logits, order, 1.0) for order in orders]
    best = orders[max(range(len(orders)), key=probabilities.__getitem__)]
    assert PlackettLuce(logits, 0.3).greedy().tolist() == best.tolist()


def frequencies(orders: Tensor, size: int) -> list[int]:
    names = [tuple(order) for order in orders.tolist()]
    counts = dict.fromkeys(permutations(range(size)), 0)
    for name in names:
        counts[name] += 1
    return list(counts.values())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_orders_are_drawn_as_often_as_they_are_probable(temperature: float, dtype: torch.dtype) -> None:
    # The false-alarm rate of the chi-square test is 0.001 for each case.
    logits = torch.tensor([0.5, -0.25, 0.25, 0.0]).to(dtype)
    orders = all_orders(4)
    sampled = PlackettLuce(logits, temperature).sample(20_000, torch.Generator().manual_seed(1))
    observed = frequencies(sampled, 4)

    def p_value(of_temperature: float) -> float:
        expected = [20_000 * probability(logits, order, of_temperature) for order in orders]
        return float(chisquare(observed, [count * 20_000 / sum(expected) for count in expected]).pvalue)

    assert p_value(temperature) > 1e-3
    assert p_value(2 * temperature) < 1e-6  # the test would notice another temperature


def test_the_same_generator_state_gives_the_same_orders() -> None:
    distribution = PlackettLuce(logits_of(50))
    first, second, other = (distribution.sample(4, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@every_temperature
@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_the_expected_score_is_zero(size: int, temperature: float) -> None:
    logits, orders = logits_of(size).requires_grad_(), all_orders(size)
    weights = torch.tensor([probability(logits, order, temperature) for order in orders])
    (weights * PlackettLuce(logits, temperature).log_prob(orders)).sum().backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 2e-6 / temperature


@pytest.mark.parametrize("scale", [0.1, 1.0, 40.0])
@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_gradients_are_those_of_finite_differences(scale: float, temperature: float) -> None:
    logits = logits_of(6, scale).requires_grad_()
    order = [4, 0, 5, 2, 1, 3]
    PlackettLuce(logits, temperature).log_prob(torch.tensor([order])).sum().backward()
    step = 1e-5

    def shifted(patch: int, by: float) -> float:
        moved = logits.tolist()
        moved[patch] += by
        return naive.plackett_luce_log_prob([logit / temperature for logit in moved], order)

    expected = [(shifted(patch, step) - shifted(patch, -step)) / (2 * step) for patch in range(6)]
    assert logits.grad is not None
    assert logits.grad.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("scale", [40.0, 1e4])
@pytest.mark.parametrize("temperature", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("size", [2, 196, 1024])
def test_any_scale_of_the_logits_gives_finite_values(scale: float, temperature: float, size: int) -> None:
    logits = logits_of(size, scale).requires_grad_()
    distribution = PlackettLuce(logits, temperature)
    orders = torch.stack([torch.randperm(size, generator=torch.Generator().manual_seed(0)), distribution.greedy()])
    log_prob = distribution.log_prob(orders)
    expected = [naive.plackett_luce_log_prob((logits / temperature).tolist(), order) for order in orders.tolist()]
    resolution = float((logits.detach() / temperature).abs().max()) * torch.finfo(torch.float32).eps
    assert log_prob.tolist() == pytest.approx(expected, rel=1e-5, abs=1e-4 + size * resolution)

    log_prob.sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    sampled = distribution.sample(2, torch.Generator().manual_seed(0))
    assert torch.equal(sampled.sort(dim=1).values, torch.arange(size).expand(2, -1))


def test_half_precision_logits_are_computed_in_float32() -> None:
    logits = logits_of(64, 3.0).bfloat16().requires_grad_()
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    log_prob = PlackettLuce(logits).log_prob(order.unsqueeze(0))
    assert log_prob.dtype == torch.float32
    assert log_prob.tolist() == pytest.approx([naive.plackett_luce_log_prob(logits.tolist(), order.tolist())], rel=1e-5)
    log_prob.sum().backward()
    assert logits.grad is not None
    assert logits.grad.dtype == torch.bfloat16
    assert logits.grad.isfinite().all()


def test_half_precision_noise_is_not_coarse() -> None:
    # Of 1,000 equally probable patches, one in a thousand comes first; bfloat16 noise has too few values for that,
    # and ties would favor early patches. The false-alarm rate is 0.001.
    sampled = PlackettLuce(torch.zeros(1000, dtype=torch.bfloat16)).sample(10_000, torch.Generator().manual_seed(0))
    first = torch.bincount(sampled[:, 0] // 10, minlength=100)
    assert chisquare(first.tolist()).pvalue > 1e-3


# --- Partial orders


def all_partial_orders(size: int, slots: int) -> Tensor:
    return torch.tensor(list(permutations(range(size), slots)))


sizes_and_slots = pytest.mark.parametrize(("size", "slots"), [(2, 1), (3, 2), (4, 1), (4, 2), (4, 4), (5, 3)])


@sizes_and_slots
def test_a_partial_order_has_the_probability_of_all_orders_that_begin_with_it(size: int, slots: int) -> None:
    logits = logits_of(size)
    expected = dict.fromkeys(permutations(range(size), slots), 0.0)
    for order in all_orders(size):
        expected[tuple(order[:slots].tolist())] += probability(logits, order, 0.7)
    log_prob = PlackettLuce(logits, 0.7).log_prob(all_partial_orders(size, slots))
    assert log_prob.exp().tolist() == pytest.approx(list(expected.values()), rel=1e-4)


def test_the_first_slots_alone_are_drawn_as_often_as_they_are_probable() -> None:
    # The false-alarm rate is 0.001.
    distribution = PlackettLuce(torch.tensor([0.5, -0.25, 0.25, 0.0]), 0.5)
    sampled = distribution.sample(20_000, torch.Generator().manual_seed(2), slots=2)
    assert sampled.shape == (20_000, 2)
    names = [tuple(order) for order in sampled.tolist()]
    observed = [names.count(order) for order in permutations(range(4), 2)]
    logits = (distribution.logits / 0.5).tolist()
    expected = [20_000 * math.exp(naive.plackett_luce_log_prob(logits, order)) for order in permutations(range(4), 2)]
    assert chisquare(observed, [count * 20_000 / sum(expected) for count in expected]).pvalue > 1e-3


# --- Score and entropy


@every_temperature
@sizes_and_slots
def test_score_and_entropy_are_those_of_the_plain_version(size: int, slots: int, temperature: float) -> None:
    logits, orders = logits_of(size), all_partial_orders(size, slots)
    scaled = (logits / temperature).tolist()
    distribution = PlackettLuce(logits, temperature)
    score = torch.tensor([naive.plackett_luce_score(scaled, order) for order in orders.tolist()])
    torch.testing.assert_close(distribution.score(orders), score, rtol=1e-4, atol=1e-5)
    entropy = torch.tensor([naive.plackett_luce_entropy(scaled, order) for order in orders.tolist()])
    torch.testing.assert_close(distribution.entropy(orders), entropy, rtol=1e-4, atol=1e-5)


@sizes_and_slots
def test_the_score_is_the_gradient_of_the_log_probability(size: int, slots: int) -> None:
    logits, orders = logits_of(size).double(), all_partial_orders(size, slots)
    jacobian = torch.autograd.functional.jacobian(lambda scaled: PlackettLuce(scaled).log_prob(orders), logits)
    torch.testing.assert_close(PlackettLuce(logits).score(orders), jacobian)


@sizes_and_slots
def test_the_closed_form_of_the_score_is_zero_in_the_mean(size: int, slots: int) -> None:
    logits, orders = logits_of(size).double(), all_partial_orders(size, slots)
    weights = [math.exp(naive.plackett_luce_log_prob(logits.tolist(), order)) for order in orders.tolist()]
    mean = torch.tensor(weights, dtype=torch.float64) @ PlackettLuce(logits).score(orders)
    assert mean.abs().max() < 1e-12


@every_temperature
@sizes_and_slots
def test_the_mean_entropy_of_choices_is_the_entropy_of_the_distribution(
    size: int, slots: int, temperature: float
) -> None:
    scaled, orders = (logits_of(size).double() / temperature).tolist(), all_partial_orders(size, slots)
    log_prob = [naive.plackett_luce_log_prob(scaled, order) for order in orders.tolist()]
    expected = -sum(math.exp(value) * value for value in log_prob)
    choices = PlackettLuce(logits_of(size).double(), temperature).entropy(orders).tolist()
    mean = sum(math.exp(value) * choice for value, choice in zip(log_prob, choices, strict=True))
    assert mean == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("size", [1, 2, 196, 1024])
def test_equal_logits_have_an_entropy_of_log_n_factorial_whatever_is_drawn(size: int) -> None:
    order = torch.randperm(size, generator=torch.Generator().manual_seed(0))
    entropy = PlackettLuce(torch.full((size,), 3.0)).entropy(order)
    assert float(entropy) == pytest.approx(math.lgamma(size + 1), rel=1e-5)


def test_the_entropy_of_choices_varies_less_than_minus_the_log_probability() -> None:
    distribution = PlackettLuce(logits_of(20))
    orders = distribution.sample(200, torch.Generator().manual_seed(0))
    assert distribution.entropy(orders).std() < 0.5 * distribution.log_prob(orders).std()


# --- Perturbed logits, given their order


def test_perturbed_logits_of_drawn_orders_are_gumbel_distributed() -> None:
    # Kolmogorov-Smirnov, for each patch; the false-alarm rate is 0.001 in all.
    distribution = PlackettLuce(torch.tensor([1.0, -0.5, 0.0]), 0.5)
    generator = torch.Generator().manual_seed(0)
    perturbed = distribution.perturbed_logits(distribution.sample(5_000, generator), generator)
    for patch, location in enumerate([2.0, -1.0, 0.0]):
        assert kstest(perturbed[:, patch].numpy(), gumbel_r(loc=location).cdf).pvalue > 1e-3 / 3
    # They depend on each other only through their order.
    assert abs(float(torch.corrcoef(perturbed.T)[0, 1])) < 0.06


@pytest.mark.parametrize("size", [1, 2, 16, 196])
def test_perturbed_logits_stand_in_the_order_that_is_given(size: int) -> None:
    distribution, generator = PlackettLuce(logits_of(size)), torch.Generator().manual_seed(1)
    orders = torch.stack([torch.randperm(size, generator=generator) for _ in range(5)])
    perturbed = distribution.perturbed_logits(orders, generator).gather(1, orders)
    assert (perturbed.diff(dim=1) <= 0).all()
    assert size == 1 or (perturbed.diff(dim=1) < 0).float().mean() > 0.99


# --- All of it


def test_every_distribution_of_a_batch_is_one_of_its_own() -> None:
    logits = logits_of(6).view(2, 3) * 3
    both, generator = PlackettLuce(logits, 0.5), torch.Generator().manual_seed(0)
    orders = both.sample(7, generator)
    assert orders.shape == (7, 2, 3)
    assert both.greedy().shape == (2, 3)
    for row in range(2):
        one = PlackettLuce(logits[row], 0.5)
        for name in ("log_prob", "score", "entropy"):
            torch.testing.assert_close(getattr(both, name)(orders)[:, row], getattr(one, name)(orders[:, row]))
        assert torch.equal(both.greedy()[row], one.greedy())
    assert both.perturbed_logits(orders, generator).shape == (7, 2, 3)


@pytest.mark.parametrize("slots", [2, 4])
def test_gradcheck(slots: int) -> None:
    logits, orders = logits_of(4).double().requires_grad_(), all_partial_orders(4, slots)[::3]
    assert torch.autograd.gradcheck(lambda value: PlackettLuce(value, 0.7).log_prob(orders), logits)
    assert torch.autograd.gradcheck(lambda value: PlackettLuce(value, 0.7).entropy(orders), logits)

    def perturbed(value: Tensor) -> Tensor:
        return PlackettLuce(value, 0.7).perturbed_logits(all_orders(4)[::7], torch.Generator().manual_seed(0))

    assert torch.autograd.gradcheck(perturbed, logits)
    assert torch.autograd.gradgradcheck(perturbed, logits)


@pytest.mark.parametrize("temperature", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("size", [1, 2, 196, 1024])
@pytest.mark.parametrize("autocast", [False, True])
def test_no_temperature_makes_anything_infinite(size: int, temperature: float, autocast: bool) -> None:
    logits = logits_of(size, 3.0).requires_grad_()
    generator = torch.Generator().manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        distribution = PlackettLuce(logits, temperature)
        orders = torch.stack([torch.randperm(size, generator=generator), distribution.greedy()])
        for orders_or_part in (orders, orders[:, : max(1, size // 2)]):
            score, entropy = distribution.score(orders_or_part), distribution.entropy(orders_or_part)
            assert score.dtype == entropy.dtype == torch.float32
            assert score.isfinite().all()
            # In each choice, gains and losses cancel; a choice of probability 1 cannot improve.
            assert (score <= 1.0).all()
            assert (entropy > -1e-3).all()
            assert (entropy <= math.lgamma(size + 1) * 1.001 + 1e-3).all()
            entropy.sum().backward()
        perturbed = distribution.perturbed_logits(orders, generator)
        assert perturbed.isfinite().all()
        perturbed.sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_the_entropy_vanishes_with_the_temperature() -> None:
    distribution = PlackettLuce(torch.tensor([0.3, 2.0, -1.0, 0.9]), 1e-4)
    assert distribution.entropy(distribution.greedy()) == 0
    assert distribution.sample(50, torch.Generator().manual_seed(0)).unique(dim=0).tolist() == [[1, 3, 0, 2]]
