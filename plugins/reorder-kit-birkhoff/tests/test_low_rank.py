"""The low-rank learner: its matrix by hand and by a naive twin, its gradient, its start, and planted orders."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from reorder_kit_birkhoff.low_rank import LowRank, LowRankPolicy
from torch import Tensor

from reorder_kit.interfaces import CLASS, Grid, LearnerContext, Order, Progress
from reorder_kit.ops.naive import sinkhorn as naive
from reorder_kit.testing import check_order_learner


def constant(value: float) -> dict[str, Any]:
    return {"shape": "constant", "peak": value}


def shuffled(patches: int, seed: int = 0) -> Order:
    return Order(torch.randperm(patches, generator=torch.Generator().manual_seed(seed)))


def build(start: Order, seed: int = 0, **options: Any) -> LowRankPolicy:
    """A policy that searches from the first step on, moved to it."""
    given = {"warmup_epochs": 0, "search_epochs": 1000, **options}
    learner = LowRank(LowRank.Options.model_validate(given))
    grid = Grid(1, start.num_slots)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        policy = learner.build_policy(LearnerContext(start, grid, 1, depth=2, target_kind=CLASS, classes=("no", "yes")))
    policy.advance(learner.phases(1000).locate(Progress(0, 1, 1000, stream=1, shared_stream=1)))
    return policy


def naive_matrix(policy: LowRankPolicy, temperature: float, iterations: int) -> list[list[float]]:
    """The definition in plain Python: dot products over lengths, and rows and columns normalized in turn."""

    def length(vector: list[float]) -> float:
        return math.sqrt(sum(entry**2 for entry in vector))

    def cosine(one: list[float], other: list[float]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True)) / length(one) / length(other)

    patches = policy.patch_vectors.tolist()
    cosines = [[cosine(slot, patch) for patch in patches] for slot in policy.slot_vectors.tolist()]
    return naive.sinkhorn(cosines, temperature, iterations)


# --- The matrix


def test_a_matrix_worked_out_by_hand() -> None:
    # Cosines of 60 and 0 degrees are 1/2 and 1. At temperature 1 / (2 ln 3), e^(1 / (2 T)) = 3, so shares are 3 to 1.
    policy = build(Order([1, 0]), rank=3, temperature=constant(1 / (2 * math.log(3))))
    vectors = torch.tensor([[1.0, 0.0, 0.0], [0.5, math.sqrt(3) / 2, 0.0]])
    policy.patch_vectors.data.copy_(2 * vectors)  # lengths do not count
    policy.slot_vectors.data.copy_(5 * vectors.flip(0))
    expected = torch.tensor([[0.25, 0.75], [0.75, 0.25]])
    torch.testing.assert_close(policy.soft_permutation().matrix, expected)


@pytest.mark.parametrize(("patches", "rank", "temperature"), [(1, 3, 1.0), (5, 3, 0.3), (12, 8, 0.1)])
def test_the_matrix_is_that_of_its_definition(patches: int, rank: int, temperature: float) -> None:
    policy = build(shuffled(patches), rank=rank, temperature=constant(temperature), max_iterations=7, tolerance=0)
    policy.slot_vectors.data.add_(torch.randn(patches, rank, generator=torch.Generator().manual_seed(1)))
    expected = torch.tensor(naive_matrix(policy, temperature, iterations=7))
    torch.testing.assert_close(policy.soft_permutation().matrix, expected, rtol=1e-3, atol=1e-6)


def test_rows_and_columns_sum_to_one() -> None:
    policy = build(shuffled(30), temperature=constant(0.3))
    matrix = policy.soft_permutation().matrix
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(30))
    assert policy.metrics()["residual"] <= 1e-3


@pytest.mark.parametrize("patches", [2, 9, 64])
def test_at_a_low_temperature_it_is_a_permutation(patches: int) -> None:
    policy = build(shuffled(patches), temperature=constant(1e-3))
    matrix = policy.soft_permutation().matrix
    torch.testing.assert_close(matrix.argmax(dim=1), shuffled(patches).indices)
    assert matrix.max(dim=1).values.min() > 0.999
    assert policy.metrics()["residual"] < 1e-3


def test_at_a_high_temperature_all_shares_are_equal() -> None:
    matrix = build(shuffled(9), temperature=constant(1e4)).soft_permutation().matrix
    torch.testing.assert_close(matrix, torch.full((9, 9), 1 / 9), rtol=1e-3, atol=0)


def test_autocast_changes_nothing() -> None:
    policy = build(shuffled(9), temperature=constant(0.05))
    expected = policy.soft_permutation().matrix
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(policy.soft_permutation().matrix, expected)


# --- The order


@pytest.mark.parametrize("rank", [3, 16, 64])
def test_the_start_is_held_at_every_rank(rank: int) -> None:
    for seed in range(3):
        assert build(shuffled(196, seed), seed, rank=rank).best_order() == shuffled(196, seed)


def test_the_start_is_held_where_cosines_round_to_one() -> None:
    policy = build(Order([1, 0, 2]), rank=3)
    nearly = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1e-5, 0.0], [1.0, 2e-5, 0.0]])
    policy.patch_vectors.data.copy_(nearly)
    policy.slot_vectors.data.copy_(nearly[[1, 0, 2]])
    assert (policy.cosines() == 1).all()
    assert policy.best_order() == Order([1, 0, 2])


def test_vectors_are_drawn_anew_for_every_seed() -> None:
    one, same, other = (build(shuffled(9), seed).patch_vectors for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_it_has_two_vectors_a_slot() -> None:
    assert sum(parameter.numel() for parameter in build(shuffled(100), rank=8).parameters()) == 2 * 100 * 8


def test_a_rank_of_two_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 3"):
        LowRank.Options.model_validate({"rank": 2})


# --- The gradient


def test_the_gradient_is_that_of_finite_differences() -> None:
    policy = build(shuffled(5), rank=4, temperature=constant(0.2), max_iterations=20, tolerance=0).double()

    def matrix(slots: Tensor, patches: Tensor) -> Tensor:
        given = {"policy.slot_vectors": slots, "policy.patch_vectors": patches}
        return torch.func.functional_call(Matrix(policy), given)

    inputs = tuple(each.detach().clone().requires_grad_() for each in (policy.slot_vectors, policy.patch_vectors))
    assert torch.autograd.gradcheck(matrix, inputs)


class Matrix(torch.nn.Module):
    """The matrix of a policy, as a call."""

    def __init__(self, policy: LowRankPolicy) -> None:
        super().__init__()
        self.policy = policy

    def forward(self) -> Tensor:
        return self.policy.soft_permutation().matrix


@pytest.mark.parametrize("temperature", [1e-6, 1e-3, 0.03, 0.3, 1e4])
@pytest.mark.parametrize("patches", [1, 2, 64])
def test_gradients_are_finite_in_single_precision(patches: int, temperature: float) -> None:
    policy = build(shuffled(patches), temperature=constant(temperature))
    policy.slot_vectors.data.add_(0.1 * torch.randn(patches, 16, generator=torch.Generator().manual_seed(1)))
    weights = torch.randn(patches, patches, generator=torch.Generator().manual_seed(2))
    (policy.soft_permutation().matrix * weights).sum().backward()
    for parameter in policy.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


def test_the_start_is_no_stationary_point() -> None:
    policy = build(shuffled(9))
    (policy.soft_permutation().matrix * torch.randn(9, 9, generator=torch.Generator().manual_seed(2))).sum().backward()
    for parameter in policy.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 1e-3


# --- Learning


def learned(patches: int, benefit: Tensor, steps: int = 150) -> Order:
    """What is found by raising the benefit of the patch in each slot, which the soft matrix averages."""
    learner = LowRank(LowRank.Options.model_validate({"warmup_epochs": 0, "search_epochs": steps}))
    policy = build(shuffled(patches), warmup_epochs=0, search_epochs=steps)
    optimizer = policy.build_optimizer()
    for step in range(steps):
        policy.advance(learner.phases(steps).locate(Progress(step, 1, steps, stream=step + 1, shared_stream=step + 1)))
        optimizer.zero_grad()
        (-(policy.soft_permutation().matrix * benefit).sum() / patches).backward()
        optimizer.step()
    return policy.best_order()


def test_a_planted_order_is_found() -> None:
    planted = shuffled(16, seed=5)
    assert (shuffled(16).indices == planted.indices).sum() <= 3
    assert learned(16, torch.nn.functional.one_hot(planted.indices, 16).float()) == planted


def test_an_assignment_with_noise_is_solved_almost_as_well_as_by_an_exact_solver() -> None:
    from scipy.optimize import linear_sum_assignment

    benefit = torch.rand(16, 16, generator=torch.Generator().manual_seed(3))
    slots = torch.arange(16)
    best = benefit[linear_sum_assignment(benefit.numpy(), maximize=True)].sum()
    start = benefit[slots, shuffled(16).indices].sum()
    found = benefit[slots, learned(16, benefit).indices].sum()
    assert found - start > 0.9 * (best - start)


# --- The contract


def test_it_keeps_the_contract_of_order_learners_on_small_grids() -> None:
    check_order_learner(LowRank, grids=[Grid(1, 1), Grid(1, 2), Grid(3, 3)])


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"straight_through": True, "rank": 3},
        {"rank": 64, "max_iterations": 3, "lr": 0.02, "search": "then-retrain"},
        {"temperature": {"shape": "triangular", "initial": 0.0, "final": 0.0}},
    ],
    ids=str,
)
def test_it_keeps_the_contract_of_order_learners(options: dict[str, Any]) -> None:
    check_order_learner(LowRank, options)
