"""The interface of a control: what is changed to see whether a result comes from the order."""

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
"""What a control may need of a run.

* ``learner``: an order-learner to be compared with.
* ``reward``: a learner that learns from the reward.
* ``dynamic``: a policy whose order depends on the image.
* ``classes``: targets that tell which classes an image has.
"""


class Control(ABC):
    """A run with one thing changed, whose result is compared with that of the run itself.

    A recipe names it in ``controls``. A task hands over its own in ``Task.controls``; a control has no options.

    A control says of itself:

    * ``name``: what a recipe says.
    * ``words``: what it is, in a few words that may follow "with", for reports and tables.
    * ``needs``: what the run must have, or the recipe is refused.
    """

    name: str
    words: str
    needs: frozenset[Need] = frozenset()

    def words_for(self, is_consensus: bool) -> str:
        """The words for a run.

        Args:
            is_consensus: whether each image of the run has its own order, and what counts as its order is a consensus.
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
    """A control that is trained alongside, with the same schedule and seed."""

    @abstractmethod
    def recipe(self, content: Mapping[str, Any], learned_order: str) -> dict[str, Any]:
        """The recipe with one thing changed.

        Args:
            content: the resolved recipe of the run.
            learned_order: path of the run's final order.
        """


class InRunControl(TrainedControl):
    """A control that replaces the thing under test inside a run; a recipe can name it in ``order.control`` as well.

    It may replace the starting order, the policy, or the reward; each stays as it is by default.
    """

    def recipe(self, content: Mapping[str, Any], learned_order: str) -> dict[str, Any]:
        """The recipe under this control, without a learner where the control leaves it nothing to learn."""
        learner = {} if self.keeps_learner else {"learner": None}
        return {**content, "order": {**content["order"], **learner, "control": self.name}}

    @property
    def keeps_learner(self) -> bool:
        """Whether the recipe's learner still learns: not where the control has a policy of its own."""
        return type(self).policy is InRunControl.policy

    def starting_order(self, grid: Grid, seed: int) -> Order | None:
        """The order to start from; None for that of the recipe.

        Args:
            grid: of the patches.
            seed: of the run.
        """
        return None

    def policy(self, start: Order) -> Policy | None:
        """What proposes orders in the learner's place; None keeps the learner."""
        return None

    def reward(self, reward: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """The reward of each image as passed to the policy."""
        return reward


class EvaluatedControl(Control):
    """A control without training: the run's own model is evaluated on test images with another model or batch.

    The images come in random batches, so that any two of a batch are two random images of the split. The run itself is
    evaluated on the same images, and the two results are compared.
    """

    def comparable(self, batch: Batch, classes: Sequence[str]) -> Batch:
        """The images about which it can say something; the others count on neither side.

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
