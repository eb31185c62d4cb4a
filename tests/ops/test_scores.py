"""Scores of an order, and the order of scores."""

from __future__ import annotations

import pytest
import torch

from reorder_kit.ops.scores import order_of_scores, scores_of_order


def test_scores_are_scattered_and_not_gathered() -> None:
    # Patch 2 stands first, patch 0 second, patch 1 last. Gathering would give [-1, 0, -0.5], whose order is [1, 2, 0].
    scores = scores_of_order(torch.tensor([2, 0, 1]), first=0.0, last=-1.0)
    assert scores.tolist() == [-0.5, -1.0, 0.0]
    assert order_of_scores(scores).tolist() == [2, 0, 1]


def test_scores_fall_evenly_along_the_order() -> None:
    order = torch.tensor([3, 0, 4, 1, 2])
    assert scores_of_order(order, first=4.0, last=0.0)[order].tolist() == [4, 3, 2, 1, 0]


@pytest.mark.parametrize("size", [1, 2, 3, 15, 196, 4096])
def test_the_order_of_an_orders_scores_is_that_order(size: int) -> None:
    for seed in range(5):
        order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(order_of_scores(scores_of_order(order, first=0.0, last=-1.0)), order)


def test_one_patch_gets_the_first_score() -> None:
    assert scores_of_order(torch.tensor([0]), first=0.5, last=-1.0).tolist() == [0.5]


def test_the_highest_score_comes_first() -> None:
    assert order_of_scores(torch.tensor([0.1, 7.0, -2.0, 3.0])).tolist() == [1, 3, 0, 2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_equal_scores_stay_row_major(dtype: torch.dtype) -> None:
    # Long enough that an unstable sort would not keep them by luck.
    scores = torch.zeros(1000, dtype=dtype)
    scores[500:] = 1
    assert order_of_scores(scores).tolist() == [*range(500, 1000), *range(500)]


def test_each_of_a_batch_is_sorted_alone() -> None:
    scores = torch.tensor([[[0.0, 1.0, 2.0], [5.0, 4.0, 3.0]], [[1.0, 3.0, 1.0], [0.0, 0.0, 0.0]]])
    assert order_of_scores(scores).tolist() == [[[2, 1, 0], [0, 1, 2]], [[1, 0, 2], [0, 1, 2]]]


def test_sorting_asks_for_no_gradient() -> None:
    assert not order_of_scores(torch.zeros(3, requires_grad=True)).requires_grad
