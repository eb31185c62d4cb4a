"""An order in a line of text."""

from __future__ import annotations

from reorder_kit.orders.order import Order

_MOST_SHOWN, _FIRST, _LAST = 16, 8, 4
"""Longest order whose patch numbers are all shown, and how many are shown at both ends of a longer one."""


def order_in_words(order: Order) -> str:
    """Its number of slots and patches, its grid, and the patches at both ends.

    >>> order_in_words(Order([2, 0, 1]))
    'Order(3 of 3 patches: 2 0 1)'
    """
    shape = "x".join(str(size) for size in order.indices.shape)
    grid = "" if order.grid is None else f", {order.grid} grid"
    if not order.is_static or order.indices.device.type == "meta":  # a meta tensor has no numbers
        return f"Order({shape} of {order.num_patches} patches{grid})"
    numbers = order.indices
    if len(order) > _MOST_SHOWN:
        shown = [*map(str, numbers[:_FIRST].tolist()), "...", *map(str, numbers[-_LAST:].tolist())]
    else:
        shown = list(map(str, numbers.tolist()))
    return f"Order({shape} of {order.num_patches} patches{grid}: {' '.join(shown)})"
