"""Random search over a model whose weights are shared by all orders: the baseline of every other search."""

from __future__ import annotations

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces.order_learner import Evaluate, LearnerContext, OrderLearner
from reorder_kit.order_learners._trials import TrialLearner, random_orders
from reorder_kit.order_learners._uniform_training import UniformTrainingOptions, UniformTrainingPolicy
from reorder_kit.orders.order import Order


class RandomSearch(TrialLearner):
    """Train the weights in random orders, and keep the best of the randomly drawn candidates.

    A learner that finds better orders does more than try them out. Without ``search_epochs``, the search takes half of
    the run.

    Source: Li and Talwalkar, "Random Search and Reproducibility for Neural Architecture Search", UAI 2019,
    https://arxiv.org/abs/1902.07638: random search with weight-sharing (their architecture is our order). There, each
    batch trains the weights in one architecture, and the best is chosen after the search; here, each group of images
    has an order, and a candidate replaces the best order as soon as it is better by more than noise.
    """

    name = "random-search"

    class Options(UniformTrainingOptions):
        pass

    options: Options

    def build_policy(self, context: LearnerContext) -> RandomSearchPolicy:
        """The policy, which begins with the starting order."""
        return RandomSearchPolicy(self.options, context.start)


class RandomSearchPolicy(UniformTrainingPolicy):
    """The best order tried so far."""

    def __init__(self, options: RandomSearch.Options, start: Order) -> None:
        super().__init__(options, start)
        self.options = options

    def search(self, evaluate: Evaluate) -> None:
        """Try random orders."""
        if self.is_trying:
            candidates = random_orders(self.options.candidates, len(self.indices), self.shared_generator)
            self.try_candidates(evaluate, candidates)


@hookimpl
def register_order_learners() -> list[type[OrderLearner]]:
    """Register the learner."""
    return [RandomSearch]
