"""Shared parts of learners that try candidates, on a model whose weights are shared by all orders."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from reorder_kit.interfaces.epochs import Epochs
from reorder_kit.interfaces.numbers import Fraction, Size, Tries
from reorder_kit.interfaces.order_learner import Evaluate, Policy
from reorder_kit.interfaces.progress import Progress
from reorder_kit.order_learners._phases import ExploreOptions, PhasedLearner
from reorder_kit.orders.order import Order
from reorder_kit.orders.proposal import Proposal
from reorder_kit.orders.sequence import PatchSequence


class TrialOptions(ExploreOptions):
    """Options of every learner that tries candidates."""

    warmup_epochs: Epochs | None = Field(
        0.0,
        description="epochs with the starting order, before the search, or a share of the run; null: 15%. Weights "
        "that are used to the start do not judge other orders fairly",
    )
    explore_share: Fraction = Field(
        0.25,
        description="share of the search that only trains the weights, in random orders, before candidates are tried",
    )
    candidates: Tries = Field(16, description="orders to try in a step")
    screen_images: Size = Field(64, description="images of each process that every candidate is tried on first")
    finalists: Tries = Field(
        4, description="how many of the candidates that beat the best order there are tried on all images"
    )
    significance: Fraction = Field(
        0.1,
        gt=0,
        description="highest chance that a step replaces the best order although no candidate is better",
    )


class TrialLearner(PhasedLearner):
    """A learner whose policy tries candidates during its search."""

    uses_reward = True

    options: TrialOptions

    def extra_passes(self, batch: int) -> float:
        """Screening and finals, both including the best order so far, in the share of the search that tries
        candidates."""
        options = self.options
        screening = (options.candidates + 1) * min(1.0, options.screen_images / batch)
        finals = min(options.finalists, options.candidates) + 1
        return (1 - options.explore_share) * (screening + finals)


class TrialPolicy(Policy):
    """An order that is replaced by a candidate only if the candidate is better by more than noise.

    Both are tried on the same images with the same weights, and compared image by image (Student's paired t-test, 1908;
    Bonferroni's correction for the number of candidates, so that it does not matter how finalists are chosen).

    Args:
        options: number and size of trials.
        start: the first best order.
    """

    indices: Int[Tensor, " slot"]
    replacements: Int[Tensor, ""]

    def __init__(self, options: TrialOptions, start: Order) -> None:
        super().__init__()
        self._trial_options = options
        self.register_buffer("indices", start.indices.clone())
        self.register_buffer("replacements", torch.tensor(0))
        self.generator = torch.Generator()
        self.shared_generator = torch.Generator()

    def advance(self, progress: Progress) -> None:
        """Phase and random streams of this step: one for this process, one that all processes share."""
        super().advance(progress)
        self.generator.manual_seed(progress.stream)
        self.shared_generator.manual_seed(progress.shared_stream)

    @property
    def is_trying(self) -> bool:
        """Whether candidates are tried in this step."""
        return self.phase == "search" and self.search_done >= self._trial_options.explore_share

    def best_order(self, sequence: PatchSequence | None = None, block: int = 0) -> Order:
        """The order that no candidate has replaced yet."""
        return Order.trusted(self.indices.clone(), len(self.indices))

    def build_optimizer(self) -> torch.optim.Optimizer | None:
        """Nothing to optimize, unless a learner has parameters."""
        return None

    def metrics(self) -> dict[str, float]:
        """How often the best order was replaced."""
        return {"replacements": float(self.replacements)}

    def try_candidates(
        self, evaluate: Evaluate, candidates: Int[Tensor, "candidate slot"]
    ) -> Float[Tensor, " candidate"]:
        """Replace the best order by the best candidate, if that is better by more than noise.

        Returns:
            Each candidate's mean gain in reward over the best order, on the images that all were tried on.
        """
        # Imported on first use: scipy is slow to import.
        from scipy.special import stdtrit

        candidates = candidates.to(self.indices.device)
        means = self._gains(evaluate, candidates, self._trial_options.screen_images).mean(dim=1)
        means = means.nan_to_num(nan=-math.inf)  # a candidate that breaks the model cannot be a finalist
        best = means.topk(min(self._trial_options.finalists, len(candidates))).indices
        finalists = candidates[best[means[best] > 0]]
        if len(finalists):
            gains = self._gains(evaluate, finalists, images=None)
            statistics = [paired_t(gain) for gain in gains]
            highest = max(statistics)
            threshold = stdtrit(gains.shape[1] - 1, 1 - self._trial_options.significance / len(candidates))
            if highest > max(0.0, threshold):
                self.indices.copy_(finalists[statistics.index(highest)])
                self.replacements += 1
        return means

    def _gains(
        self, evaluate: Evaluate, candidates: Int[Tensor, "candidate slot"], images: int | None
    ) -> Float[Tensor, "candidate image"]:
        """Each candidate's gain in reward over the best order, on each image."""
        reference = evaluate(Proposal(self.best_order()), images)
        proposals = (Proposal(Order.trusted(candidate, len(candidate))) for candidate in candidates)
        return torch.stack([evaluate(proposal, images) - reference for proposal in proposals]).double()


def paired_t(gain: Float[Tensor, " image"]) -> float:
    """Student's t of a mean gain; 0 if nothing is gained or lost on any image, or there is only one image."""
    if len(gain) < 2 or not bool(gain.any()):
        return 0.0
    return float(gain.mean() / (gain.std() / math.sqrt(len(gain))))


def random_orders(count: int, patches: int, generator: torch.Generator) -> Int[Tensor, "order slot"]:
    """Independent orders, drawn uniformly."""
    return torch.rand(count, patches, generator=generator, dtype=torch.float64).argsort(dim=1)
