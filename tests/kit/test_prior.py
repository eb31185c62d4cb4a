"""The rules of priors, each with a prior that breaks it."""

from __future__ import annotations

import itertools

import pytest
import torch

from reorder_kit.interfaces import Grid, Order, Prior, ScoringPrior
from reorder_kit.testing import PRIOR_RULES, check_prior, prior, prior_case
from wrong import assert_caught, own_rules

GRID = Grid(3, 5)


class Smooth(ScoringPrior):
    """How little consecutive patches differ."""

    name = "smooth"

    def score(self, patches, orders):
        steps = {name: order.apply(patches).diff(dim=1).abs().flatten(1) for name, order in orders.items()}
        return {name: -float(step.mean()) if step.shape[1] else 0.0 for name, step in steps.items()}


class Busy(Prior):
    """Patches that vary most last."""

    name = "busy"

    def start(self, context):
        patches = torch.cat(list(context.training.patches(context.grid, images=8)))
        return Order(patches.var(dim=0).mean(dim=1).argsort())


class ByName(Prior):
    """An ordering by its name."""

    name = "by-name"

    def start(self, context):
        return context.candidates["row"]


class AgainstRows(Smooth):
    """How much smoother an order is than reading row by row."""

    def score(self, patches, orders):
        scores = super().score(patches, orders)
        return {name: score - scores["row"] for name, score in scores.items()}


class Half(Busy):
    """Only the patches that vary most."""

    def start(self, context):
        order = super().start(context)
        return Order(order.indices[1:], num_patches=order.num_patches)


class TooFew(Busy):
    """One slot fewer than requested."""

    def start(self, context):
        order = super().start(context)
        return order if context.num_slots == order.num_slots else order.first(context.num_slots - 1)


class PerImage(Busy):
    """An order for each of two images."""

    def start(self, context):
        return Order(super().start(context).indices.expand(2, -1))


class Dice(Busy):
    """Any order."""

    def start(self, context):
        return Order(torch.randperm(context.grid.num_patches))


class Divides(Smooth):
    """It divides by the variance of an image."""

    def score(self, patches, orders):
        return {name: score / float(patches[-1].var()) for name, score in super().score(patches, orders).items()}


class Sum(Smooth):
    """The score is a sum, but that of an image is not."""

    def score_per_image(self, batches, orders):
        return {name: values + 1 for name, values in super().score_per_image(batches, orders).items()}


class OverTheBatch(Smooth):
    """Brightness is relative to the batch."""

    def score_per_image(self, batches, orders):
        centred = [patches / patches.std() for patches in batches]
        return super().score_per_image(centred, orders)


class ByPlace(Smooth):
    """The first candidate scores highest."""

    def score(self, patches, orders):
        return {name: -float(place) for place, name in enumerate(orders)}


class InPlace(Smooth):
    """It darkens the patches in place."""

    def score(self, patches, orders):
        found = super().score(patches, orders)
        patches.zero_()
        return found


class Moody(Smooth):
    """Different scores each time."""

    calls = itertools.count()

    def score(self, patches, orders):
        shift = next(self.calls)
        return {name: score + shift for name, score in super().score(patches, orders).items()}


class Silent(Smooth):
    """It does not say what it measures."""

    measure = ""


WRONG = [
    (prior.starts_from_one_order_of_every_patch, Half, "patches that it visits"),
    (prior.starts_from_one_order_of_every_patch, PerImage, "more than one order"),
    (prior.leaves_out_unread_patches_or_none, TooFew, "for 7 slots, it gives an order with 6"),
    (prior.starts_from_the_same_order_every_time, Dice, "random stream"),
    (prior.every_order_has_a_finite_score_for_every_image, Divides, "ZeroDivisionError"),
    (prior.the_score_is_the_mean_over_images, Sum, "not the mean"),
    (prior.scores_do_not_depend_on_batches, OverTheBatch, "two batches"),
    (prior.equal_orders_have_equal_scores, ByPlace, "another name"),
    (prior.scores_change_nothing_and_draw_nothing, InPlace, "patches were changed"),
    (prior.scores_change_nothing_and_draw_nothing, Moody, "the score of a second call"),
    (prior.says_what_it_measures, Silent, "measure is ''"),
]


@pytest.mark.parametrize(("rule", "wrong", "seen"), WRONG, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_wrong_prior_is_caught(rule, wrong, seen):
    assert_caught(rule, prior_case(wrong, None, GRID), seen)


@pytest.mark.parametrize("right", [Smooth, Busy, ByName, AgainstRows])
def test_every_rule_has_a_wrong_prior_and_right_ones_pass(right):
    assert {rule for rule, *_ in WRONG} == own_rules(PRIOR_RULES)
    check_prior(right)
