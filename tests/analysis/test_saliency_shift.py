"""Whether saliency moved, worked out by hand, by enumeration and against scipy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from reorder_kit.analysis.saliency_shift import place
from reorder_kit.orders.order import Order

ROW = Order.identity(4)


def one_patch(patch, images=20, patches=4):
    """Saliency of a model that reads only one patch."""
    return np.tile(np.eye(patches)[patch], (images, 1))


def random_shares(images, patches, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(patches), size=images)


def test_ranks_and_slots_are_worked_out_by_hand():
    shares = np.array([[0.5, 0.5, 0.0, 0.0], [0.0, 0.5, 0.25, 0.25]])
    placement = place(shares, ROW, Order([3, 1, 0, 2]), seed=0)
    # The mean shares are 1/4, 1/2, 1/8, 1/8; patches 0 to 3 go from ranks 0, 1/3, 2/3, 1 to 2/3, 1/3, 1, 0.
    assert placement.start == pytest.approx((0.25, 0.5, 0.125, 0.125))
    assert placement.final == pytest.approx((0.125, 0.5, 0.25, 0.125))
    assert placement.mean_rank == pytest.approx((0.375, 11 / 24))
    assert placement.shift.mean == pytest.approx(11 / 24 - 0.375)


def test_a_patch_that_alone_is_read_moves_from_the_first_slot_to_the_last():
    placement = place(one_patch(0), ROW, Order([3, 2, 1, 0]), seed=0)
    assert placement.mean_rank == (0, 1)
    assert (placement.shift.mean, placement.shift.low, placement.shift.high) == (1, 1, 1)
    assert placement.shift.p < 1e-4
    # Among four patches one is the first with a chance of a quarter: nothing to be sure of.
    assert placement.blind_moves.p == pytest.approx(0.5, abs=0.03)


def test_among_many_patches_chance_does_not_move_one_that_far():
    order = Order(list(range(99, -1, -1)))
    placement = place(one_patch(0, patches=100), Order.identity(100), order, seed=0)
    assert placement.blind_moves.p == pytest.approx(0.02, abs=0.01)
    assert placement.random_orders.p == pytest.approx(0.02, abs=0.01)


def test_a_map_that_is_the_same_for_all_images_is_sure_over_images_and_not_over_patches():
    """Any change of order moves a map alike in all images, so the images cannot distinguish chance from learning."""
    generator = np.random.default_rng(1)
    bump = np.exp(-np.abs(np.arange(16) - 8) / 3)
    shares = bump * generator.uniform(0.95, 1.05, size=(200, 16))
    shares /= shares.sum(axis=1, keepdims=True)
    start, p_images, p_patches = Order.identity(16), [], []
    for _ in range(20):
        placement = place(shares, start, Order(torch.from_numpy(generator.permutation(16))), seed=0)
        p_images.append(placement.shift.p)
        p_patches.append(placement.blind_moves.p)
    assert np.mean(np.array(p_images) < 0.05) > 0.9
    assert np.mean(np.array(p_patches) < 0.05) <= 0.2


def test_chance_is_that_of_all_permutations():
    shares = random_shares(30, 5)
    start, final = Order([2, 0, 1, 4, 3]), Order([4, 1, 3, 0, 2])
    placement = place(shares, start, final, seed=0)
    by_patch = shares.mean(axis=0)
    before, after = (order.rank.numpy() / 4 for order in (start, final))
    blind, elsewhere = [], []
    for permutation in itertools.permutations(range(5)):
        blind.append((by_patch[list(permutation)] * (after - before)).sum())
        elsewhere.append(by_patch @ (np.array(permutation) / 4) - by_patch @ before)
    for chance, every in ((placement.blind_moves, blind), (placement.random_orders, elsewhere)):
        every, measured = np.array(every), placement.shift.mean
        tails = (every >= measured - 1e-9).mean(), (every <= measured + 1e-9).mean()
        assert chance.p == pytest.approx(min(1, 2 * min(tails)), abs=0.03)
        assert (chance.low, chance.high) == pytest.approx(tuple(np.quantile(every, [0.025, 0.975])), abs=0.02)


def test_the_test_and_the_interval_over_images_are_scipys():
    shares = random_shares(40, 6)
    start, final = Order.identity(6), Order([5, 0, 4, 1, 3, 2])
    placement = place(shares, start, final, seed=0)
    shifts = shares @ (final.rank.numpy() - start.rank.numpy()) / 5
    assert placement.shift.p == pytest.approx(stats.wilcoxon(shifts).pvalue)
    expected = stats.bootstrap((shifts,), np.mean, method="percentile", n_resamples=9999).confidence_interval
    assert (placement.shift.low, placement.shift.high) == pytest.approx((expected.low, expected.high), abs=0.01)


def test_even_saliency_goes_nowhere():
    placement = place(np.full((10, 4), 0.25), ROW, Order([2, 3, 0, 1]), seed=0)
    assert placement.mean_rank == pytest.approx((0.5, 0.5))
    assert (placement.shift.mean, placement.shift.p) == (0, 1)
    assert placement.blind_moves.p == placement.random_orders.p == 1


def test_an_order_that_stayed_moves_nothing():
    placement = place(random_shares(10, 4), ROW, ROW, seed=0)
    assert (placement.shift.mean, placement.shift.low, placement.shift.high, placement.shift.p) == (0, 0, 0, 1)
    assert placement.start == placement.final


def test_back_is_the_way_forth():
    shares, other = random_shares(25, 4), Order([1, 3, 0, 2])
    forth, back = place(shares, ROW, other, seed=0), place(shares, other, ROW, seed=0)
    assert back.shift.mean == pytest.approx(-forth.shift.mean)
    assert back.shift.p == pytest.approx(forth.shift.p)
    assert (back.start, back.final) == (forth.final, forth.start)
