"""A curriculum of orderings: from the start through others, patch by patch."""

import torch
from pydantic import Field

from reorder_kit import hookimpl
from reorder_kit.interfaces import ComponentOptions, Order, Ordering, OrderLearner, Part, Policy, Proposal


class Through(OrderLearner):
    """Move from the start through orderings to the last one, interpolating the slots of patches between two of them."""

    name = "through"
    uses_reward = False
    is_rule = True

    class Options(ComponentOptions):
        orderings: list[Part[Ordering]] = Field(min_length=1, description="where to go, one after the other")

    def build_policy(self, context):
        stations = [context.start, *(part.build().order(context.grid) for part in self.options.orderings)]
        return ThroughPolicy(stations)


class ThroughPolicy(Policy):
    def __init__(self, stations):
        super().__init__()
        self.register_buffer("slots", torch.stack([order.rank for order in stations]).double())

    def propose(self, sequence, block=0):
        return Proposal(self.best_order(sequence, block), block=block)

    def best_order(self, sequence=None, block=0):
        way = self.search_done * (len(self.slots) - 1)
        station = min(int(way), len(self.slots) - 2)
        slots = self.slots[station].lerp(self.slots[station + 1], way - station)
        return Order.trusted(slots.argsort(stable=True), len(slots))

    def build_optimizer(self):
        return None


@hookimpl
def register_order_learners():
    return [Through]
