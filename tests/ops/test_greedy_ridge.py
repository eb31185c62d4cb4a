"""Greedy selection of patches by ridge regression: against a regression for every set, and on planted answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from reorder_kit.ops.folded_ridge import held_out_errors
from reorder_kit.ops.greedy_ridge import greedy_ridge, single_patches
from reorder_kit.ops.naive import greedy_ridge as naive
from reorder_kit.ops.patch_features import patch_features


def rows_of(images, patches, pixels, classes=3, seed=0, signal=1.0):
    """Noisy features that depend on the class, more in later patches; centered targets; folds."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(images) % classes
    strength = signal * torch.rand(patches, pixels, classes, generator=random).sub(0.5)
    noise = torch.randn(images, patches, pixels, generator=random)
    values = noise + strength[:, :, labels].permute(2, 0, 1)
    targets = torch.nn.functional.one_hot(labels, classes).double()
    return patch_features(values, 4), targets - targets.mean(dim=0), torch.arange(images) // classes % 3


@pytest.mark.parametrize("penalty", [1.0, 100.0])
@pytest.mark.parametrize(("images", "patches", "pixels"), [(60, 6, 3), (30, 9, 5), (12, 4, 1), (7, 5, 6)])
def test_it_chooses_as_a_regression_for_every_set_would(images, patches, pixels, penalty):
    features, targets, folds = rows_of(images, patches, pixels, seed=images)
    selection = greedy_ridge(features, targets, folds, penalty)
    plain = features.numpy(), targets.numpy(), folds.numpy()
    assert selection.patches == naive.greedy_ridge(*plain, penalty)
    expected = [
        naive.held_out_error(plain[0][:, selection.patches[: count + 1]], *plain[1:], penalty)
        for count in range(patches)
    ]
    assert selection.unexplained == pytest.approx(expected, abs=1e-9)


def test_the_first_choice_is_the_best_patch_alone():
    features, targets, folds = rows_of(60, 6, 3)
    alone = single_patches(features, targets, folds, 10.0)
    expected = [
        1 - naive.held_out_error(features[:, [patch]].numpy(), targets.numpy(), folds.numpy(), 10.0)
        for patch in range(6)
    ]
    assert alone.tolist() == pytest.approx(expected, abs=1e-9)
    assert greedy_ridge(features, targets, folds, 10.0).patches[0] == int(alone.argmax())


@pytest.mark.parametrize(("images", "width"), [(40, 6), (9, 20)], ids=["over features", "over rows"])
def test_held_out_errors_are_those_of_scikit_learn(images, width):
    random = torch.Generator().manual_seed(1)
    features = torch.randn(images, width, generator=random, dtype=torch.float64)
    targets = features[:, :2] + torch.randn(images, 2, generator=random, dtype=torch.float64)
    folds = torch.arange(images) % 3
    expected = []
    for penalty in (1.0, 50.0):
        error = 0.0
        for fold in range(3):
            ridge = Ridge(penalty, fit_intercept=False).fit(features[folds != fold], targets[folds != fold])
            error += ((targets[folds == fold].numpy() - ridge.predict(features[folds == fold])) ** 2).sum()
        expected.append(error / float(targets.square().sum()))
    assert held_out_errors(features, targets, folds, (1.0, 50.0)).tolist() == pytest.approx(expected)


def planted(told, images=90, patches=5):
    """Images of noise, except for one patch that holds the number of the class."""
    labels = torch.arange(images) % 3
    values = torch.randn(images, patches, 2, generator=torch.Generator().manual_seed(5))
    values[:, told] = torch.nn.functional.one_hot(labels, 3)[:, :2].float()
    targets = torch.nn.functional.one_hot(labels, 3).double()
    return patch_features(values), targets - targets.mean(dim=0), torch.arange(images) // 3 % 3


@pytest.mark.parametrize("told", [0, 3])
def test_the_only_patch_that_tells_the_class_comes_first(told):
    selection = greedy_ridge(*planted(told), 1.0, torch.full((3,), 1 / 3, dtype=torch.float64))
    assert selection.patches[0] == told
    assert selection.unexplained[0] < 0.01
    assert selection.right[0] == 1.0


def test_a_copy_of_a_chosen_patch_adds_nothing():
    """Of two equal patches the first is chosen first, and the other one not before what is new."""
    random = torch.Generator().manual_seed(2)
    signs = torch.randint(2, (200, 2), generator=random) * 2.0 - 1
    values = torch.stack([torch.zeros(200), signs[:, 0], signs[:, 0], signs[:, 1]], dim=1)[:, :, None]
    targets = (signs @ torch.tensor([[2.0, 0.0], [0.0, 1.0]])).double()
    selection = greedy_ridge(patch_features(values), targets - targets.mean(dim=0), torch.arange(200) % 3, 1.0)
    assert selection.patches[:2] == [1, 3]
    # Even misleading noise comes before a patch that never varies.
    assert selection.patches[-1] == 0


def test_exchanging_patches_exchanges_the_ranking():
    features, targets, folds = rows_of(60, 7, 3)
    shuffled = torch.randperm(7, generator=torch.Generator().manual_seed(0))
    first = greedy_ridge(features, targets, folds, 10.0)
    second = greedy_ridge(features[:, shuffled], targets, folds, 10.0)
    assert [int(shuffled[patch]) for patch in second.patches] == first.patches
    assert second.unexplained == pytest.approx(first.unexplained, abs=1e-9)


def test_equal_patches_come_by_number():
    values = torch.randn(50, 1, 2, generator=torch.Generator().manual_seed(0)).expand(50, 4, 2)
    targets = values[:, 0].double()
    assert greedy_ridge(patch_features(values), targets, torch.arange(50) % 2, 1.0).patches[0] == 0
    assert greedy_ridge(patch_features(values), 0 * targets, torch.arange(50) % 2, 1.0).patches == [0, 1, 2, 3]


def test_another_number_of_threads_gives_the_same_ranking():
    features, targets, folds = rows_of(90, 16, 8)
    threads = torch.get_num_threads()
    try:
        found = []
        for count in (1, 2):
            torch.set_num_threads(count)
            found.append(greedy_ridge(features, targets, folds, 10.0).patches)
    finally:
        torch.set_num_threads(threads)
    assert found[0] == found[1]


def test_features_are_whitened_components_and_their_squares():
    random = np.random.default_rng(0)
    values = random.normal(size=(300, 2, 3)) @ np.array([[3.0, 1, 0], [0, 1, 0], [0, 0, 0.1]])
    values[:, 1] = 7.0
    features = patch_features(torch.from_numpy(values), components=2)
    assert features.shape == (300, 2, 4)
    assert features[:, 1].eq(0).all()
    assert features.mean(dim=0).abs().max() < 1e-12
    variances = features[:, 0].square().mean(dim=0)
    assert variances.tolist() == pytest.approx([1.0] * 4)
    assert float((features[:, 0, 0] * features[:, 0, 1]).mean()) == pytest.approx(0, abs=1e-9)
    # The two largest of three components, as numpy finds them.
    centered = values[:, 0] - values[:, 0].mean(axis=0)
    left = np.linalg.svd(centered, full_matrices=False)[0] * np.sqrt(300)
    assert np.abs(left[:, :2].T @ features[:, 0, :2].numpy() / 300) == pytest.approx(np.eye(2), abs=1e-9)


def test_many_patches_share_the_features_there_may_be():
    values = torch.randn(20, 6, 9, generator=torch.Generator().manual_seed(0))
    assert patch_features(values, components=4, most=48).shape == (20, 6, 8)
    assert patch_features(values, components=4, most=47).shape == (20, 6, 6)
    assert patch_features(values, components=4, most=1).shape == (20, 6, 2)
    assert torch.equal(patch_features(values, 4, most=47)[:, :, :3], patch_features(values, 3)[:, :, :3])


def rights_by_hand(features, targets, folds, penalty, frequency):
    """Held-out rows classified correctly, by scikit-learn."""
    rows, right = features.reshape(len(features), -1), 0
    for fold in np.unique(folds):
        held_out = folds == fold
        ridge = Ridge(penalty, fit_intercept=False).fit(rows[~held_out], targets[~held_out])
        told = ridge.predict(rows[held_out]) + frequency
        right += int((told.argmax(axis=1) == (targets[held_out] + frequency).argmax(axis=1)).sum())
    return right


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_by_accuracy_each_choice_tells_most_rows_right(seed, monkeypatch):
    monkeypatch.setattr("reorder_kit.ops.greedy_ridge._MOST_NUMBERS", 100)  # so that patches are processed in parts
    features, targets, folds = rows_of(60, 6, 3, seed=seed)
    frequency = torch.full((3,), 1 / 3, dtype=torch.float64)
    selection = greedy_ridge(features, targets, folds, 10.0, frequency, "accuracy")
    plain = targets.numpy(), folds.numpy(), 10.0
    for count, chosen in enumerate(selection.patches):
        before = selection.patches[:count]
        left = [patch for patch in range(6) if patch not in before]
        sets = {patch: features[:, [*before, patch]].numpy() for patch in left}
        rights = {patch: rights_by_hand(values, *plain, frequency.numpy()) for patch, values in sets.items()}
        equal = [patch for patch in left if rights[patch] == max(rights.values())]
        errors = [naive.held_out_error(sets[patch], *plain) for patch in equal]
        assert chosen == equal[int(np.argmin(errors))]
        assert selection.right[count] == pytest.approx(max(rights.values()) / 60)


def test_accuracy_needs_classes():
    with pytest.raises(ValueError, match="one class"):
        greedy_ridge(*planted(0), 1.0, criterion="accuracy")
