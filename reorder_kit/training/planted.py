"""How near an order comes to the known answer, for data with a hidden order."""

from __future__ import annotations

from typing import Any

from reorder_kit.ops.planted_chain import restored_neighbours
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order


def planted_figures(scramble: Order | None, hidden: Order | None, order: Order, grid: Grid) -> dict[str, Any] | None:
    """An order beside the hidden one; None if the data hide none.

    Where the recipe scrambles images, ``hidden[k]`` is the true patch that was put into place k: the adjacency is that
    of the true image, and Kendall's tau is to the order that undoes the scramble. Where the data source hides an order
    itself, ``hidden`` is that order, and its neighbours are counted that the order has side by side.

    Args:
        scramble: the order that the recipe scrambled the images by.
        hidden: the order that the data source hides.
        order: an order of the patches as the model sees them, the same for all images.
        grid: the backbone's grid.
    """
    if scramble is not None:
        return {
            "hidden": scramble.indices.tolist(),
            "adjacency_in_true_image": scramble.compose(order).adjacency(grid),
            "kendall_tau_to_undone": order.kendall_tau(scramble.inverse()),
        }
    # A backbone with patches of its own size sees other patches than those that were hidden.
    if hidden is None or hidden.num_patches != grid.num_patches:
        return None
    return {
        "hidden": hidden.indices.tolist(),
        "restored_neighbours": restored_neighbours(order, hidden),
        "of": hidden.num_slots - 1,
    }
