"""How close an order comes to the known answer, for data with a hidden order."""

from __future__ import annotations

from reorder_kit.ops.planted_chain import restored_neighbours
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.runs.result import RestoredChain, UndoneScramble


def planted_figures(
    scramble: Order | None, hidden: Order | None, order: Order, grid: Grid
) -> UndoneScramble | RestoredChain | None:
    """Compare an order with the hidden one; None if the data does not hide one.

    Args:
        scramble: the order by which the recipe scrambled the images.
        hidden: the order that the data source hides.
        order: an order of the patches as the model sees them, the same for all images.
        grid: the backbone's grid.
    """
    if scramble is not None:
        return UndoneScramble(
            hidden=scramble.indices.tolist(),
            adjacency_in_true_image=scramble.compose(order).adjacency(grid),
            kendall_tau_to_undone=order.kendall_tau(scramble.inverse()),
        )
    # A backbone with another patch size sees patches other than the hidden ones.
    if hidden is None or hidden.num_patches != grid.num_patches:
        return None
    return RestoredChain(
        hidden=hidden.indices.tolist(),
        restored_neighbours=restored_neighbours(order, hidden),
        of=hidden.num_slots - 1,
    )
