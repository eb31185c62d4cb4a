"""The interface of a prior."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.errors import ComponentError, ReorderKitError
from reorder_kit.interfaces.class_fact import WORDS
from reorder_kit.interfaces.component import Component, ComponentOptions, Kind
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.image_shape import ImageShape
from reorder_kit.orders.order import Order

if TYPE_CHECKING:
    from reorder_kit.interfaces.training_data import TrainingData

PRIOR_IMAGES = 256
"""The number of training images that a prior scores to choose the start."""

Influence = Callable[[Sequence[Order], int, int], Float[Tensor, " slot"]]
"""Called with orders, a number of models and a number of steps: the mean influence of each slot on the loss of that
many models, each trained from scratch for that many steps in these orders."""


@dataclass(frozen=True)
class PriorContext:
    """What a prior may use.

    Args:
        grid: the grid of the patches.
        image: the shape of the images.
        seed: the run's seed.
        candidates: the orders of all orderings that need no options, by name.
        training: the training images and their targets; no other images may decide a start.
        influence: how much each slot matters to the model that will be trained.
        num_slots: the number of slots that are read, fewer than patches if a recipe keeps a share of them.
    """

    grid: Grid
    image: ImageShape
    seed: int
    candidates: Mapping[str, Order]
    training: TrainingData
    influence: Influence
    num_slots: int


class Prior(Component, ABC):
    """Chooses the starting order by looking at the data, and at the model that will be trained.

    A complete plugin::

        import torch
        from reorder_kit import hookimpl
        from reorder_kit.interfaces import Order, Prior

        class BusyLast(Prior):
            \"""Patches by how much they vary between training images, those that vary most last.\"""

            name = "busy-last"

            def start(self, context):
                patches = torch.cat(list(context.training.patches(context.grid, images=256)))
                return Order(patches.var(dim=0).mean(dim=1).argsort())

        @hookimpl
        def register_priors():
            return [BusyLast]

    A prior that scores candidates and starts from the best derives from :class:`ScoringPrior`.

    Args:
        options: the options of the recipe; the defaults if None.
        image: the shape of the images that it looks at.
        grid: the grid of their patches.
    """

    kind = Kind("prior", "priors")

    def __init__(self, options: ComponentOptions | None, image: ImageShape, grid: Grid) -> None:
        self.options = self.Options() if options is None else options
        self.image = image
        self.grid = grid

    @classmethod
    def declares(cls) -> dict[str, str]:
        """Where its order comes from."""
        return {"starts from": "its own order"}

    @abstractmethod
    def start(self, context: PriorContext) -> Order:
        """The order to start from: one for all images, with every patch. It need not be a candidate.

        If fewer slots are read than there are patches, only its first slots are used; a prior may leave out the rest.

        Args:
            context: the data, the candidates and the influence of slots.
        """


class ScoringPrior(Prior):
    """Scores orders by a measure over data; a run starts from the candidate with the highest score.

    A complete plugin::

        from reorder_kit import hookimpl
        from reorder_kit.interfaces import ScoringPrior

        class Smoothness(ScoringPrior):
            \"""How little consecutive patches differ.\"""

            name = "smoothness"

            def score(self, patches, orders):
                return {name: -order.apply(patches).diff(dim=1).abs().mean().item() for name, order in orders.items()}

        @hookimpl
        def register_priors():
            return [Smoothness]

    ``measure`` says in a few words what a score is, for tables. Override ``score_per_image`` as well if the score of
    many images is not the mean of their scores, or if many can be scored at once. A prior that looks at tokens instead
    of pixels has an option ``tokenizer: Part[Tokenizer]``, and builds it with ``self.image`` and ``self.grid``.
    """

    measure: ClassVar[str] = "score"
    class_facts = MappingProxyType({"measure": WORDS})

    @classmethod
    def declares(cls) -> dict[str, str]:
        """Where its order comes from, and what a score is."""
        return {"starts from": "the ordering with the highest score", "measure": cls.measure}

    @abstractmethod
    def score(self, patches: Float[Tensor, "image patch pixel"], orders: Mapping[str, Order]) -> Mapping[str, float]:
        """A score for every order; the order with the highest score is the start.

        Args:
            patches: the normalized pixels of each patch of some training images, row-major.
            orders: the candidates, by the name of their ordering.
        """

    def score_per_image(
        self, batches: Iterable[Float[Tensor, "image patch pixel"]], orders: Mapping[str, Order]
    ) -> Mapping[str, Float[Tensor, " image"]]:
        """A score of every image for every order, for means with intervals; by default, each image is scored alone.

        Args:
            batches: patches as above, a batch of images at a time. They can be iterated over several times, and are
                read again each time, so that memory does not grow with the number of images.
            orders: the candidates, by the name of their ordering.
        """
        scores: dict[str, list[float]] = {name: [] for name in orders}
        for patches in batches:
            for image in range(len(patches)):
                for name, score in self.score(patches[image : image + 1], orders).items():
                    scores[name].append(score)
        return {name: torch.tensor(values, dtype=torch.float64) for name, values in scores.items()}

    def start(self, context: PriorContext) -> Order:
        """The candidate with the highest score on some training images; of equals, the first by name.

        Raises:
            ComponentError: if it does not score every candidate with a finite number.
            ReorderKitError: if no image can be read.
        """
        batches = list(context.training.patches(context.grid, PRIOR_IMAGES))
        if not batches:
            raise ReorderKitError("a prior must choose the start, but no training image could be read")
        scores: Any = self.score(torch.cat(batches), context.candidates)
        if context.grid.num_patches > 1:  # else there is nothing to score
            self._require_scores(scores, context.candidates)
        return context.candidates[max(sorted(context.candidates), key=lambda name: scores[name])]

    def _require_scores(self, scores: Any, candidates: Mapping[str, Order]) -> None:
        """NaN would count as the highest score."""
        for name in candidates:
            score = scores.get(name) if isinstance(scores, Mapping) else None
            if not isinstance(score, int | float) or not math.isfinite(score):
                reason = f"gave {score!r} as the score of {name}"
                raise ComponentError(self.kind.name, self.name, reason, "return a finite number for every order")
