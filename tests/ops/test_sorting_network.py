"""Differentiable sorting networks: hand-worked matrices, the plain version, diffsort, their limits, and the learner."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from policies import move, policy_of, propose_one
from reorder_kit.interfaces import PatchSequence, Progress
from reorder_kit.ops.naive import sorting_network as naive
from reorder_kit.ops.sorting_network import sorting_network
from reorder_kit.order_learners.diffsort import Diffsort, DiffsortPolicy
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

NETWORKS = ["odd-even", "bitonic"]
DISTRIBUTIONS = ["logistic", "cauchy", "optimal"]
TEMPERATURES = [1e-4, 0.1, 1.0, 30.0, 1e4]
every_network = pytest.mark.parametrize("network", NETWORKS)
every_distribution = pytest.mark.parametrize("distribution", DISTRIBUTIONS)
every_temperature = pytest.mark.parametrize("temperature", TEMPERATURES)


def scores_of(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)), dtype=dtype)


# --- Values


@every_network
@pytest.mark.parametrize(
    ("distribution", "stays"),
    [("logistic", 0.8807971), ("cauchy", 0.8524164), ("optimal", 0.96875)],  # of a difference of 2 temperatures
)
def test_two_scores_are_one_comparator(network: str, distribution: str, stays: float) -> None:
    matrix = sorting_network(torch.tensor([1.0, 0.0]), 0.5, network, distribution)
    assert matrix.flatten().tolist() == pytest.approx([stays, 1 - stays, 1 - stays, stays])
    swapped = sorting_network(torch.tensor([0.0, 1.0]), 0.5, network, distribution)
    assert swapped.flatten().tolist() == pytest.approx([1 - stays, stays, stays, 1 - stays])


def test_within_a_quarter_of_the_temperature_the_optimal_distribution_is_linear() -> None:
    matrix = sorting_network(torch.tensor([0.1, 0.0]), 1.0, distribution="optimal")
    assert matrix.flatten().tolist() == pytest.approx([0.6, 0.4, 0.4, 0.6])


def test_three_scores_are_worked_out_by_hand() -> None:
    # Half plus the difference of two scores stays. Slots 0 and 1 keep 0.6, and the scores are 0.06, 0.04, 0 then; slots
    # 1 and 2 keep 0.54, and the scores are 0.06, 0.0216, 0.0184; slots 0 and 1 keep 0.5384.
    first = np.array([[0.6, 0.4, 0], [0.4, 0.6, 0], [0, 0, 1]])
    second = np.array([[1, 0, 0], [0, 0.54, 0.46], [0, 0.46, 0.54]])
    third = np.array([[0.5384, 0.4616, 0], [0.4616, 0.5384, 0], [0, 0, 1]])
    matrix = sorting_network(torch.tensor([0.1, 0.0, 0.0]), 1.0, "odd-even", "optimal")
    np.testing.assert_allclose(matrix.numpy(), third @ second @ first, atol=1e-6)


@every_temperature
@every_distribution
@every_network
@pytest.mark.parametrize("size", [1, 2, 7, 16, 21])
def test_it_equals_the_plain_version(size: int, network: str, distribution: str, temperature: float) -> None:
    scores = scores_of(size, dtype=torch.float64)
    expected = torch.tensor(
        naive.sorting_network(scores.tolist(), temperature, network, distribution), dtype=torch.float64
    )
    matrix = sorting_network(scores, temperature, network, distribution)
    torch.testing.assert_close(matrix, expected, rtol=1e-6, atol=1e-9)
    single = sorting_network(scores.float(), temperature, network, distribution)
    torch.testing.assert_close(single, expected.float(), rtol=1e-3, atol=1e-3)


@every_distribution
@pytest.mark.parametrize(("network", "size"), [("odd-even", 2), ("odd-even", 7), ("odd-even", 12), ("bitonic", 16)])
def test_it_equals_diffsort(network: str, size: int, distribution: str) -> None:
    # If the size is not a power of two, diffsort's bitonic networks drop different comparators from ours.
    diffsort = pytest.importorskip("diffsort")
    scores, weights = scores_of(3, size).requires_grad_(), scores_of(3, size, size)
    matrix = sorting_network(scores, 0.7, network, distribution)
    (grad,) = torch.autograd.grad((matrix * weights).sum(), scores)

    upwards = diffsort.DiffSortNet(network.replace("-", "_"), size, steepness=1 / 0.7, distribution=distribution)
    sorted_scores, theirs = upwards(-scores)  # [patch, slot]
    torch.testing.assert_close(matrix, theirs.mT, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close((matrix @ scores.unsqueeze(-1)).squeeze(-1), -sorted_scores, rtol=1e-4, atol=1e-4)
    (expected,) = torch.autograd.grad((theirs.mT * weights).sum(), scores)
    torch.testing.assert_close(grad, expected, rtol=1e-3, atol=1e-4)


@every_network
def test_each_of_a_batch_is_sorted_alone(network: str) -> None:
    scores = scores_of(2, 3, 5)
    matrices = sorting_network(scores, 0.4, network)
    assert matrices.shape == (2, 3, 5, 5)
    for row in range(2):
        for column in range(3):
            torch.testing.assert_close(matrices[row, column], sorting_network(scores[row, column], 0.4, network))


@every_distribution
@every_network
def test_the_temperature_is_in_units_of_the_scores(network: str, distribution: str) -> None:
    scores = scores_of(9)
    larger = sorting_network(5 * scores + 2, 5 * 0.7, network, distribution)
    torch.testing.assert_close(larger, sorting_network(scores, 0.7, network, distribution), rtol=1e-3, atol=1e-5)


# --- Limits


@every_network
@pytest.mark.parametrize("size", range(1, 10))
def test_the_network_sorts_all_zeros_and_ones(size: int, network: str) -> None:
    # A network that sorts these sorts everything (Knuth, The Art of Computer Programming, 5.3.4).
    scores = torch.tensor(list(product([0.0, 1.0], repeat=size)))
    ranked = (sorting_network(scores, 1e-4, network, "logistic") @ scores.unsqueeze(-1)).squeeze(-1)
    assert torch.equal(ranked, scores.sort(dim=-1, descending=True).values)


@every_distribution
@every_network
@pytest.mark.parametrize("size", [100, 196])
def test_near_zero_temperature_it_is_the_hard_order(size: int, network: str, distribution: str) -> None:
    scores = torch.randperm(size, generator=torch.Generator().manual_seed(0)).float()
    matrix = sorting_network(scores, 1e-5, network, distribution)
    hard = torch.nn.functional.one_hot(scores.argsort(descending=True), size).float()
    torch.testing.assert_close(matrix, hard, rtol=0, atol=5e-3)


@pytest.mark.parametrize("temperature", [1e-4, 1.0, 1e4])
@every_distribution
@every_network
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("size", [1, 3, 30])
def test_rows_and_columns_are_finite_shares_and_the_gradient_is_finite(
    size: int, scale: float, network: str, distribution: str, temperature: float
) -> None:
    scores = (scale * scores_of(size)).requires_grad_()
    matrix = sorting_network(scores, temperature, network, distribution)
    assert (matrix >= 0).all()
    torch.testing.assert_close(matrix.sum(dim=-1), torch.ones(size), rtol=0, atol=1e-4)
    torch.testing.assert_close(matrix.sum(dim=-2), torch.ones(size), rtol=0, atol=1e-4)
    (matrix * scores_of(size, size)).sum().backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


@pytest.mark.parametrize("temperature", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize(
    ("network", "size"), [("bitonic", 1024), ("odd-even", 196), pytest.param("odd-even", 1024, marks=pytest.mark.slow)]
)
def test_many_patches_have_full_shares_and_a_finite_gradient(network: str, size: int, temperature: float) -> None:
    scores = torch.randperm(size, generator=torch.Generator().manual_seed(0)).float().requires_grad_()
    matrix = sorting_network(scores, temperature, network)
    torch.testing.assert_close(matrix.sum(dim=-2), torch.ones(size), rtol=0, atol=1e-3)
    torch.testing.assert_close(matrix.sum(dim=-1), torch.ones(size), rtol=0, atol=1e-3)
    matrix.diagonal().sum().backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


def test_at_a_high_temperature_a_bitonic_network_of_a_power_of_two_mixes_everything() -> None:
    torch.testing.assert_close(sorting_network(scores_of(8), 1e6, "bitonic"), torch.full((8, 8), 1 / 8))


@every_distribution
@every_network
def test_equal_scores_share_their_slots_at_any_temperature(network: str, distribution: str) -> None:
    matrix = sorting_network(torch.tensor([1.0, 0.0, 1.0]), 1e-6, network, distribution)
    torch.testing.assert_close(matrix[2], torch.tensor([0.0, 1.0, 0.0]), rtol=0, atol=1e-5)
    torch.testing.assert_close(matrix[:2].sum(dim=0), torch.tensor([1.0, 0.0, 1.0]), rtol=0, atol=1e-5)
    assert (matrix[:2, [0, 2]] > 0.2).all()


@every_network
@pytest.mark.parametrize("distribution", ["cauchy", "optimal"])
def test_monotonic_networks_never_lower_a_sorted_score_when_a_score_rises(network: str, distribution: str) -> None:
    scores = scores_of(8, 6, dtype=torch.float64)

    def ranked(scores: Tensor) -> Tensor:
        return (sorting_network(scores, 0.5, network, distribution) @ scores.unsqueeze(-1)).squeeze(-1)

    jacobian = torch.autograd.functional.jacobian(lambda scores: ranked(scores).sum(dim=0), scores)
    assert (jacobian > -1e-9).all()


@every_network
def test_the_logistic_network_is_not_monotonic(network: str) -> None:
    scores = torch.tensor([4.0, 0.0], dtype=torch.float64, requires_grad=True)
    (sorting_network(scores, 1.0, network, "logistic")[1] * scores).sum().backward()  # the lower of the two
    assert scores.grad is not None
    assert scores.grad[0] < 0


# --- Gradient and precision


@every_distribution
@every_network
def test_gradients_are_those_of_finite_differences(network: str, distribution: str) -> None:
    scores, weights = scores_of(6, dtype=torch.float64).requires_grad_(), scores_of(6, 6, dtype=torch.float64)
    (sorting_network(scores, 1.8, network, distribution) * weights).sum().backward()
    step = 1e-6

    def shifted(patch: int, by: float) -> float:
        moved = scores.tolist()
        moved[patch] += by
        matrix = torch.tensor(naive.sorting_network(moved, 1.8, network, distribution), dtype=torch.float64)
        return float((matrix * weights).sum())

    expected = [(shifted(patch, step) - shifted(patch, -step)) / (2 * step) for patch in range(6)]
    assert scores.grad is not None
    assert scores.grad.tolist() == pytest.approx(expected, rel=1e-5, abs=1e-7)


@every_distribution
@every_network
@pytest.mark.parametrize("shape", [(1,), (7,), (2, 2, 4)])
def test_gradcheck(shape: tuple[int, ...], network: str, distribution: str) -> None:
    scores = scores_of(*shape, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda scores: sorting_network(scores, 2.0, network, distribution), scores)


@pytest.mark.parametrize("autocast", [False, True])
@every_network
def test_half_precision_scores_are_computed_in_float32(network: str, autocast: bool) -> None:
    scores = scores_of(16).bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        matrix = sorting_network(scores, 0.5, network)
    assert matrix.dtype == torch.float32
    expected = torch.tensor(naive.sorting_network(scores.tolist(), 0.5, network, "cauchy"))
    torch.testing.assert_close(matrix, expected, rtol=1e-3, atol=1e-5)
    matrix.diagonal().sum().backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


def test_float64_scores_are_computed_in_float64() -> None:
    assert sorting_network(scores_of(5, dtype=torch.float64), 0.5).dtype == torch.float64


# --- The learner


def build(start: Order, **options: Any) -> DiffsortPolicy:
    """A policy that searches from the first step on."""
    learner = Diffsort(Diffsort.Options(**{"warmup_epochs": 0, "search_epochs": 1000, **options}))
    return policy_of(learner, start)


def at(step: int, steps: int = 1000) -> Progress:
    return Progress(step, steps_per_epoch=1, epochs=steps)


def shuffled(patches: int, seed: int = 0) -> Order:
    return Order(torch.randperm(patches, generator=torch.Generator().manual_seed(seed)))


def test_the_temperature_of_the_learner_is_in_slots() -> None:
    # The arc tangent of 1 is pi / 4: three quarters stay. Patch 1 stands first.
    policy = build(Order([1, 0]), temperature={"shape": "constant", "peak": 1.0})
    move(policy, at(0))
    torch.testing.assert_close(policy.soft_permutation().matrix, torch.tensor([[0.25, 0.75], [0.75, 0.25]]))


@every_network
def test_patches_enter_the_network_in_the_starting_order(network: str) -> None:
    # So every start is as near to its hard order as the row-major one is.
    start, temperature = shuffled(12), {"shape": "constant", "peak": 0.5}
    matrices = []
    for order in (Order(torch.arange(12)), start):
        policy = build(order, network=network, temperature=temperature)
        move(policy, at(0))
        matrices.append(policy.soft_permutation().matrix)
    torch.testing.assert_close(matrices[1][:, start.indices], matrices[0])


@pytest.mark.parametrize("options", [{}, {"network": "bitonic", "straight_through": True}], ids=["default", "bitonic"])
def test_a_planted_order_is_found(options: dict[str, Any]) -> None:
    found = []
    for seed in range(2):
        start, hidden = shuffled(8, seed), shuffled(8, 100 + seed)
        policy = build(start, search_epochs=150, **options)
        optimizer = policy.build_optimizer()
        cost = (torch.arange(8.0).unsqueeze(1) - hidden.rank).square() / 8
        for step in range(150):
            move(policy, at(step, 150))
            shares = propose_one(policy).apply(PatchSequence(torch.eye(8).unsqueeze(0), Grid(1, 8))).patches
            optimizer.zero_grad()
            (shares * cost).mean().backward()
            optimizer.step()
        found.append(policy.best_order().kendall_tau(hidden))
        assert found[-1] > start.kendall_tau(hidden)
    assert np.mean(found) > 0.8
