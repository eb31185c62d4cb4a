"""Learners whose orders are rules: one for each image, one that leaves patches out, one before two blocks."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from reorder_kit import hookimpl
from reorder_kit.errors import ReorderKitError
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import (
    ComponentOptions,
    LearnerContext,
    Order,
    OrderLearner,
    PatchSequence,
    Policy,
    Proposal,
)

RECIPE: dict[str, Any] = {
    "format_version": 1,
    "name": "trial",
    "data": {"name": "digits", "batch_size": 600},
    "backbone": {"name": "local", "patch_size": 2, "window": 2, "dim": 8, "heads": 2, "readout": "last"},
    "order": {"start": "hilbert", "learner": {"name": "softsort", "warmup_epochs": 0}},
    "controls": [],
    "train": {"epochs": 2, "device": "cpu"},
}
"""Sixteen patches of digits, two epochs; the last five slots in use reach the readout."""


class Rule(Policy):
    """Orders that are the same from the first step to the last."""

    may_leave_out = True

    def propose(self, sequence: PatchSequence, block: int = 0) -> Proposal:
        return Proposal(self.best_order(sequence, block), block=block)

    def build_optimizer(self) -> None:
        return None


class ByNorm(OrderLearner):
    """The brightest patches last: an order for each image."""

    name = "by-norm"
    uses_reward = False
    is_rule = True

    class Options(ComponentOptions):
        keep: int | None = Field(None, ge=1, description="patches that are read, the brightest; all if null")

    options: Options

    def build_policy(self, context: LearnerContext) -> Policy:
        return NormPolicy(self.options.keep or context.grid.num_patches)


class NormPolicy(Rule):
    is_static = False
    needs = frozenset({"pixels"})

    def __init__(self, keep: int) -> None:
        super().__init__()
        self.keep = keep

    def best_order(self, sequence: PatchSequence | None = None, block: int = 0) -> Order:
        if sequence is None or sequence.pixels is None:
            raise ReorderKitError("the order depends on the image")
        return Order(by_norm(sequence.pixels)[:, -self.keep :], sequence.num_slots)


def by_norm(pixels: Tensor) -> Tensor:
    return pixels.norm(dim=2).argsort(dim=1, stable=True)


class KeepSome(OrderLearner):
    """The last patches of the start, the rest unread."""

    name = "keep-some"
    uses_reward = False
    is_rule = True
    takes_partial_start = True

    class Options(ComponentOptions):
        keep: int = Field(8, ge=1, description="patches that are read")

    options: Options

    def build_policy(self, context: LearnerContext) -> Policy:
        return Fixed(Order(context.start.indices[-self.options.keep :], context.grid.num_patches))


class Fixed(Rule):
    def __init__(self, order: Order) -> None:
        super().__init__()
        self.order = order

    def best_order(self, sequence: PatchSequence | None = None, block: int = 0) -> Order:
        return self.order


class Again(OrderLearner):
    """The start, and before block 1 the slots in reverse, of which the first may be dropped."""

    name = "again"
    uses_reward = False
    is_rule = True

    class Options(ComponentOptions):
        keep: int | None = Field(None, ge=1, description="slots that are read again; all if null")

    options: Options

    def build_policy(self, context: LearnerContext) -> Policy:
        return Backwards(context.start, self.options.keep or context.start.num_slots)


class Backwards(Rule):
    blocks = (0, 1)

    def __init__(self, start: Order, keep: int) -> None:
        super().__init__()
        self.start = start
        self.again = Order(torch.arange(start.num_slots).flip(0)[:keep], start.num_slots)

    def best_order(self, sequence: PatchSequence | None = None, block: int = 0) -> Order:
        return self.again if block else self.start


class OrderPlugins:
    """Registers them."""

    @hookimpl
    def register_order_learners(self) -> list[type[OrderLearner]]:
        return [ByNorm, KeepSome, Again]


def host_of_order_plugins(*more: object) -> PluginHost:
    """The built-in plugins, including those that draw, these, and more."""
    host = PluginHost(third_party=False, blocked=["events.tensorboard"])
    for number, plugin in enumerate((OrderPlugins(), *more)):
        assert host.add(plugin, f"orders-{number}").status == "ok"
    return host


def recipe_with(learner: str | None, **changes: Any) -> dict[str, Any]:
    """The recipe with a learner, its options, and other sections."""
    sections = {name: value for name, value in changes.items() if name in RECIPE}
    options = {name: value for name, value in changes.items() if name not in RECIPE}
    named = None if learner is None else {"name": learner, **options}
    return {**RECIPE, "order": {"start": "hilbert", "learner": named}, **sections}
