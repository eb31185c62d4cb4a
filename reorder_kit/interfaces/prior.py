"""The interface of a prior."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from reorder_kit.interfaces.component import Component, ComponentOptions
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

    Args:
        options: the options of the recipe; the defaults if not given.
    """

    def __init__(self, options: ComponentOptions | None = None) -> None:
        self.options = self.Options() if options is None else options

    @abstractmethod
    def score(self, patches: Float[Tensor, "image patch pixel"], orders: Mapping[str, Order]) -> Mapping[str, float]:
        """A score for every order, the highest for the one to start from.

        Args:
            patches: the normalised pixels of each patch of some training images, row-major.
            orders: the candidates, by the name of their ordering.
        """
