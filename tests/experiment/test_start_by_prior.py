"""Starts from priors: their inputs, and refusal of anything but orders of all patches."""

from __future__ import annotations

import pytest
import torch

from reorder_kit.data.training_split import TrainingSplit
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.start_by_prior import StartByPrior, no_influence
from reorder_kit.interfaces import CLASS, DataSplits, ImageShape, Part, Prior, PriorContext, Sample, ScoringPrior
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.runs.result import ChosenByPrior
from reorder_kit.testing import host_with

GRID = Grid(2, 2)
WEIGHTS = [1.0, 3.0, 0.0, 2.0]


class Weighted:
    """Two classes; up to noise, pixels are the weight of their patch in the second class and 0 in the first."""

    def __len__(self):
        return 60

    def __getitem__(self, index):
        weights = torch.tensor(WEIGHTS).view(1, 2, 2).repeat_interleave(2, 1).repeat_interleave(2, 2)
        return Sample(index % 2 * weights + 0.01 * torch.rand(1, 4, 4), index % 2)


SAMPLES = Weighted()
SPLITS = DataSplits(ImageShape(1, 4, 4), ["without", "with"], SAMPLES, SAMPLES, SAMPLES)


class Telling(Prior):
    """Patches by what they say about the class, in slots by their influence."""

    name = "telling"

    def start(self, context):
        assert sorted(set(context.training.targets())) == [0, 1]
        batches = list(context.training.batches(50))
        images = torch.cat([batch.images for batch in batches])
        targets = torch.cat([batch.targets for batch in batches])
        patches = torch.nn.functional.avg_pool2d(images, 2).flatten(1)
        told = (patches[targets == 1].mean(dim=0) - patches[targets == 0].mean(dim=0)).abs()
        influence = context.influence(list(context.candidates.values()), 3, 20)
        walk = torch.empty(context.grid.num_patches, dtype=torch.long)
        walk[influence.argsort(descending=True)] = told.argsort(descending=True)
        return Order(walk)


class Fixed(ScoringPrior):
    """Scores that are given."""

    name = "fixed"
    scores = {}

    def score(self, patches, orders):
        return {name: self.scores.get(name, -1.0) for name in orders}


@pytest.fixture
def host():
    return host_with(Telling, Fixed)


def experiment(host, prior):
    content = {
        "format_version": 1,
        "name": "trial",
        "data": "digits",
        "backbone": {"name": "local", "patch_size": 2},
        "order": {"start": {"prior": prior}},
    }
    return compose(content, host, "trial")


def test_a_prior_may_use_targets_and_the_influence_of_slots(host):
    asked = []

    def influence(orders, models, steps):
        asked.append((len(orders), models, steps))
        return torch.tensor([0.1, 0.4, 0.2, 0.3])

    composed = experiment(host, "telling")
    start = composed.starting_order(GRID, SPLITS, influence)
    # Slots by influence are 1 3 2 0, patches by information 1 3 0 2.
    assert start == Order([2, 1, 0, 3])
    assert asked == [(len(composed.start.candidates), 3, 20)]
    assert composed.prior_of(start, GRID) == ChosenByPrior(name="telling", chosen=None)


def test_where_no_model_is_trained_the_influence_of_slots_is_not_known(host):
    with pytest.raises(ReorderKitError, match="the influence of slots is unknown here"):
        experiment(host, "telling").starting_order(GRID, SPLITS, no_influence)


def test_a_scoring_prior_starts_from_the_candidate_with_the_highest_score(host, monkeypatch):
    composed = experiment(host, "fixed")
    orders = composed.start.orders(GRID)
    monkeypatch.setattr(Fixed, "scores", {"spiral": 2.0, "row": 1.0})
    start = composed.starting_order(GRID, SPLITS, no_influence)
    assert start == orders["spiral"]
    assert composed.prior_of(start, GRID).name == "fixed"
    assert orders[composed.prior_of(start, GRID).chosen] == start


def context(candidates, slots=4):
    return PriorContext(GRID, SPLITS.image, 0, candidates, TrainingSplit(SPLITS, 0, CLASS), no_influence, slots)


def test_of_equal_scores_the_first_by_name_counts():
    candidates = {"b": Order([1, 0, 2, 3]), "a": Order([0, 2, 1, 3]), "c": Order([3, 2, 1, 0])}
    assert Fixed(None, SPLITS.image, GRID).start(context(candidates)) == candidates["a"]


def test_no_prior_is_asked_for_a_random_order(host):
    content = experiment(host, "telling").resolved()
    content["order"]["control"] = "random-fixed"
    composed = compose(content, host, "control")
    start = composed.starting_order(GRID, SPLITS, no_influence)
    assert composed.prior_of(start, GRID) is None


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (Order([2, 0], num_patches=4), "an order with 2 slots for 4 patches"),
        (Order([0, 1, 2, 3, 4, 5]), "an order with 6 slots for 6 patches"),
        (Order(torch.tensor([[0, 1, 2, 3], [3, 2, 1, 0]])), "2 orders"),
        (None, "'NoneType'"),
        ([0, 1, 2, 3], "'list'"),
    ],
)
def test_what_is_no_order_of_all_patches_is_refused(given, reason):
    class Wrong(Prior):
        name = "wrong"

        def start(self, context):
            return given

    start = StartByPrior(Part.of(Wrong), {})
    with pytest.raises(ReorderKitError, match=f"prior 'wrong': gave {reason} instead of one order of all 4 patches"):
        start.start(context({}))
