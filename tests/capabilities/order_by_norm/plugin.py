"""An order for each image: patches by their norm."""

from typing import Literal

from pydantic import Field

from reorder_kit import hookimpl
from reorder_kit.interfaces import ComponentOptions, Order, OrderLearner, Policy, Proposal, ReorderKitError


class PatchNorm(OrderLearner):
    """Read every image by the norms of its patches' pixels. There is nothing to learn."""

    name = "patch-norm"
    uses_reward = False
    is_rule = True

    class Options(ComponentOptions):
        last: Literal["largest", "smallest"] = Field("largest", description="the patch in the last slot")

    def build_policy(self, context):
        return NormPolicy(self.options)


class NormPolicy(Policy):
    is_static = False
    needs = frozenset({"pixels"})

    def __init__(self, options):
        super().__init__()
        self.options = options

    def propose(self, sequence, block=0):
        return Proposal(self.best_order(sequence, block), block=block)

    def best_order(self, sequence=None, block=0):
        if sequence is None:
            raise ReorderKitError("patches are ordered by their norms in an image, and there is none")
        # Rounded, so that patches with the same pixels in other places keep their sequence.
        norms = sequence.pixels.norm(dim=-1).round(decimals=4)
        order = norms.argsort(dim=1, descending=self.options.last == "smallest", stable=True)
        return Order.trusted(order, sequence.num_slots)

    def build_optimizer(self):
        return None


@hookimpl
def register_order_learners():
    return [PatchNorm]
