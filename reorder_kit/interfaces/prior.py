"""The interface of a prior."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.interfaces.component import Component, ComponentOptions
from reorder_kit.interfaces.tokenizer import Tokenizer
from reorder_kit.patch_order import Order


class Prior(Component, ABC):
    """A measure over data that scores orderings, used to choose the starting order.

    A complete plugin::

        from reorder_kit import hookimpl
        from reorder_kit.interfaces import Prior

        class Smoothness(Prior):
            \"""How little consecutive patches differ.\"""

            name = "smoothness"

            def score(self, patches, orders):
                return {name: -order.apply(patches).diff(dim=1).abs().mean().item() for name, order in orders.items()}

        @hookimpl
        def register_priors():
            return [Smoothness]

    ``measure`` says in a few words what a score is, for tables. A prior whose score of many images is not the mean of
    their own scores, or that can score many at once, has its own ``score_per_image``, too.

    Args:
        options: the options of the recipe; the defaults if not given.
    """

    measure: ClassVar[str] = "score"

    def __init__(self, options: ComponentOptions | None = None) -> None:
        self.options = self.Options() if options is None else options

    @abstractmethod
    def score(self, patches: Float[Tensor, "image patch pixel"], orders: Mapping[str, Order]) -> Mapping[str, float]:
        """A score for every order, the highest for the one to start from.

        Args:
            patches: the normalised pixels of each patch of some training images, row-major.
            orders: the candidates, by the name of their ordering.
        """

    def score_per_image(
        self, batches: Iterable[Float[Tensor, "image patch pixel"]], orders: Mapping[str, Order]
    ) -> Mapping[str, Float[Tensor, " image"]]:
        """A score of every image for every order, for means with intervals; here each image is scored alone.

        Args:
            batches: patches as above, a batch of images at a time. They can be gone through several times, and are read
                anew each time, so that memory does not grow with the number of images.
            orders: the candidates, by the name of their ordering.
        """
        scores: dict[str, list[float]] = {name: [] for name in orders}
        for patches in batches:
            for image in range(len(patches)):
                for name, score in self.score(patches[image : image + 1], orders).items():
                    scores[name].append(score)
        return {name: torch.tensor(values, dtype=torch.float64) for name, values in scores.items()}


class TokenPrior(Prior):
    """A prior that looks at tokens instead of pixels: those of ``self.tokenizer``, which a recipe chooses.

    In a recipe the tokenizer stands beside its options: ``{name: lzma, tokenizer: {name: pixels, levels: 4}}``.

    Args:
        options: the options of the recipe; the defaults if None.
        tokenizer: numbers the patches.
    """

    def __init__(self, options: ComponentOptions | None, tokenizer: Tokenizer) -> None:
        super().__init__(options)
        self.tokenizer = tokenizer
