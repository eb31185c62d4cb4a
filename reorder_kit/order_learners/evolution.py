"""Evolution of a population of orders that share a model's weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces.numbers import Real, Tries, Whole
from reorder_kit.interfaces.order_learner import Evaluate, LearnerContext, OrderLearner
from reorder_kit.order_learners._moves import random_move
from reorder_kit.order_learners._trials import TrialLearner, random_orders
from reorder_kit.order_learners._uniform_training import UniformTrainingOptions, UniformTrainingPolicy
from reorder_kit.orders.order import Order

TRIES_OF_ANOTHER_CHILD = 20


class Evolution(TrialLearner):
    """Let the orders of a population compete on the same images, and breed the next generation from the best.

    A step is a generation: all orders are tried, the best become parents, and their children by crossover and mutation
    replace the others. Parents are tried again in the next step, on other images and with better weights, so no parent
    survives on one lucky score. The weights are trained in random orders. Without ``search_epochs``, the search takes
    half of the run.

    Source: Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling", ECCV 2020,
    https://arxiv.org/abs/1904.00420, algorithm 1 (their architecture is our order, their P our ``candidates``, their k
    our ``parents``, their n and m the children by crossover and by mutation). There, the weights are only trained
    before the search; here, throughout it. Crossover: Davis, "Applying Adaptive Algorithms to Epistatic Domains", IJCAI
    1985.
    """

    name = "evolution"

    class Options(UniformTrainingOptions):
        candidates: Whole = Field(
            16, ge=2, le=10_000, description="orders in the population, all of which are tried in a step"
        )
        parents: Tries = Field(4, description="how many of the best survive and have children")
        crossover: Real = Field(0.5, ge=0, le=1, description="share of the children with two parents")

        @model_validator(mode="after")
        def _check(self) -> Evolution.Options:
            if self.parents >= self.candidates:
                raise ValueError("there must be fewer parents than candidates, or there would be no children")
            return self

    options: Options

    def build_policy(self, context: LearnerContext) -> EvolutionPolicy:
        """The policy; its population starts with random orders, in addition to the starting order."""
        return EvolutionPolicy(self.options, context.start)


class EvolutionPolicy(UniformTrainingPolicy):
    """A population of orders, and the best order so far, which is always a parent."""

    population: Int[Tensor, "candidate slot"]

    def __init__(self, options: Evolution.Options, start: Order) -> None:
        super().__init__(options, start)
        self.options = options
        orders = random_orders(options.candidates, len(self.indices), torch.default_generator)
        self.register_buffer("population", orders.to(self.indices.device))

    def search(self, evaluate: Evaluate) -> None:
        """One generation."""
        if self.is_trying:
            fitness = self.try_candidates(evaluate, self.population)
            if len(self.indices) > 1:
                self.population.copy_(self._next_generation(fitness))

    def _next_generation(self, fitness: Float[Tensor, " candidate"]) -> Int[Tensor, "candidate slot"]:
        ranked = self.population[fitness.argsort(descending=True, stable=True)].tolist()
        best = tuple(self.indices.tolist())
        # Copies would be tried for nothing, and would soon take over.
        others = [order for order in dict.fromkeys(map(tuple, ranked)) if order != best]
        survivors = others[: self.options.parents]
        parents, following = [best, *survivors], dict.fromkeys(survivors)
        while len(following) < self.options.candidates:
            child = tuple(self._child(parents))
            tries = 0
            while (child == best or child in following) and tries < TRIES_OF_ANOTHER_CHILD:
                child = tuple(random_move(child, self.shared_generator))
                tries += 1
            if child in following:  # so few patches that no other orders are left
                return torch.tensor([*following, *[child] * (self.options.candidates - len(following))])
            following[child] = None
        return torch.tensor(list(following))

    def _child(self, parents: Sequence[Sequence[int]]) -> list[int]:
        generator = self.shared_generator
        one, *others = torch.randperm(len(parents), generator=generator).tolist()
        if not others or torch.rand((), generator=generator) >= self.options.crossover:
            return random_move(parents[one], generator)
        first, last = torch.randint(len(self.indices), (2,), generator=generator).sort().values.tolist()
        return order_crossover(parents[one], parents[others[0]], first, last + 1)


def order_crossover(one: Sequence[int], other: Sequence[int], first: int, end: int) -> list[int]:
    """Keep a segment of one parent in its slots, and fill in the others as they follow in the other parent.

    Reading and filling both start after the segment and wrap around to the front (Davis' OX).

    Args:
        one: gives the segment.
        other: gives the sequence of the other patches.
        first: the first slot of the segment.
        end: the slot after its last one.
    """
    segment = set(one[first:end])
    following = [patch for patch in [*other[end:], *other[:end]] if patch not in segment]
    behind = len(one) - end
    return [*following[behind:], *one[first:end], *following[:behind]]


@hookimpl
def register_order_learners() -> list[type[OrderLearner]]:
    """Register the learner."""
    return [Evolution]
