"""A starting order given by a prior."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reorder_kit.errors import ComponentError, ReorderKitError
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import ImageShape, Ordering, Part, Prior, PriorContext
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order


@dataclass(frozen=True)
class StartByPrior:
    """A prior, and the orderings that it may choose from.

    Args:
        prior: the prior that gives the order, with its options.
        candidates: orderings by name.
    """

    prior: Part[Prior]
    candidates: Mapping[str, Ordering]

    @property
    def name(self) -> str:
        """The name of the prior."""
        return self.prior.name

    def build(self, image: ImageShape, grid: Grid) -> Prior:
        """The prior, for images and their patches.

        Raises:
            ReorderKitError: if a part of it is missing, or made for another grid.
        """
        return self.prior.build(image, grid)

    def orders(self, grid: Grid) -> dict[str, Order]:
        """The candidates' full orders by name; partial ones would always seem better, because they read less."""
        orders = {name: ordering.order(grid) for name, ordering in self.candidates.items()}
        return {name: order for name, order in orders.items() if order.is_full}

    def start(self, context: PriorContext) -> Order:
        """The order that the prior gives, cut to the slots that are read.

        Raises:
            ReorderKitError: if it is not an order of all patches, or of as many as are read.
        """
        found = self.build(context.image, context.grid).start(context)
        patches, slots = context.grid.num_patches, context.num_slots
        is_order = isinstance(found, Order) and found.is_static and found.num_patches == patches
        if not (is_order and found.num_slots in (patches, slots)):
            or_fewer = "" if slots == patches else f", or of {slots} of them"
            reason = f"gave {_in_words(found)} instead of one order of all {patches} patches{or_fewer}"
            hint = "a start must hold every patch of the grid once, and be the same for all images"
            raise ComponentError(self.prior.component.kind.name, self.name, reason, hint)
        try:
            # The order may have been built without checks.
            return Order(found.indices.cpu(), found.num_patches).first(slots)
        except ReorderKitError as error:
            raise ComponentError(self.prior.component.kind.name, self.name, error.message, error.hint) from None

    def chosen(self, start: Order, grid: Grid) -> str | None:
        """The candidate that the prior chose as this start; None if it made the order itself."""
        kept = ((name, order.first(start.num_slots)) for name, order in self.orders(grid).items())
        return next((name for name, order in kept if order == start), None)


def candidates_of(host: PluginHost) -> dict[str, Ordering]:
    """All orderings that can be built without options, from which a prior can choose."""
    usable = {}
    for name in host.orderings:
        with suppress(Exception):  # a plugin's error must not affect the others
            ordering = host.orderings.get(name)
            usable[name] = ordering(ordering.Options.model_validate({}, context={"host": host}))
    return usable


def _in_words(found: object) -> str:
    if not isinstance(found, Order):
        return f"{type(found).__name__!r}"
    if not found.is_static:
        return f"{len(found.indices)} orders"
    return f"an order with {found.num_slots} slots for {found.num_patches} patches"


def no_influence(orders: Sequence[Order], models: int, steps: int) -> Float[Tensor, " slot"]:
    """The influence in a context where no model can be trained.

    Raises:
        ReorderKitError: always.
    """
    raise ReorderKitError("the influence of slots is unknown here", "only a run trains the models that measure it")
