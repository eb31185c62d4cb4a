"""Components that fit some recipes but not others, for tests that compose recipes."""

from __future__ import annotations

import pytest
import torch
from pydantic import Field, model_validator

from reorder_kit.errors import RecipeError
from reorder_kit.experiment.compose import compose
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import (
    CLASS,
    MASK,
    ComponentOptions,
    DataSource,
    DataSplits,
    ImageShape,
    Ordering,
    OrderingOptions,
    OrderLearner,
    Sample,
    ScoringPrior,
    SupervisedTask,
    Unreadable,
    require_no_leaks,
)
from reorder_kit.model.fixed_policies import FixedOrder
from reorder_kit.testing import host_with


class Masks(DataSource):
    """Images with masks."""

    name = "masks"
    target_kinds = (MASK,)

    def open(self, seed):
        raise AssertionError("a recipe is refused before data are opened")


class NextPatch(SupervisedTask):
    """Predict each patch from those before it."""

    name = "next-patch"
    target_kinds = (CLASS,)
    headline = "bits"

    def check(self, facts, policy):
        require_no_leaks(policy, "it would see the patches it predicts")

    def build_head(self, context):
        raise AssertionError("a recipe is refused before a head is built")

    def loss_per_image(self, outputs, targets):
        raise AssertionError("a recipe is refused before anything is trained")

    def build_metrics(self, context):
        raise AssertionError("a recipe is refused before anything is measured")


class Mixing(OrderLearner):
    """Mixes patches unless told not to."""

    name = "mixing"
    uses_reward = False

    class Options(ComponentOptions):
        hard: bool = Field(False, description="do not mix")

    def build_policy(self, context):
        policy = FixedOrder(context.start)
        policy.mixes = not self.options.hard
        return policy


class BrightLast(ScoringPrior):
    """The mean pixel of the last patch."""

    name = "bright-last"

    class Options(ComponentOptions):
        sign: int = Field(1, description="1: bright, -1: dark")

    def score(self, patches, orders):
        type(self).seen = patches
        return {name: self.options.sign * float(order.apply(patches)[:, -1].mean()) for name, order in orders.items()}


class Shift(Ordering):
    """Row-major, starting at a required patch."""

    name = "shift"

    class Options(OrderingOptions):
        by: int = Field(description="patches")

    def cells(self, height, width):
        raise AssertionError("a prior cannot choose what needs options")


class Either(Ordering):
    """A rule whose options are valid only in combination."""

    name = "either"

    class Options(OrderingOptions):
        a: int | None = Field(None, description="one")
        b: int | None = Field(None, description="the other")

        @model_validator(mode="after")
        def _one(self):
            if self.a is None and self.b is None:
                raise ValueError("give a or b")
            return self

    def cells(self, height, width):
        raise AssertionError("a prior cannot choose what needs options")


class FourPatches:
    """2x2 images, black except for one corner; every third file cannot be read."""

    def __init__(self, bright_corner):
        self.bright_corner = bright_corner

    def __len__(self):
        return 300

    def __getitem__(self, index):
        if index % 3 == 0:
            return Unreadable("broken.png", "truncated")
        image = torch.zeros(1, 4, 4)
        row, column = divmod(self.bright_corner, 2)
        image[0, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = 1.0
        return Sample(image, 0)


def splits(bright_corner):
    samples = FourPatches(bright_corner)
    return DataSplits(ImageShape(1, 4, 4), ["a"], samples, samples, samples)


def host_of_cases() -> PluginHost:
    """The built-in plugins and these components."""
    return host_with(Masks, NextPatch, Mixing, BrightLast, Shift, Either)


def recipe(**sections):
    backbone = {"name": "local", "patch_size": 2}
    return {"format_version": 1, "name": "trial", "data": "digits", "backbone": backbone, **sections}


def problems(host, **sections):
    with pytest.raises(RecipeError) as caught:
        compose(recipe(**sections), host, "trial")
    return list(map(str, caught.value.problems))
