"""Orders before block 0, and reorders the output of block 0 before block 1."""

import torch
from pydantic import Field

from reorder_kit import hookimpl
from reorder_kit.interfaces import ComponentOptions, Order, OrderLearner, Policy, Proposal


class TwoSwaps(OrderLearner):
    """Swap two patches before block 0 and two slots before block 1; keep both where the reward rises."""

    name = "two-swaps"
    uses_reward = True

    class Options(ComponentOptions):
        memory: float = Field(0.5, ge=0, lt=1, description="share of the mean reward so far that a step keeps")

    def build_policy(self, context):
        return TwoSwapsPolicy(self.options, context.start)


class TwoSwapsPolicy(Policy):
    blocks = (0, 1)

    def __init__(self, options, start):
        super().__init__()
        self.options, self.num_patches = options, start.num_patches
        self.register_buffer("of_patches", start.indices.clone())
        self.register_buffer("of_slots", torch.arange(start.num_slots))
        self.register_buffer("mean_reward", torch.tensor(float("nan")))
        self.generator = torch.Generator()

    def advance(self, progress):
        super().advance(progress)
        self.generator.manual_seed(progress.stream)

    def propose(self, sequence, block=0):
        best = self.best_order(sequence, block)
        swapped = best.indices.clone()
        places = torch.randperm(len(swapped), generator=self.generator)[:2]
        swapped[places] = best.indices[places.flip(0)]
        return Proposal(Order.trusted(swapped, best.num_patches), block=block)

    def best_order(self, sequence=None, block=0):
        if block == 0:
            return Order.trusted(self.of_patches, self.num_patches)
        return Order.trusted(self.of_slots, len(self.of_slots))

    def loss(self, passes, batch=None):
        patches, slots = passes[0].proposals
        reward = passes[0].reward.mean()
        if self.mean_reward.isnan():
            self.mean_reward.copy_(reward)
        elif reward > self.mean_reward:
            self.of_patches.copy_(patches.order.indices)
            self.of_slots.copy_(slots.order.indices)
        self.mean_reward.lerp_(reward, 1 - self.options.memory)
        return reward.new_zeros(())

    def reset_baselines(self):
        self.mean_reward.fill_(float("nan"))

    def build_optimizer(self):
        return None


@hookimpl
def register_order_learners():
    return [TwoSwaps]
