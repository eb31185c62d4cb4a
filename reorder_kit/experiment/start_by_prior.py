"""A starting order that a prior gives."""

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
    """A prior, and the orderings among which it may choose.

    Args:
        prior: what gives the order, with its options.
        candidates: orderings by name.
    """

    prior: Part[Prior]
    candidates: Mapping[str, Ordering]

    @property
    def name(self) -> str:
        """Of the prior."""
        return self.prior.name

    def build(self, image: ImageShape, grid: Grid) -> Prior:
        """The prior, for images and their patches.

        Raises:
            ReorderKitError: if a part of it is not there, or made for other patches.
        """
        return self.prior.build(image, grid)

    def orders(self, grid: Grid) -> dict[str, Order]:
        """The candidates' orders by name, without those that leave patches out: less to read always seems simpler."""
        orders = {name: ordering.order(grid) for name, ordering in self.candidates.items()}
        return {name: order for name, order in orders.items() if order.is_full}

    def start(self, context: PriorContext) -> Order:
        """The order that the prior gives, as many slots of it as are read.

        Raises:
            ReorderKitError: if that is no order of all patches, or of as many as are read.
        """
        found = self.build(context.image, context.grid).start(context)
        patches, slots = context.grid.num_patches, context.num_slots
        is_order = isinstance(found, Order) and found.is_static and found.num_patches == patches
        if not (is_order and found.num_slots in (patches, slots)):
            or_fewer = "" if slots == patches else f", or of {slots} of them"
            reason = f"gave {_in_words(found)} instead of one order of all {patches} patches{or_fewer}"
            hint = "a start holds every patch of the grid once, and is the same for all images"
            raise ComponentError(self.prior.component.kind.name, self.name, reason, hint)
        try:
            # It may have been built without a check.
            return Order(found.indices.cpu(), found.num_patches).first(slots)
        except ReorderKitError as error:
            raise ComponentError(self.prior.component.kind.name, self.name, error.message, error.hint) from None

    def chosen(self, start: Order, grid: Grid) -> str | None:
        """The candidate that the prior chose when it gave this start; None if the order is of its own making."""
        kept = ((name, order.first(start.num_slots)) for name, order in self.orders(grid).items())
        return next((name for name, order in kept if order == start), None)


def candidates_of(host: PluginHost) -> dict[str, Ordering]:
    """Every ordering that can be built without options: those a prior can choose from."""
    usable = {}
    for name in host.orderings:
        with suppress(Exception):  # what a plugin raises must not stop the others
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
    """Stands in a context where no model can be trained.

    Raises:
        ReorderKitError: always.
    """
    raise ReorderKitError("the influence of slots is not known here", "only a run trains models to measure it")
