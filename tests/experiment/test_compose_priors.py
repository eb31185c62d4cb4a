"""Recipes with a start chosen by a prior."""

from __future__ import annotations

import pytest

from compose_cases import BrightLast, host_of_cases, problems, recipe, splits
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.start_by_prior import no_influence
from reorder_kit.interfaces import (
    ImageShape,
    Ordering,
)
from reorder_kit.orders.grid import Grid


@pytest.fixture
def host():
    return host_of_cases()


# On a 2x2 grid, row (0 1 2 3) ends in the corner 3, and spiral (0 1 3 2) in the corner 2.
@pytest.mark.parametrize("corner", [2, 3])
def test_a_prior_gets_the_patches_of_readable_training_images_and_chooses(host, corner):
    experiment = compose(recipe(order={"start": {"prior": "bright-last"}}), host, "trial")
    start = experiment.starting_order(Grid(2, 2), splits(corner), no_influence)
    seen = BrightLast.seen

    # 256 samples are used, of which about a third cannot be read.
    assert 150 < len(seen) < 190
    assert seen.shape[1:] == (4, 4)
    assert seen.mean(dim=(0, 2)).tolist() == [float(patch == corner) for patch in range(4)]
    assert start.indices[-1] == corner


def test_a_prior_obeys_its_options(host):
    start = {"prior": {"name": "bright-last", "sign": -1}}
    order = compose(recipe(order={"start": start}), host, "trial").starting_order(Grid(2, 2), splits(3), no_influence)
    assert order.indices[-1] != 3


def test_a_prior_chooses_only_among_orderings_that_need_no_options(host):
    candidates = compose(recipe(order={"start": {"prior": "bright-last"}}), host, "trial").start.candidates
    assert {"row", "column", "hilbert", "random"} <= set(candidates)
    assert not {"custom", "raced", "shift", "either"} & set(candidates)


def test_an_ordering_that_cannot_be_built_is_no_candidate_and_stops_nothing(host):
    class Broken(Ordering):
        name = "broken"

        def __init__(self, options=None):
            raise FileNotFoundError("its table is missing")

        def cells(self, height, width):
            raise AssertionError

    host.orderings.add(Broken, "a test")
    compose(recipe(), host, "trial")
    assert "broken" not in compose(recipe(order={"start": {"prior": "bright-last"}}), host, "trial").start.candidates


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ({"name": "lzma", "tokenizer": "pixel"}, "order.start.prior.tokenizer.name: there is no tokenizer 'pixel'"),
        ({"name": "lzma", "levels": 4}, "order.start.prior.levels: there is no such field"),
        ({"name": "zstd", "tokenizer": "vq-vae"}, "order.start.prior.tokenizer.file: is missing"),
        (
            {"name": "lzma", "tokenizer": {"name": "pixels", "level": 4}},
            "order.start.prior.tokenizer.level: there is no such field (did you mean 'levels'?)",
        ),
        (
            {"name": "bright-last", "tokenizer": "pixels"},
            "order.start.prior.tokenizer: there is no such field",
        ),
        ({"name": "lzma", "tokenizer": 3}, "order.start.prior.tokenizer: must be a mapping of fields, not 3"),
    ],
)
def test_what_is_wrong_with_a_tokenizer_is_told(host, prior, message):
    (problem,) = problems(host, order={"start": {"prior": prior}})
    assert problem.startswith(message)


def test_a_prior_of_tokens_gets_its_tokenizer_with_its_options_or_pixels(host):
    shape, grid = ImageShape(1, 4, 4), Grid(2, 2)
    chosen = compose(
        recipe(order={"start": {"prior": {"name": "lzma", "tokenizer": {"name": "pixels", "levels": 4}}}}),
        host,
        "trial",
    )
    usual = compose(recipe(order={"start": {"prior": "lzma"}}), host, "trial")
    assert [each.start.build(shape, grid).tokenizer.vocabulary for each in (chosen, usual)] == [4, 16]
    assert chosen.resolved()["order"]["start"]["prior"]["tokenizer"] == {"name": "pixels", "levels": 4}
