"""Influence for priors: only from training images, and reproducible."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.interfaces import Order, Sample, TaskContext, Unreadable
from reorder_kit.testing import host_with
from reorder_kit.training.devices import build_accelerator
from reorder_kit.training.short_training import influence_of_short_training

RECIPE = {
    "format_version": 1,
    "name": "trial",
    "data": {"name": "digits", "batch_size": 50},
    "backbone": {"name": "local", "patch_size": 2, "window": 2, "dim": 8, "heads": 2, "readout": "last"},
    "train": {"device": "cpu"},
}
ORDERS = [Order.identity(16), Order(list(range(16))[::-1])]


class Forbidden:
    """Images that a prior must not read."""

    def __len__(self):
        raise AssertionError("influence looks at images that are not for training")

    __getitem__ = __len__


class Broken:
    """Images that cannot be read."""

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return Unreadable(str(index), "broken")


def influence_with(**changes):
    """The influence function of a prior, on digits with other splits."""
    experiment = compose(RECIPE, host_with(), "trial")
    splits = replace(experiment.open_data(), **changes)
    facts = experiment.facts(splits.image)
    context = TaskContext(facts, splits.image, experiment.kind, splits.classes, {}, torch.device("cpu"))
    return influence_of_short_training(experiment, splits, context, build_accelerator(experiment.recipe.train))


class Infinite(Broken):
    def __getitem__(self, index):
        return Sample(torch.full((1, 8, 8), torch.inf), index % 10)


def test_influence_that_is_no_number_is_refused():
    with pytest.raises(ReorderKitError, match="NaN or infinite after 0 steps"):
        influence_with(train=Infinite())(ORDERS, 1, 0)


@pytest.mark.parametrize("steps", [0, 3])
def test_it_looks_at_training_images_alone(steps):
    influence = influence_with(validation=Forbidden(), test=Forbidden())
    shares = influence(ORDERS, 2, steps)
    assert float(shares.sum()) == pytest.approx(1, abs=1e-5)
    assert shares.nonzero().flatten().tolist() == [11, 12, 13, 14, 15]
    assert torch.equal(influence(ORDERS, 2, steps), shares)


def test_it_is_the_mean_over_models_which_read_in_the_orders_in_turn():
    influence = influence_with()
    alone, both, same_order = influence(ORDERS, 1, 0), influence(ORDERS, 2, 0), influence(ORDERS[:1], 2, 0)
    assert torch.equal(alone, influence(ORDERS[:1], 1, 0))
    second = 2 * both - alone
    assert float(second.sum()) == pytest.approx(1, abs=1e-5)
    assert second.min() >= -1e-6
    # The second model reads in the second order, if there is one.
    assert not torch.allclose(both, same_order, atol=1e-5)


def test_images_that_cannot_be_read_are_told_of():
    with pytest.raises(ReorderKitError, match="influence is measured on training images, but none could be read"):
        influence_with(train=Broken())(ORDERS, 1, 0)
