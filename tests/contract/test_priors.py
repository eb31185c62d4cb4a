"""What every prior that comes with reorder-kit promises."""

from __future__ import annotations

import pytest
import torch

from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import ImageShape, Part
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

HOST = PluginHost(third_party=False)
PRIORS = HOST.priors
OPTIONS = [{}, {"tokens": "bigram"}, {"levels": 2}, {"levels": 64, "tokens": "bigram"}, {"prefer": "least"}]
CASES = [
    pytest.param(name, options, id="-".join([name, *map(str, options.values())]))
    for name in PRIORS
    for options in OPTIONS
]


def build(name, options):
    """The prior over pixels, ``levels`` of them."""
    prior, pixels = PRIORS.get(name), HOST.tokenizers.get("pixels")
    own = {key: value for key, value in options.items() if key != "levels"}
    levels = {key: value for key, value in options.items() if key == "levels"}
    return prior(prior.Options(tokenizer=Part.of(pixels, **levels), **own), ImageShape(1, 3, 5), Grid(3, 5))


def photos(count, grid, pixels=3, seed=0):
    return torch.randn(count, grid.num_patches, pixels, generator=torch.Generator().manual_seed(seed))


def orders_of(grid):
    forward = Order.identity(grid.num_patches)
    shuffled = Order(torch.randperm(grid.num_patches, generator=torch.Generator().manual_seed(1)))
    return {"forward": forward, "shuffled": shuffled, "shuffled again": Order(shuffled.indices.clone())}


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("grid", ["1x1", "1x2", "3x5"])
def test_every_image_has_a_finite_score_in_every_order(name, options, grid):
    grid = Grid.parse(grid)
    scores = build(name, options).score_per_image([photos(2, grid), photos(1, grid, seed=5)], orders_of(grid))
    assert list(scores) == ["forward", "shuffled", "shuffled again"]
    for values in scores.values():
        assert values.shape == (3,)
        assert values.isfinite().all()


@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_score_is_the_mean_over_images(name, options):
    grid = Grid(3, 5)
    patches, prior = photos(4, grid), build(name, options)
    each = prior.score_per_image([patches], orders_of(grid))
    assert prior.score(patches, orders_of(grid)) == pytest.approx({key: float(each[key].mean()) for key in each})


@pytest.mark.parametrize(("name", "options"), CASES)
def test_how_images_are_dealt_to_batches_changes_nothing(name, options):
    grid = Grid(3, 5)
    patches, prior = photos(5, grid), build(name, options)
    whole, parts = (prior.score_per_image(batches, orders_of(grid)) for batches in ([patches], patches.split([2, 3])))
    for key, values in whole.items():
        torch.testing.assert_close(parts[key], values)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_equal_orders_tie_and_neither_brightness_nor_contrast_counts(name, options):
    grid = Grid(3, 5)
    # Halves and quarters, so that the change of contrast is exact.
    patches, prior = (photos(4, grid) * 4).round() / 4, build(name, options)
    scores = prior.score(patches, orders_of(grid))
    assert scores["shuffled"] == scores["shuffled again"]
    assert prior.score(2 * patches - 1, orders_of(grid)) == pytest.approx(scores)


@pytest.mark.parametrize("name", list(PRIORS))
@pytest.mark.parametrize("tokens", ["unigram", "bigram"])
def test_least_is_the_opposite_of_most(name, tokens):
    grid = Grid(3, 5)
    most, least = (
        build(name, {"prefer": prefer, "tokens": tokens, "levels": 2}).score(photos(4, grid), orders_of(grid))
        for prefer in ("most", "least")
    )
    assert least == pytest.approx({key: -score for key, score in most.items()})
    assert 0 not in most.values()


@pytest.mark.parametrize("name", list(PRIORS))
def test_an_order_with_like_beside_like_scores_higher(name):
    bright_then_dark = torch.tensor([1.0, -1.0]).repeat_interleave(32)[None, :, None].expand(3, -1, 4)
    patches = bright_then_dark + 0.1 * photos(3, Grid(8, 8), pixels=4)
    mixed = Order(torch.randperm(64, generator=torch.Generator().manual_seed(2)))
    scores = build(name, {"levels": 4}).score(patches, {"sorted": Order.identity(64), "mixed": mixed})
    assert scores["sorted"] > scores["mixed"] + 1


@pytest.mark.parametrize("name", list(PRIORS))
def test_its_measure_is_named(name):
    assert PRIORS.get(name).measure == "% saved"
