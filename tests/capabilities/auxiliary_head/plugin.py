"""An auxiliary head predicts the class from one patch; patches from which it cannot come early."""

import torch
from pydantic import Field
from torch import nn

from reorder_kit import hookimpl
from reorder_kit.interfaces import CLASS, ComponentOptions, Order, OrderLearner, Policy, Proposal, ReorderKitError


class Guesses(OrderLearner):
    """Predict the class of an image from each of its patches; informative patches move toward the end."""

    name = "guesses"
    uses_reward = False

    class Options(ComponentOptions):
        lr: float = Field(1.0, gt=0, description="step size of the heads and of the slots")
        memory: float = Field(0.9, ge=0, lt=1, description="share of the mean loss so far that a step keeps")

    def build_policy(self, context):
        if context.target_kind != CLASS:
            raise ReorderKitError(f"guesses needs targets of the kind class, not {context.target_kind}")
        return GuessingPolicy(self.options, context.start, context.dim, len(context.classes))


class GuessingPolicy(Policy):
    def __init__(self, options, start, dim, classes):
        super().__init__()
        self.options = options
        self.slots = nn.Parameter(start.rank.float())
        self.weight = nn.Parameter(torch.zeros(start.num_patches, dim, classes))
        self.register_buffer("mean_loss", torch.tensor(float("nan")))

    def propose(self, sequence, block=0):
        guesses = torch.einsum("bpd,pdc->bpc", sequence.patches.detach().float(), self.weight)
        return Proposal(self.best_order(), aux=guesses.float())  # autocast makes them bfloat16

    def loss(self, passes, batch=None):
        guesses, targets = passes[0].proposals[0].aux, batch.targets
        if targets.ndim == 1:  # mixed images have shares of classes already
            targets = nn.functional.one_hot(targets, guesses.shape[-1])
        of_patches = -(targets[:, None] * guesses.log_softmax(dim=-1)).sum(dim=-1).mean(dim=0)
        mean = of_patches.detach().mean()
        baseline = mean if self.mean_loss.isnan() else self.mean_loss.clone()
        self.mean_loss.copy_(baseline.lerp(mean, 1 - self.options.memory))
        return of_patches.sum() + (self.slots * (of_patches.detach() - baseline)).sum()

    def best_order(self, sequence=None, block=0):
        return Order.trusted(self.slots.detach().argsort(stable=True), len(self.slots))

    def reset_baselines(self):
        self.mean_loss.fill_(float("nan"))

    def build_optimizer(self):
        return torch.optim.SGD(self.parameters(), lr=self.options.lr)


@hookimpl
def register_order_learners():
    return [Guesses]
