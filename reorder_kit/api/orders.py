"""Orders, in Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reorder_kit.caller import Caller
from reorder_kit.experiment.find_order import order_by_name
from reorder_kit.experiment.order_source import order_from
from reorder_kit.host.installed import installed_plugins
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

if TYPE_CHECKING:
    from reorder_kit.host.plugin_host import PluginHost


def order(name: str, height: int, width: int, host: PluginHost | None = None, **options: Any) -> Order:
    """Build the order of an ordering for a grid.

    >>> order("snake", 2, 2).indices.tolist()
    [0, 1, 2, 3]

    Args:
        name: the name of the ordering.
        height: rows of patches.
        width: columns of patches.
        host: the plugins; all installed ones if not given.
        options: options of the ordering, such as ``reverse=True``.

    Raises:
        ReorderKitError: if the ordering or an option does not exist.
    """
    return order_by_name(name, host or installed_plugins(), Grid(height, width), options)


def load_order(
    source: str | Path | Order | Sequence[int] | Any,
    grid: Grid | str | Sequence[int] | None = None,
    host: PluginHost | None = None,
) -> Order:
    """Load an order from a file, a run, an array, or an ordering.

    The order knows its grid unless it comes from an array or a ``.npy`` file and no grid is given: 196 patches could be
    14x14 or 7x28, and the grid is never guessed.

    >>> load_order([0, 2, 1, 3], grid=(2, 2)).grid
    Grid(height=2, width=2, frames=1)

    Args:
        source: a file (``.json``, ``.npy``, ``.safetensors``); the folder of a finished run, a loaded run, or a result
            that knows its folder; the patch in each slot, as an array, tensor or list; an order; or the name of an
            ordering. Text that names an ordering means the ordering, with a warning if a file or folder has the same
            name; ``"./row"`` and ``Path("row")`` mean the file.
        grid: the grid that the order must have, as ``(14, 14)``, ``"14x14"`` or a :class:`Grid`; required for the name
            of an ordering, and for an array or a ``.npy`` file that leaves patches out.
        host: the plugins; all installed ones if not given.

    Raises:
        ReorderKitError: if the source does not exist, holds no order or is damaged, or if its order has another grid.

    Warns:
        ReorderKitWarning: if the run has no single order and this is its consensus; if it orders again before a later
            block and this is the composed order; or if a file has the same name as the ordering.
    """
    found = order_from(source, None if grid is None else Grid.of(grid), host)
    caller = Caller.here()
    for doubt in found.doubts:
        caller.warn(doubt)
    return found.order
