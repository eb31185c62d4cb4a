"""Orders, in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from reorder_kit.errors import RecipeError
from reorder_kit.host.installed import installed_plugins
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.recipe.problems import problems_of

if TYPE_CHECKING:
    from reorder_kit.host.plugin_host import PluginHost


def order(name: str, height: int, width: int, host: PluginHost | None = None, **options: Any) -> Order:
    """The order that an ordering gives for a grid.

    >>> order("snake", 2, 2).indices.tolist()
    [0, 1, 2, 3]

    Args:
        name: of the ordering.
        height: rows of patches.
        width: columns of patches.
        host: the plugins; all installed ones if not given.
        options: of the ordering, such as ``reverse=True``.

    Raises:
        ReorderKitError: if there is no such ordering or option.
    """
    host = host or installed_plugins()
    ordering = host.orderings.get(name)
    try:
        checked = ordering.Options.model_validate(options, context={"host": host})
    except ValidationError as error:
        raise RecipeError(problems_of(error, ordering.Options), f"ordering {name!r}") from None
    return ordering(checked).order(Grid(height, width))
