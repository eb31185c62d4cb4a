"""The interface of an order-measure."""

from __future__ import annotations

from abc import ABC, abstractmethod

from reorder_kit.interfaces.component import Component, ComponentOptions, Kind
from reorder_kit.orders.order import Order


class OrderMeasure(Component, ABC):
    """Says with a number how far two static orders of the same patches are apart.

    A complete plugin::

        from reorder_kit import hookimpl
        from reorder_kit.interfaces import OrderMeasure

        class Moved(OrderMeasure):
            \"""The share of patches that stand in another slot.\"""

            name = "moved"

            def distance(self, first, second):
                return float((first.rank != second.rank).double().mean())

        @hookimpl
        def register_order_measures():
            return [Moved]

    The distance of an order to itself is 0, and that of two orders does not depend on which comes first.

    Args:
        options: the options of the component; the defaults if not given.
    """

    kind = Kind("order-measure", "order-measures")

    def __init__(self, options: ComponentOptions | None = None) -> None:
        self.options = self.Options() if options is None else options

    @abstractmethod
    def distance(self, first: Order, second: Order) -> float:
        """How far two orders are apart.

        Raises:
            ReorderKitError: if they are not static orders of equally many patches.
        """
