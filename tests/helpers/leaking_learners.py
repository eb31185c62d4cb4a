"""Learners whose orders leak hidden patches to a task, and data whose shape is known only once opened."""

from __future__ import annotations

import torch

from reorder_kit import hookimpl
from reorder_kit.data_sources.digits import Digits
from reorder_kit.interfaces import CLASS, ComponentOptions, DataSource, Order, OrderLearner, Policy, Proposal


class Rule(Policy):
    def propose(self, sequence, block=0):
        return Proposal(self.best_order(sequence, block), block=block)

    def build_optimizer(self):
        return None


class ByBrightness(Rule):
    is_static = False

    def best_order(self, sequence=None, block=0):
        return Order.trusted(sequence.patches.detach().sum(dim=2).argsort(dim=1), sequence.num_slots)


class Again(Rule):
    blocks = (0, 1)

    def best_order(self, sequence=None, block=0):
        return Order(torch.arange(16))


class OrdersByImage(OrderLearner):
    name = "orders-by-image"
    uses_reward = False
    is_rule = True
    Options = ComponentOptions

    def build_policy(self, context):
        return ByBrightness()


class OrdersAgain(OrderLearner):
    name = "orders-again"
    uses_reward = False
    is_rule = True
    Options = ComponentOptions

    def build_policy(self, context):
        return Again()


class UnshapedDigits(DataSource):
    """Digits whose shape is unknown before they are opened."""

    name = "unshaped-digits"
    target_kinds = (CLASS,)
    Options = ComponentOptions

    def open(self, seed):
        return Digits().open(seed)


class Plugin:
    @hookimpl
    def register_order_learners(self):
        return [OrdersByImage, OrdersAgain]

    @hookimpl
    def register_data_sources(self):
        return [UnshapedDigits]


LEAKS = {
    "soft": ({"name": "softsort", "straight_through": False, "warmup_epochs": 0}, "mixes patches"),
    "dynamic": ({"name": "orders-by-image"}, "the order depends on the image"),
    "later": ({"name": "orders-again"}, "orders again before block 1"),
}
"""Learners by how they leak, and words of the message."""
