"""Kendall's distance: pairs of patches that two orders read the other way round."""

from __future__ import annotations

from reorder_kit.interfaces import Order, OrderMeasure
from reorder_kit.interfaces.hookspecs import hookimpl


class Kendall(OrderMeasure):
    """The share of pairs of patches that one order reads in one sequence and the other in the opposite one.

    0 for equal orders, 1 for reversed ones. Source: Kendall, A new measure of rank correlation, Biometrika 1938.
    """

    name = "kendall"

    def distance(self, first: Order, second: Order) -> float:
        """From Kendall's rank correlation, which runs from 1 to -1.

        >>> swapped = Order([1, 0, 2, 3])  # one of the six pairs
        >>> round(Kendall().distance(Order.identity(4), swapped), 3)
        0.167
        >>> Kendall().distance(Order.identity(4), Order([3, 2, 1, 0]))
        1.0
        """
        return (1 - first.kendall_tau(second)) / 2


@hookimpl
def register_order_measures() -> list[type[OrderMeasure]]:
    return [Kendall]
