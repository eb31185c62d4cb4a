"""REINFORCE over a Plackett-Luce distribution of orders."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces.order_learner import LearnerContext, OrderLearner
from reorder_kit.ops.plackett_luce import PlackettLuce
from reorder_kit.ops.scores import order_of_scores, scores_of_order
from reorder_kit.order_learners._phases import PhasedPolicy, PhaseOptions
from reorder_kit.order_learners._temperature import TemperatureSchedule
from reorder_kit.patch_order import Order
from reorder_kit.progress import Progress
from reorder_kit.proposal import Proposal
from reorder_kit.sequence import PatchSequence


class Reinforce(OrderLearner):
    """Draw orders from a Plackett-Luce distribution and make those more probable whose images were rewarded.

    A batch is split into groups with an order each: several samples at the price of one pass. Sample and
    log-probability come from one distribution at one temperature. Where ``search_epochs`` is not given, 30 % of the run
    are searched.

    Source: Williams, "Simple Statistical Gradient-Following Algorithms", Machine Learning 1992; for patch orders,
    REOrder, https://arxiv.org/abs/2505.23751 (their z is our ``logits``, their G our temperature); leave-one-out
    baseline, Kool et al., "Buy 4 REINFORCE Samples, Get a Baseline for Free!", 2019.
    """

    name = "reinforce"
    uses_reward = True

    class Options(PhaseOptions):
        temperature: TemperatureSchedule = Field(
            TemperatureSchedule(),
            description="of the distribution; logits start one unit apart from first to last slot",
        )
        granularity: Literal["group", "image"] = Field(
            "group", description="one order for each group of images, or one for each image"
        )
        groups: int = Field(8, ge=1, description="orders drawn for a batch, when the granularity is group")
        baseline: Literal["leave-one-out", "ema", "none"] = Field(
            "leave-one-out",
            description="what a reward is compared with: the other samples of the batch, a running mean, or nothing "
            "(unbiased, but Adam then drifts even on pure noise)",
        )
        ema_decay: float = Field(0.99, ge=0, lt=1, description="share of the old running mean that a step keeps")
        entropy_bonus: float = Field(0.0, ge=0, description="reward for each nat of entropy of the distribution")
        optimizer: Literal["adam", "sgd"] = Field("adam", description="optimiser of the logits")
        lr: float = Field(0.01, gt=0, description="its step size")
        compat: Literal["none", "released"] = Field(
            "none",
            description="released: log-probability at temperature 1 whatever the samples' temperature, "
            "as in the published code; the gradient is then biased",
        )

        def unused(self) -> dict[str, str]:
            """Options of the parts that were not chosen."""
            found = {}
            if self.granularity == "image":
                found["groups"] = "with granularity image, every image has an order of its own"
            if self.baseline != "ema":
                found["ema_decay"] = f"the baseline is {self.baseline}, and has no running mean"
            return found

        @model_validator(mode="after")
        def _check(self) -> Reinforce.Options:
            if self.baseline == "leave-one-out" and self.granularity == "group" and self.groups < 2:
                raise ValueError("a leave-one-out baseline needs at least 2 groups; or set baseline: ema")
            if self.temperature.is_zero:
                raise ValueError("at a temperature of 0 throughout, no order is drawn; set peak, or initial and final")
            return self

    options: Options

    def build_policy(self, context: LearnerContext) -> ReinforcePolicy:
        """The policy; its logits fall from 0 to -1 along the starting order."""
        return ReinforcePolicy(self.options, context.start)


class ReinforcePolicy(PhasedPolicy):
    """Logits of a Plackett-Luce distribution, and the running mean of the reward."""

    SEARCH_SHARE = 0.3

    reward_mean: Float[Tensor, ""]

    def __init__(self, options: Reinforce.Options, start: Order) -> None:
        super().__init__(options)
        self.options = options
        self.logits = nn.Parameter(scores_of_order(start.indices, first=0.0, last=-1.0))
        self.register_buffer("reward_mean", torch.tensor(float("nan")))
        self.temperature = 0.0
        self.entropy = 0.0
        self.generator = torch.Generator()

    def advance(self, progress: Progress) -> None:
        """Phase, temperature and random stream of this step."""
        super().advance(progress)
        self.temperature = self.options.temperature.at(self.search_done) if self.phase == "search" else 0.0
        self.entropy = 0.0
        self.generator.manual_seed(progress.stream)

    def propose(self, sequence: PatchSequence | None) -> Proposal:
        """Sampled orders while searching; the best order before and after, and where the temperature is 0."""
        if self.temperature == 0:
            return Proposal(self.best_order())
        batch = 1 if sequence is None else sequence.batch
        samples = batch if self.options.granularity == "image" else min(batch, self.options.groups)
        indices = PlackettLuce(self.logits, self.temperature).sample(samples, self.generator)
        groups = torch.arange(batch, device=indices.device) % samples
        order = Order.trusted(indices, len(self.logits), groups)
        density_temperature = 1.0 if self.options.compat == "released" else self.temperature
        return Proposal(order, log_prob=PlackettLuce(self.logits, density_temperature).log_prob(indices))

    def loss(self, proposal: Proposal, reward: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
        """Minus the log-probability of each sample, weighted by its advantage."""
        log_prob, groups = proposal.log_prob, proposal.order.groups
        if log_prob is None or groups is None:
            return reward.new_zeros(())
        self.entropy = -float(log_prob.detach().mean())
        # Relative to one of the rewards, so that equal rewards give advantages of exactly zero, without rounding.
        anchor = reward[0].float()
        sizes = torch.bincount(groups, minlength=len(log_prob))
        relative = torch.zeros_like(log_prob).index_add(0, groups, reward.float() - anchor) / sizes
        relative = relative - self.options.entropy_bonus * log_prob.detach()
        return -(self._advantage(relative, anchor) * log_prob).mean()

    def _advantage(self, relative: Float[Tensor, " sample"], anchor: Float[Tensor, ""]) -> Float[Tensor, " sample"]:
        match self.options.baseline:
            case "leave-one-out":
                others = max(1, len(relative) - 1)
                return (len(relative) * relative - relative.sum()) / others
            case "ema":
                mean = (anchor + relative.mean()).to(self.reward_mean.dtype)
                # Starts at the first mean: from zero, a reward that ignores the order would still move the policy.
                baseline = torch.where(self.reward_mean.isnan(), mean, self.reward_mean)
                self.reward_mean.copy_(baseline.lerp(mean, 1 - self.options.ema_decay))
                return anchor - baseline + relative
            case "none":
                return anchor + relative

    def best_order(self, sequence: PatchSequence | None = None) -> Order:
        """The mode of the distribution."""
        return Order.trusted(order_of_scores(self.logits), len(self.logits))

    def build_optimizer(self) -> torch.optim.Optimizer:
        """Adam or plain gradient descent."""
        if self.options.optimizer == "sgd":
            return torch.optim.SGD(self.parameters(), lr=self.options.lr)
        return torch.optim.Adam(self.parameters(), lr=self.options.lr)

    def metrics(self) -> dict[str, float]:
        """Temperature, and an estimate of the distribution's entropy (nats) from the last samples."""
        return {"temperature": self.temperature, "entropy": self.entropy}


@hookimpl
def register_order_learners() -> list[type[OrderLearner]]:
    """Register the learner."""
    return [Reinforce]
