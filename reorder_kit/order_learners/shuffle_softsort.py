"""ShuffleSoftSort: SoftSort in rounds, each along a newly shuffled line of the slots."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces.numbers import Amount, Count
from reorder_kit.interfaces.order_learner import LearnerContext, OrderLearner
from reorder_kit.interfaces.progress import Progress
from reorder_kit.ops.scores import order_of_scores
from reorder_kit.ops.shuffle_softsort import shuffle_softsort
from reorder_kit.order_learners._scores import ScoreOptions, ScorePolicy, SlotTemperature
from reorder_kit.order_learners._soft_policy import SoftOrderLearner
from reorder_kit.orders.order import Order
from reorder_kit.orders.sequence import PatchSequence


class LineTemperature(SlotTemperature):
    """A few places at first; lower than for learners that keep one line, because the next line has other neighbors."""

    initial: Amount = Field(3.0, description="temperature at the start of the search, places on the line")
    peak: Amount = Field(3.0, description="highest temperature of triangular and plateau, or the constant one")
    final: Amount = Field(0.3, description="temperature at the end of the search, places on the line")


class ShuffleSoftSort(SoftOrderLearner):
    """Improve the order in rounds of a few steps, each by SoftSort along a shuffled line of the slots.

    A round shuffles the slots onto a line, starts with scores that fall along it by one per place, and learns them for
    a few steps, so that patches in neighboring places, mostly far apart in the sequence, can trade places. At its end
    the order that the scores sort to is kept, and the next round continues from it with another line, so the order is
    not trapped by its current neighbors. Without ``search_epochs``, the search takes half of the run.

    Source: Barthel, Barthel and Eisert, "Permutation Learning with Only N Parameters: From SoftSort to Self-Organizing
    Gaussians", EUSIPCO 2025, https://arxiv.org/abs/2503.13051 (their w is our ``scores``, their I our ``round_steps``,
    their tau our temperature). They use thousands of rounds of 4 steps, at temperatures from 1 to 0.1 and a step size
    of 0.3; with the noise of batches, fewer and longer rounds of smaller steps found better orders here. They raise the
    temperature within every round, starting at a fifth, and begin each with a new optimizer; here, the temperature is
    that of the search, and Adam's moments carry over.
    """

    name = "shuffle-softsort"

    class Options(ScoreOptions):
        round_steps: Count = Field(40, description="optimizer steps along one line")
        temperature: LineTemperature = Field(
            LineTemperature(), description="in places on the line: at 1 a slot mixes mostly what is one place away"
        )

    options: Options

    def build_policy(self, context: LearnerContext) -> ShuffleSoftSortPolicy:
        """The policy, which begins with the starting order."""
        return ShuffleSoftSortPolicy(self.options, context.start)


class ShuffleSoftSortPolicy(ScorePolicy):
    """The order kept from the last round, the line of this round, and a score for each place on it."""

    standing: Int[Tensor, " slot"]
    line: Int[Tensor, " place"]

    def __init__(self, options: ShuffleSoftSort.Options, start: Order) -> None:
        places = torch.arange(start.num_slots, device=start.indices.device)
        super().__init__(options, Order.trusted(places, start.num_slots))
        self.options = options
        self.register_buffer("standing", start.indices.clone())
        self.register_buffer("line", places)
        self.generator = torch.Generator()

    def advance(self, progress: Progress) -> None:
        """Phase and temperature of this step; at the first step of a round, a new line."""
        super().advance(progress)
        if progress.phase == "search" and progress.phase_step % self.options.round_steps == 0:
            self._start_round(progress.shared_stream)

    @torch.no_grad()
    def _start_round(self, seed: int) -> None:
        self.standing.copy_(self._sorted())
        self.line.copy_(torch.randperm(len(self.line), generator=self.generator.manual_seed(seed)))
        self.scores.copy_(torch.arange(len(self.line) - 1, -1, -1))

    def _sorted(self) -> Int[Tensor, " slot"]:
        """The order that the scores sort to: patches move between places of the line."""
        moved = self.line[order_of_scores(self.scores)]
        return self.standing.scatter(0, self.line, self.standing[moved])

    def relax(self, scores: Float[Tensor, " patch"], temperature: float) -> Float[Tensor, "slot patch"]:
        """How slots mix along the line, and which patches they hold."""
        return shuffle_softsort(scores, self.line, temperature).index_select(-1, self.standing.argsort())

    def best_order(self, sequence: PatchSequence | None = None, block: int = 0) -> Order:
        """The order that the scores sort to."""
        return Order.trusted(self._sorted(), len(self.line))


@hookimpl
def register_order_learners() -> list[type[OrderLearner]]:
    """Register the learner."""
    return [ShuffleSoftSort]
