"""Every prior keeps the contract; additional guarantees of priors that score token sequences."""

from __future__ import annotations

import pytest
import torch

from reorder_kit.interfaces import Grid, ImageShape, Order, Part, RankingPrior, ScoringPrior
from reorder_kit.testing import PRIOR_RULES, host_with, prior_case
from reorder_kit.testing.component import COMPONENT_RULES
from reorder_kit.testing.prior import GRIDS

HOST = host_with()
PRIORS = HOST.priors
OPTIONS = [{}, {"tokens": "bigram"}, {"levels": 2}, {"levels": 64, "tokens": "bigram"}, {"prefer": "least"}]
SCORING = [name for name in PRIORS if issubclass(PRIORS.get(name), ScoringPrior)]
RANKING = [name for name in PRIORS if issubclass(PRIORS.get(name), RankingPrior)]
CASES = [
    pytest.param(name, options, id="-".join([name, *map(str, options.values())]))
    for name in SCORING
    for options in OPTIONS
]


def over_pixels(name, options):
    """Options over pixels, ``levels`` of them."""
    own = {key: value for key, value in options.items() if key != "levels"}
    levels = {key: value for key, value in options.items() if key == "levels"}
    return PRIORS.get(name).Options(tokenizer=Part.of(HOST.tokenizers.get("pixels"), **levels), **own)


def build(name, options):
    return PRIORS.get(name)(over_pixels(name, options), ImageShape(1, 3, 5), Grid(3, 5))


def photos(count, grid, pixels=3, seed=0):
    return torch.randn(count, grid.num_patches, pixels, generator=torch.Generator().manual_seed(seed))


def orders_of(grid):
    forward = Order.identity(grid.num_patches)
    shuffled = Order(torch.randperm(grid.num_patches, generator=torch.Generator().manual_seed(1)))
    return {"forward": forward, "shuffled": shuffled}


@pytest.mark.parametrize(
    ("rule", "grid"),
    [
        pytest.param(rule, grid, id=f"{rule}-{grid}")
        for rule in PRIOR_RULES
        for grid in (GRIDS[:1] if rule in COMPONENT_RULES else GRIDS)
    ],
)
@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_prior_keeps_the_rule(name, options, rule, grid):
    rule(prior_case(PRIORS.get(name), over_pixels(name, options), grid))


@pytest.mark.parametrize("rule", PRIOR_RULES, ids=str)
@pytest.mark.parametrize("name", RANKING)
def test_a_prior_that_ranks_patches_keeps_the_rule(name, rule):
    for grid in GRIDS[:1] if rule in COMPONENT_RULES else GRIDS:
        rule(prior_case(PRIORS.get(name), {}, grid))


def test_every_prior_is_held_to_the_contract():
    assert sorted(SCORING + RANKING) == list(PRIORS)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_orders_are_scored_in_the_sequence_in_which_they_are_given(name, options):
    grid = Grid(3, 5)
    assert list(build(name, options).score_per_image([photos(2, grid)], orders_of(grid))) == ["forward", "shuffled"]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_neither_brightness_nor_contrast_counts(name, options):
    grid = Grid(3, 5)
    # Halves and quarters, so that the change of contrast is exact.
    patches, prior = (photos(4, grid) * 4).round() / 4, build(name, options)
    scores = prior.score(patches, orders_of(grid))
    assert prior.score(2 * patches - 1, orders_of(grid)) == pytest.approx(scores)


@pytest.mark.parametrize("name", SCORING)
@pytest.mark.parametrize("tokens", ["unigram", "bigram"])
def test_least_is_the_opposite_of_most(name, tokens):
    grid = Grid(3, 5)
    most, least = (
        build(name, {"prefer": prefer, "tokens": tokens, "levels": 2}).score(photos(4, grid), orders_of(grid))
        for prefer in ("most", "least")
    )
    assert least == pytest.approx({key: -score for key, score in most.items()})
    assert 0 not in most.values()


@pytest.mark.parametrize("name", SCORING)
def test_an_order_with_like_beside_like_scores_higher(name):
    bright_then_dark = torch.tensor([1.0, -1.0]).repeat_interleave(32)[None, :, None].expand(3, -1, 4)
    patches = bright_then_dark + 0.1 * photos(3, Grid(8, 8), pixels=4)
    mixed = Order(torch.randperm(64, generator=torch.Generator().manual_seed(2)))
    scores = build(name, {"levels": 4}).score(patches, {"sorted": Order.identity(64), "mixed": mixed})
    assert scores["sorted"] > scores["mixed"] + 1


@pytest.mark.parametrize("name", SCORING)
def test_its_measure_is_a_share(name):
    assert PRIORS.get(name).measure == "% saved"
