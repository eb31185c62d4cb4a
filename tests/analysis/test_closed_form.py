"""The closed-form score: regressions written out, and orders whose rank is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from reorder_kit.analysis.closed_form import closed_form_score, closed_form_scores
from reorder_kit.data.told_rows import ToldRows
from reorder_kit.ops.folded_ridge import PENALTIES
from reorder_kit.ops.naive.greedy_ridge import held_out_error
from reorder_kit.ops.patch_features import patch_features
from reorder_kit.orders.order import Order


def rows(told=(1.0, 0.0, 0.3, 0.1), images=90):
    """Four patches of noise that show three classes with the given strengths."""
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(images) % 3
    one_hot = torch.nn.functional.one_hot(labels, 3).double()
    shown = torch.tensor(told, dtype=torch.float64)[None, :, None] * one_hot[:, None]
    features = patch_features(shown + 0.3 * torch.randn(images, 4, 3, generator=random))
    targets = one_hot - one_hot.mean(dim=0)
    return ToldRows(features, targets, torch.arange(images) // 3 % 3, one_hot.mean(dim=0), "class")


INFLUENCE = torch.tensor([0.0, 0.1, 0.2, 0.7])


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [2, 0, 3, 1]])
def test_it_is_a_regression_on_features_weighted_by_the_root_of_influence(order):
    found = rows()
    weighted = np.zeros(found.features.shape)
    for slot, patch in enumerate(order):
        weighted[:, patch] = found.features[:, patch].numpy() * np.sqrt(4 * float(INFLUENCE[slot]))
    errors = [held_out_error(weighted, found.targets.numpy(), found.folds.numpy(), penalty) for penalty in PENALTIES]
    assert closed_form_score(found, Order(order), INFLUENCE) == pytest.approx(1 - min(errors), abs=1e-6)


def test_what_tells_most_belongs_where_the_model_looks():
    scores = closed_form_scores(
        rows(), {str(order): Order(order) for order in itertools.permutations(range(4))}, INFLUENCE
    )
    values = list(scores.values())
    assert values == sorted(values, reverse=True)
    best, worst = next(iter(scores)), list(scores)[-1]
    assert best.endswith("0)")
    assert worst.startswith("(0")
    assert values[0] > values[-1] + 0.2


def test_patches_without_a_slot_are_as_patches_in_slots_without_influence():
    found, even = rows(), torch.tensor([0.5, 0.5])
    of_two = closed_form_score(found, Order([3, 0], num_patches=4), even)
    assert of_two == pytest.approx(closed_form_score(found, Order([1, 2, 3, 0]), torch.tensor([0.0, 0.0, 0.5, 0.5])))
    assert of_two > closed_form_score(found, Order([1, 2], num_patches=4), even) + 0.2


def test_only_shares_of_influence_count():
    found, order = rows(), Order([3, 1, 0, 2])
    assert closed_form_score(found, order, 50 * INFLUENCE) == pytest.approx(closed_form_score(found, order, INFLUENCE))


def test_with_even_influence_every_order_has_the_same_score():
    found = rows()
    even = [closed_form_score(found, Order(order), torch.full((4,), 0.25)) for order in ([0, 1, 2, 3], [3, 1, 0, 2])]
    assert even[0] == pytest.approx(even[1], abs=1e-9)


def test_equal_scores_stand_by_name():
    order = Order([0, 1, 2, 3])
    assert list(closed_form_scores(rows(), {"b": order, "a": order}, INFLUENCE)) == ["a", "b"]


def test_the_penalty_is_the_one_that_tells_most_from_all_patches():
    found = rows()
    features, targets, folds = found.features.numpy(), found.targets.numpy(), found.folds.numpy()
    errors = [held_out_error(features, targets, folds, penalty) for penalty in PENALTIES]
    assert found.penalty == PENALTIES[int(np.argmin(errors))]
    assert errors.count(min(errors)) == 1
