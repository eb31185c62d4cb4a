"""The planted chain: its images, and the value of an order, from all possible images."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise, product
from math import comb

import numpy as np
import pydantic
import pytest
import torch
from scipy.stats import binom
from torch import Tensor

from reorder_kit.data_sources.planted_chain import PlantedChain
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import DataSplits, Order, SampleSet
from reorder_kit.ops.planted_chain import additive_accuracy, bayes_accuracy, chain_class, restored_neighbours


def all_signs(length):
    return list(product((1, -1), repeat=length))


def opened(seed: int = 0, **options) -> DataSplits:
    small = {"train_images": 200, "validation_images": 50, "test_images": 100}
    return PlantedChain(PlantedChain.Options(**{**small, **options})).open(seed)


def images_of(samples: SampleSet) -> Tensor:
    return torch.stack([samples[index][0] for index in range(len(samples))])


def targets_of(samples: SampleSet) -> Tensor:
    return torch.tensor([samples[index][1] for index in range(len(samples))])


# What an order restores


@pytest.mark.parametrize(
    ("order", "restored"),
    [
        ([4, 1, 5, 0, 3, 2], 5),  # the hidden order itself
        ([2, 3, 0, 5, 1, 4], 5),  # its reverse
        ([0, 3, 2, 4, 1, 5], 4),  # cut in two
        ([1, 4, 0, 5, 2, 3], 3),  # pairs reversed
        ([4, 5, 2, 1, 0, 3], 1),  # 0-3 only
        ([4, 0, 1, 2, 5, 3], 0),
        ([1, 5, 2], 1),  # the other patches have no slot
        ([1], 0),
    ],
)
def test_neighbours_are_counted_in_either_direction(order: list[int], restored: int) -> None:
    assert restored_neighbours(Order(order, 6), Order([4, 1, 5, 0, 3, 2])) == restored


@pytest.mark.parametrize(
    ("order", "hidden"),
    [
        (Order([0, 1]), Order([0, 1, 2])),
        (Order(torch.tensor([[0, 1, 2]])), Order([0, 1, 2])),
        (Order([0, 1, 2]), Order([0, 1], num_patches=3)),
    ],
)
def test_orders_that_have_nothing_to_compare_are_refused(order: Order, hidden: Order) -> None:
    with pytest.raises(ReorderKitError, match="two orders of one grid"):
        restored_neighbours(order, hidden)


# What they are worth


@pytest.mark.parametrize("patches", [2, 4, 6, 8, 10])
def test_bayes_accuracy_is_that_of_the_best_answer_to_everything_a_model_can_know(patches: int) -> None:
    for restored in range(patches):
        seen: Counter[tuple[tuple[int, ...], bool]] = Counter()
        for image in all_signs(patches):
            products = [first * second for first, second in pairwise(image)]
            seen[tuple(products[:restored]), sum(products) > 0] += 1
        right = sum(max(seen[known, True], seen[known, False]) for known, _ in {(known, 0) for known, _ in seen})
        assert bayes_accuracy(patches, restored) == right / 2**patches


@pytest.mark.parametrize("patches", [2, 4, 6, 8])
def test_additive_accuracy_is_that_of_a_sum_in_which_noise_stands_for_the_rest(patches: int) -> None:
    for restored in range(patches):
        unknown = patches - 1 - restored
        right = [
            (sum(known) + sum(rest) > 0) == (sum(known) + sum(noise) > 0)
            for known in all_signs(restored)
            for rest in all_signs(unknown)
            for noise in all_signs(unknown)
        ]
        assert additive_accuracy(patches, restored) == sum(right) / len(right)


@pytest.mark.parametrize("patches", [16, 64, 196])
def test_accuracies_of_long_chains_agree_with_binomial_distributions(patches: int) -> None:
    for restored in range(0, patches, 5):
        unknown = patches - 1 - restored
        positive = np.arange(restored + 1)
        weight = binom.pmf(positive, restored, 0.5)
        wins = binom.sf(patches // 2 - 1 - positive, unknown, 0.5)  # n/2 positive products are a majority
        assert bayes_accuracy(patches, restored) == pytest.approx(weight @ np.maximum(wins, 1 - wins))
        assert additive_accuracy(patches, restored) == pytest.approx(weight @ (wins**2 + (1 - wins) ** 2))


@pytest.mark.parametrize("patches", [2, 16, 64])
def test_accuracies_rise_from_chance_to_certainty(patches: int) -> None:
    for accuracy in (bayes_accuracy, additive_accuracy):
        rising = [accuracy(patches, restored) for restored in range(patches)]
        assert (rising[0], rising[-1]) == (0.5, 1.0)
        assert rising == sorted(rising)
    assert all(additive_accuracy(patches, each) <= bayes_accuracy(patches, each) for each in range(patches))


def test_an_even_number_of_products_is_worth_one_less() -> None:
    assert [bayes_accuracy(16, even) for even in (2, 8, 14)] == [bayes_accuracy(16, odd) for odd in (1, 7, 13)]


@pytest.mark.parametrize(("patches", "restored"), [(15, 3), (0, 0), (16, 16), (16, -1)])
def test_what_no_chain_has_is_refused(patches: int, restored: int) -> None:
    for accuracy in (bayes_accuracy, additive_accuracy):
        with pytest.raises(ReorderKitError, match=r"even number of patches|cannot be restored"):
            accuracy(patches, restored)


# What else a model can see: all images of 16 patches, those with the first patch negative left out (the products
# are the same), with the row-major order as the hidden one.


@pytest.fixture(scope="module")
def all_images() -> np.ndarray:
    bits = (np.arange(2**15)[:, None] >> np.arange(16)) & 1
    return 1 - 2 * bits.astype(np.int8)


def products_of(images: np.ndarray, order: list[int]) -> np.ndarray:
    placed = images[:, order]
    return (placed[:, 1:] * placed[:, :-1]).astype(int)


def best_of_sum(images: np.ndarray, order: list[int]) -> float:
    """The accuracy of the best threshold on the sum of the products of neighboring slots, in either direction."""
    classes = np.sign(products_of(images, list(range(16))).sum(axis=1))
    sums = products_of(images, order).sum(axis=1)
    below = [(classes * np.where(sums > threshold, 1, -1)).mean() for threshold in range(-16, 17)]
    return (1 + np.abs(below).max()) / 2


def test_runs_of_products_tell_what_the_docstring_says(all_images: np.ndarray) -> None:
    products = products_of(all_images, list(range(16)))
    majority = np.sign(products.sum(axis=1))
    half = 7  # m, since 2m = n - 2
    for length in range(1, 16):
        run = products[:, :length].prod(axis=1)
        odd = (length - 1) // 2
        coefficient = (-1) ** odd * comb(14, half) / 4**half * comb(half, odd) / comb(14, length - 1)
        expected = coefficient if length % 2 else 0.0
        assert (run * majority).mean() == pytest.approx(expected, abs=1e-12)
        assert length not in (1, 3, 15) or expected == pytest.approx({1: 0.21, 3: -0.016, 15: -0.21}[length], abs=5e-3)


@pytest.mark.parametrize(
    "order",
    [
        [0, 3, 6, 9, 12, 15, 2, 5, 8, 11, 14, 1, 4, 7, 10, 13],  # runs of three
        [0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15],  # runs of two
        [9, 3, 11, 5, 13, 7, 15, 0, 2, 12, 14, 4, 6, 8, 10, 1],  # with the ends of the chain adjacent
    ],
)
def test_without_restored_neighbours_only_a_trace_is_left(all_images: np.ndarray, order: list[int]) -> None:
    assert restored_neighbours(Order(order), Order.identity(16)) == 0
    assert 0.5 < best_of_sum(all_images, order) <= 0.55


def test_a_sum_of_products_has_about_the_additive_accuracy(all_images: np.ndarray) -> None:
    random = np.random.RandomState(0)
    deviations = []
    while len(deviations) < 40:
        pieces = np.split(np.arange(16), np.sort(random.choice(np.arange(1, 16), random.randint(1, 12), replace=False)))
        order = np.concatenate([pieces[piece][:: random.choice([1, -1])] for piece in random.permutation(len(pieces))])
        restored = restored_neighbours(Order(order.tolist()), Order.identity(16))
        if 15 not in np.abs(np.diff(order)):  # adjacent ends of the chain are the exception
            deviations.append(best_of_sum(all_images, order.tolist()) - additive_accuracy(16, restored))
    assert np.abs(deviations).max() <= 0.055
    assert np.median(np.abs(deviations)) <= 0.01


def test_a_chain_joined_by_its_ends_misleads_a_sum_and_tells_a_weighted_sum_everything(all_images: np.ndarray) -> None:
    order = [*range(7, 16), *range(7)]
    assert best_of_sum(all_images, order) == pytest.approx(additive_accuracy(16, 14) - 0.092, abs=1e-3)
    products = products_of(all_images, order)
    weights = [1.0] * 8 + [-0.5] + [1.0] * 6  # the ends, 15 and 0, are in the slots 8 and 9
    classes = np.sign(products_of(all_images, list(range(16))).sum(axis=1))
    assert (np.sign(products @ weights) == classes).all()


# The data source


def test_the_class_is_the_sign_of_the_sum_of_products_along_the_hidden_order() -> None:
    source = PlantedChain(PlantedChain.Options(grid=(2, 3), order_seed=5, train_images=300))
    hidden = source.hidden_order().indices.tolist()
    train = source.open(0).train
    for index in range(len(train)):
        image, target, *_ = train[index]
        pixels = image.flatten().tolist()
        total = sum(pixels[first] * pixels[second] for first, second in pairwise(hidden))
        assert target == (total > 0)


def test_classes_by_hand() -> None:
    images = torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, -1, -1, 1]], dtype=torch.int8)
    # along 0 1 2 3: +++, ---, -+-; along 0 2 1 3: +++, +-+, -+-
    assert chain_class(images, Order([0, 1, 2, 3])).tolist() == [True, False, False]
    assert chain_class(images, Order([0, 2, 1, 3])).tolist() == [True, True, False]


def test_pixels_are_independent_fair_signs_and_classes_are_balanced() -> None:
    splits = opened(train_images=4000)
    images, targets = images_of(splits.train).flatten(1), targets_of(splits.train)
    assert (images.shape, images.dtype) == ((4000, 16), torch.float32)
    assert images.unique().tolist() == [-1.0, 1.0]
    # The standard deviation of each mean is 1/sqrt(4000) = 0.016.
    assert images.mean(dim=0).abs().max() < 0.07
    correlations = images.T @ images / 4000 - torch.eye(16)
    assert correlations.abs().max() < 0.08
    assert (2 * targets.float() - 1).mean().abs() < 0.07


def test_another_order_seed_hides_another_order_in_the_same_images() -> None:
    first, second = opened(order_seed=0), opened(order_seed=1)
    orders = [PlantedChain(PlantedChain.Options(order_seed=seed)).hidden_order() for seed in (0, 1)]
    assert orders[0] != orders[1]
    assert torch.equal(images_of(first.test), images_of(second.test))
    agreement = (targets_of(first.test) == targets_of(second.test)).float().mean()
    assert 0.3 < agreement < 0.7


def test_the_images_depend_neither_on_the_seed_of_the_run_nor_on_the_size_of_other_splits() -> None:
    first, second = opened(seed=0), opened(seed=7, train_images=300, validation_images=60)
    assert torch.equal(images_of(first.test), images_of(second.test))
    assert torch.equal(targets_of(first.test), targets_of(second.test))
    assert torch.equal(images_of(first.train), images_of(second.train)[:200])


@pytest.mark.parametrize("grid", [(4, 4), (8, 8), (14, 14), (1, 2), (2, 3)])
def test_every_even_grid_has_a_hidden_order(grid: tuple[int, int]) -> None:
    source = PlantedChain(PlantedChain.Options(grid=grid, train_images=3, validation_images=1, test_images=2))
    splits = source.open(0)
    assert (splits.image.channels, splits.image.height, splits.image.width) == (1, *grid)
    assert source.hidden_order().num_patches == grid[0] * grid[1]
    assert [len(split) for split in (splits.train, splits.validation, splits.test)] == [3, 1, 2]


def test_an_odd_grid_is_refused() -> None:
    with pytest.raises(pydantic.ValidationError, match=r"grid \[3, 5\] has an odd number of patches"):
        PlantedChain.Options(grid=(3, 5))


@pytest.mark.parametrize("pieces", [1, 4, 8, 32])
def test_a_sum_along_an_order_is_right_as_often_as_predicted(pieces: int) -> None:
    source = PlantedChain(PlantedChain.Options(grid=(8, 8), train_images=1, validation_images=1, test_images=4000))
    hidden, test = source.hidden_order(), source.open(0).test
    parts = hidden.indices.chunk(pieces)
    order = Order(torch.cat([*parts[::2], *parts[1::2]]))
    assert restored_neighbours(order, hidden) == 64 - pieces
    placed = images_of(test).flatten(1)[:, order.indices]
    answers = (placed[:, 1:] * placed[:, :-1]).sum(dim=1) > 0
    accuracy = (answers.long() == targets_of(test)).double().mean().item()
    # Four standard deviations of 4,000 images are 0.03; nothing is left to chance in the hidden order itself.
    assert accuracy == pytest.approx(additive_accuracy(64, 64 - pieces), abs=0.0 if pieces == 1 else 0.03)
