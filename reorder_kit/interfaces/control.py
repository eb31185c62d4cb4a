"""The interface of a control: one change that shows whether a result comes from the order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from jaxtyping import Float
from torch import Tensor

from reorder_kit.interfaces.order_learner import Policy
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

if TYPE_CHECKING:  # a task names its controls, so the interface of a task imports this file
    from reorder_kit.interfaces import Batch, Model

Need = Literal["learner", "reward", "dynamic", "classes"]
"""What a control may need from a run.

* ``learner``: an order-learner to compare with.
* ``reward``: a learner that learns from the reward.
* ``dynamic``: a policy whose order depends on the image.
* ``classes``: targets that say which classes an image has.
"""


class Control(ABC):
    """A run with one thing changed, whose result is compared with the run's own.

    A recipe names it in ``controls``. A task adds its own in ``Task.controls``. A control has no options.

    A control declares:

    * ``name``: its name in recipes.
    * ``words``: what it is, in a few words that can follow "with", for reports and tables.
    * ``needs``: what the run must have; otherwise the recipe is refused.
    """

    name: str
    words: str
    needs: frozenset[Need] = frozenset()

    def words_for(self, is_consensus: bool) -> str:
        """The words for a run.

        Args:
            is_consensus: whether each image of the run has its own order, so that the run's order is a consensus.
        """
        return self.words

    def described(self, learner: str | None, start: str, is_consensus: bool = False) -> str:
        """What was trained in a row of a study.

        Args:
            learner: name of the learner, if any.
            start: name of the starting order.
            is_consensus: whether the learner gives each image its own order.
        """
        return self.words if learner is None else f"{learner} from {start} with {self.words}"


class TrainedControl(Control):
    """A control that is trained as well, with the same schedule and seed."""

    @abstractmethod
    def recipe(self, content: Mapping[str, Any], learned_order: str) -> dict[str, Any]:
        """The recipe with one thing changed.

        Args:
            content: the resolved recipe of the run.
            learned_order: path of the run's final order.
        """


class InRunControl(TrainedControl):
    """A control that replaces the thing under test inside a run; a recipe can also name it in ``order.control``.

    It may replace the starting order, the policy, or the reward; by default, each is kept.
    """

    def recipe(self, content: Mapping[str, Any], learned_order: str) -> dict[str, Any]:
        """The recipe under this control, without a learner if the control leaves it nothing to learn."""
        learner = {} if self.keeps_learner else {"learner": None}
        return {**content, "order": {**content["order"], **learner, "control": self.name}}

    @property
    def keeps_learner(self) -> bool:
        """Whether the recipe's learner still learns: not if the control has its own policy."""
        return type(self).policy is InRunControl.policy

    def starting_order(self, grid: Grid, seed: int) -> Order | None:
        """The order to start from; None for the recipe's start.

        Args:
            grid: the grid of the patches.
            seed: the run's seed.
        """
        return None

    def policy(self, start: Order) -> Policy | None:
        """The policy that replaces the learner's; None keeps the learner."""
        return None

    def reward(self, reward: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """The reward of each image as passed to the policy."""
        return reward


class EvaluatedControl(Control):
    """A control without training: the run's own model is evaluated on test images with another model or batch.

    The images come in random batches, so any two images of a batch are a random pair from the split. The run itself is
    evaluated on the same images, and the two results are compared.
    """

    def comparable(self, batch: Batch, classes: Sequence[str]) -> Batch:
        """The images that it applies to; the others count on neither side.

        Args:
            batch: test images, prepared as for a step.
            classes: names of the classes.
        """
        return batch

    @abstractmethod
    def change(self, model: Model, batch: Batch, classes: Sequence[str]) -> tuple[Model, Batch]:
        """The model and the batch that are evaluated instead.

        Args:
            model: the trained model, in evaluation mode.
            batch: comparable images.
            classes: names of the classes.
        """
