"""REINFORCE over a distribution of orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces.batch import Batch
from reorder_kit.interfaces.numbers import Amount, Fraction, Positive, Tries, Whole
from reorder_kit.interfaces.order_learner import LearnerContext, OrderLearner, Policy
from reorder_kit.interfaces.passes import Pass
from reorder_kit.interfaces.progress import Progress
from reorder_kit.ops.plackett_luce import PlackettLuce
from reorder_kit.order_learners._natural_gradient import natural_gradient
from reorder_kit.order_learners._order_distributions import (
    DistributionName,
    OrderDistribution,
    distribution_of,
    starting_logits,
)
from reorder_kit.order_learners._phases import ExploreOptions, PhasedLearner
from reorder_kit.order_learners._relax import PositionSurrogate, relax_gradients
from reorder_kit.order_learners._reuse import SampleMemory
from reorder_kit.order_learners._samples import Samples, samples_by_pass
from reorder_kit.order_learners._swaps import with_swaps
from reorder_kit.order_learners._temperature import TemperatureSchedule
from reorder_kit.orders.order import Order
from reorder_kit.orders.proposal import Proposal
from reorder_kit.orders.sequence import PatchSequence


class Reinforce(PhasedLearner):
    """Draw orders from a distribution and make those with high rewards more probable.

    A batch is split into groups with one order each: several samples for the cost of one pass. ``repeats`` reads it
    several times instead, for tasks that compare its images with each other. Samples and log-probabilities come from
    one distribution at one temperature; rewards are compared only within the same pass of a task. Without
    ``search_epochs``, the search takes 30% of the run. With successors, keep the temperature constant: at a low one,
    they hardly leave the start.

    Source: Williams, "Simple Statistical Gradient-Following Algorithms", Machine Learning 1992; for patch orders,
    REOrder, https://arxiv.org/abs/2505.23751 (their z is our ``logits``, their G our temperature); leave-one-out
    baseline, Kool et al., "Buy 4 REINFORCE Samples, Get a Baseline for Free!", 2019. The other options and their
    sources are documented where they are computed: in ``ops/plackett_luce.py``, ``ops/successors.py`` and the files of
    this folder that start with an underscore.
    """

    name = "reinforce"
    uses_reward = True
    SEARCH_SHARE = 0.3

    class Options(ExploreOptions):
        distribution: DistributionName = Field(
            "plackett-luce",
            description="what is learned: a score of each patch for coming early, or which patch follows which",
        )
        temperature: TemperatureSchedule = Field(
            TemperatureSchedule(),
            description="of the distribution; logits of plackett-luce start one unit apart from first to last slot, "
            "those of successors at 0.2 for the patch that follows and at 0 for the others",
        )
        granularity: Literal["group", "image"] = Field(
            "group", description="one order for each group of images, or one for each image"
        )
        groups: Tries = Field(8, description="orders drawn for a batch, when the granularity is group")
        repeats: Tries = Field(
            1, description="times that a step of the search runs on one batch, each time with new draws"
        )
        proposals: Literal["samples", "swaps"] = Field(
            "samples",
            description="independent orders; or one order and copies with two patches exchanged, whose "
            "probabilities are compared only with each other",
        )
        baseline: Literal["leave-one-out", "ema", "none"] = Field(
            "leave-one-out",
            description="what a reward is compared with: the other samples of the batch, a running mean, or nothing "
            "(unbiased, but Adam then drifts even on pure noise)",
        )
        ema_decay: Fraction = Field(0.99, description="share of the old running mean that a step keeps")
        normalize_advantage: bool = Field(
            False, description="divide advantages by their root mean square, so that their scale does not matter"
        )
        control_variate: Literal["none", "relax"] = Field(
            "none", description="relax: a learned estimate of the advantage reduces the variance of the gradient"
        )
        reuse: Whole = Field(
            0, ge=0, le=10_000, description="batches whose samples are used again, weighted by importance"
        )
        ratio_limit: Positive = Field(2.0, ge=1, description="largest weight of a sample that is used again")
        entropy_bonus: Amount = Field(0.0, description="reward for each nat of entropy of the distribution")
        optimizer: Literal["adam", "sgd", "natural"] = Field(
            "adam", description="optimizer of the logits; natural: steps along the natural gradient"
        )
        lr: Positive = Field(0.01, description="its step size")
        max_kl: Positive = Field(
            0.01, description="how far a step of the natural gradient may move the distribution, nats"
        )
        damping: Positive = Field(
            0.1, description="added to the diagonal of the Fisher matrix, whose entries are at most about 1"
        )
        compat: Literal["none", "released"] = Field(
            "none",
            description="released: log-probability at temperature 1 whatever the samples' temperature, "
            "as in the published code; the gradient is then biased",
        )

        def unused(self) -> dict[str, str]:
            """Options of parts that are not in use."""
            found = super().unused()
            if self.granularity == "image":
                found["groups"] = "with granularity image, every image has its own order"
            if self.baseline != "ema":
                found["ema_decay"] = f"the baseline is {self.baseline}, and has no running mean"
            if self.proposals == "swaps":
                found |= dict.fromkeys(("baseline", "ema_decay"), "swaps are compared only with each other")
            if not self.reuse:
                found["ratio_limit"] = "no sample is used again"
            if self.optimizer != "natural":
                found |= dict.fromkeys(("max_kl", "damping"), f"the optimizer is {self.optimizer}")
            return found

        @model_validator(mode="after")
        def _check(self) -> Reinforce.Options:
            if self.granularity == "group" and self.groups < 2:
                if self.proposals == "swaps":
                    raise ValueError("swaps need at least 2 groups")
                if self.baseline == "leave-one-out" and self.repeats < 2:
                    raise ValueError(
                        "a leave-one-out baseline needs at least 2 groups or repeats; or set baseline: ema"
                    )
            if self.temperature.is_zero:
                raise ValueError("at a temperature of 0 throughout, no order is drawn; set peak, or initial and final")
            plain = self.proposals == "samples" and self.compat == "none"
            if self.optimizer == "natural" and not plain:
                raise ValueError("optimizer: natural needs proposals: samples and compat: none")
            if self.reuse and not (plain and self.granularity == "group"):
                raise ValueError("reuse needs proposals: samples, granularity: group and compat: none")
            relaxable = plain and self.distribution == "plackett-luce" and self.optimizer == "adam" and not self.reuse
            if self.control_variate == "relax" and not relaxable:
                raise ValueError(
                    "control_variate: relax needs distribution: plackett-luce, proposals: samples, optimizer: adam, "
                    "reuse: 0 and compat: none"
                )
            return self

    options: Options

    def build_policy(self, context: LearnerContext) -> ReinforcePolicy:
        """The policy; the greedy order of its distribution is the start."""
        return ReinforcePolicy(self.options, context.start)


class ReinforcePolicy(Policy):
    """Logits of a distribution over orders, and what is learned or remembered with them."""

    reward_mean: Float[Tensor, " task_pass"]

    def __init__(self, options: Reinforce.Options, start: Order) -> None:
        super().__init__()
        self.options = options
        self.repeats = options.repeats
        self.logits = nn.Parameter(starting_logits(options.distribution, start))
        self.register_buffer("reward_mean", torch.full((1,), float("nan")))
        self.register_load_state_dict_pre_hook(_fit_reward_mean)  # type: ignore[no-untyped-call]
        samples = options.groups * options.repeats
        self.memory = SampleMemory(options.reuse, samples, options.ratio_limit, start) if options.reuse else None
        self.surrogate = PositionSurrogate(start.num_slots) if options.control_variate == "relax" else None
        self.temperature = 0.0
        self.generator = torch.Generator()
        self._drawn: Int[Tensor, "sample slot"] | None = None  # only for the log

    def advance(self, progress: Progress) -> None:
        """Phase, temperature and random stream of this step; repeats if orders are drawn."""
        super().advance(progress)
        self.temperature = self.options.temperature.at(self.search_done) if self.phase == "search" else 0.0
        self.repeats = self.options.repeats if self.temperature > 0 else 1
        self._drawn = None
        # Processes can only average what they remember of their orders if these are the same.
        self.generator.manual_seed(progress.stream if self.memory is None else progress.shared_stream)

    def propose(self, sequence: PatchSequence, block: int = 0) -> Proposal:
        """Drawn orders while searching; the best order before and after, and at temperature 0."""
        if self.temperature == 0:
            return Proposal(self.best_order(), block=block)
        batch = sequence.batch
        samples = batch if self.options.granularity == "image" else min(batch, self.options.groups)
        distribution = self._distribution(self.temperature)
        if self.options.proposals == "swaps":
            indices = with_swaps(distribution.sample(1, self.generator)[0], samples, self.generator)
        else:
            indices = distribution.sample(samples, self.generator)
        self._drawn = indices[:1] if self.options.proposals == "swaps" else indices
        groups = torch.arange(batch, device=indices.device) % samples
        order = Order.trusted(indices, self.logits.shape[-1], groups)
        log_prob = self._distribution(self._density_temperature).log_prob(indices)
        return Proposal(order, log_prob=log_prob, block=block)

    def loss(self, passes: Sequence[Pass], batch: Batch | None = None) -> Float[Tensor, ""]:
        """A loss with the gradient of minus the expected reward, averaged over samples and passes.

        With swaps it is the reward expected among the drawn order and its neighbors, whose gradient is shorter.
        """
        if passes[0].proposals[0].log_prob is None or self.search_done < self.options.explore_share:
            return passes[0].reward.new_zeros(())
        # A drawn order and its neighbors are only compared with each other, not with those of another repeat.
        drawn = samples_by_pass(passes, 1 if self.options.proposals == "swaps" else self.repeats)
        advantages = [self._advantage(samples, which) for which, samples in enumerate(drawn)]
        losses = [self._loss_of(samples, advantage) for samples, advantage in zip(drawn, advantages, strict=True)]
        loss = torch.stack(losses).mean()
        if self.memory is not None:
            loss = (loss + self._remembered_loss(self.memory)) / (1 + self.options.reuse)
            orders, log_probs = [samples.orders for samples in drawn], [samples.log_prob for samples in drawn]
            self.memory.remember(_dealt(orders), _dealt(log_probs), _dealt(advantages))
        if self.options.optimizer == "natural":
            return self._natural_loss(loss, torch.cat([samples.orders for samples in drawn]))
        return loss

    def _loss_of(self, samples: Samples, advantage: Float[Tensor, " sample"]) -> Float[Tensor, ""]:
        if self.surrogate is not None:
            return self._relaxed_loss(self.surrogate, samples.orders, self._scaled(advantage))
        if self.options.proposals == "swaps":
            # Only among the drawn order and its neighbors: the mean reward if one of them were drawn.
            return -(samples.log_prob.softmax(dim=0) * self._scaled(advantage)).sum()
        return -(self._scaled(advantage) * samples.log_prob).mean()

    def _advantage(self, samples: Samples, which: int) -> Float[Tensor, " sample"]:
        """How much better each sample of a pass was than what it is compared with."""
        log_prob, groups = samples.log_prob.detach(), samples.groups
        # Relative to one of the rewards, so that equal rewards give advantages of exactly zero, without rounding.
        reward = samples.reward.to(log_prob.dtype)
        anchor, sizes = reward[0], torch.bincount(groups, minlength=len(log_prob))
        relative = torch.zeros_like(log_prob).index_add(0, groups, reward - anchor) / sizes
        relative = relative - self.options.entropy_bonus * log_prob
        if self.options.proposals == "swaps":
            return relative - relative.mean()
        match self.options.baseline:
            case "leave-one-out":
                others = max(1, len(relative) - 1)
                return (len(relative) * relative - relative.sum()) / others
            case "ema":
                return anchor - self._running_mean(which, anchor + relative.mean()) + relative
            case "none":
                return anchor + relative

    def _running_mean(self, which: int, mean: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """The running mean of a pass so far; it then moves toward the mean of this step."""
        if which == len(self.reward_mean):
            self.reward_mean = torch.cat([self.reward_mean, self.reward_mean.new_full((1,), float("nan"))])
        mean, so_far = mean.to(self.reward_mean.dtype), self.reward_mean[which]
        # Starts at the first mean: starting at zero, a reward that ignores the order would still move the policy.
        baseline = torch.where(so_far.isnan(), mean, so_far)
        self.reward_mean[which] = baseline.lerp(mean, 1 - self.options.ema_decay)
        return baseline

    def reset_baselines(self) -> None:
        """Forget the running mean, remembered samples, and the estimate of the control variate."""
        self.reward_mean = torch.full_like(self.reward_mean, float("nan"))
        if self.memory is not None:
            self.memory.forget()
        if self.surrogate is not None:
            nn.init.zeros_(self.surrogate.worth)

    def _scaled(self, advantage: Float[Tensor, "*batch sample"]) -> Float[Tensor, "*batch sample"]:
        if not self.options.normalize_advantage:
            return advantage
        size = advantage.square().mean(dim=-1, keepdim=True).sqrt()
        return advantage / size.clamp(min=torch.finfo(size.dtype).tiny)

    def _remembered_loss(self, memory: SampleMemory) -> Float[Tensor, ""]:
        """The summed loss of the remembered batches."""
        log_prob, weight = memory.recall(self._distribution(self.temperature))
        return -(weight * self._scaled(memory.advantage) * log_prob).mean(dim=1).sum()

    def _relaxed_loss(
        self, surrogate: PositionSurrogate, orders: Int[Tensor, "sample slot"], advantage: Float[Tensor, " sample"]
    ) -> Float[Tensor, ""]:
        """A loss whose gradients are those of RELAX."""
        distribution = PlackettLuce(self.logits, self.temperature)
        of_logits, of_surrogate = relax_gradients(surrogate, distribution, orders, advantage, self.generator)
        return (distribution.scaled_logits * of_logits).sum() + (surrogate.worth * of_surrogate).sum()

    def _natural_loss(self, loss: Float[Tensor, ""], orders: Int[Tensor, "sample slot"]) -> Float[Tensor, ""]:
        """A loss whose gradient is the natural gradient of another loss."""
        temperature, options = self._density_temperature, self.options
        (gradient,) = torch.autograd.grad(loss, self.logits)
        scores = self._distribution(temperature).score(orders).detach()
        # Into units of the temperature and back: the distribution is over logits divided by it.
        natural = natural_gradient(gradient * temperature, scores, options.damping, options.lr, options.max_kl)
        return (self.logits * natural * temperature).sum()

    def _distribution(self, temperature: float) -> OrderDistribution:
        return distribution_of(self.options.distribution, self.logits, temperature)

    @property
    def _density_temperature(self) -> float:
        return 1.0 if self.options.compat == "released" else self.temperature

    def best_order(self, sequence: PatchSequence | None = None, block: int = 0) -> Order:
        """The greedy order: every slot takes the most probable of the patches left."""
        # Any temperature will do.
        return Order.trusted(self._distribution(1.0).greedy(), self.logits.shape[-1])

    def build_optimizer(self) -> torch.optim.Optimizer:
        """Adam, or plain gradient descent, whose gradient may be the natural one."""
        if self.options.optimizer == "adam":
            return torch.optim.Adam(self.parameters(), lr=self.options.lr)
        return torch.optim.SGD(self.parameters(), lr=self.options.lr)

    def metrics(self) -> dict[str, float]:
        """Temperature, and an estimate of the distribution's entropy (nats) from the last orders drawn."""
        if self._drawn is None:
            return {"temperature": self.temperature, "entropy": 0.0}
        entropy = self._distribution(self.temperature).entropy(self._drawn).mean()
        return {"temperature": self.temperature, "entropy": float(entropy.detach())}


def _dealt(of_passes: list[Tensor]) -> Tensor:
    """Interleave the samples of several passes."""
    return torch.stack(of_passes, dim=1).flatten(0, 1)


def _fit_reward_mean(policy: ReinforcePolicy, weights: dict[str, Any], prefix: str, *_: Any) -> None:
    """Make room for the running means that are about to be loaded, one for each pass of a task."""
    saved = weights.get(f"{prefix}reward_mean")
    if saved is not None:
        policy.reward_mean = policy.reward_mean.new_empty(saved.shape)


@hookimpl
def register_order_learners() -> list[type[OrderLearner]]:
    """Register the learner."""
    return [Reinforce]
