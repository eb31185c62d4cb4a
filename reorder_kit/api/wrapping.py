"""Timm models that read their patches in an order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from reorder_kit.caller import Caller
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.order_source import order_from
from reorder_kit.model.timm_in_order import TimmInOrder
from reorder_kit.model.timm_reading import reading_of
from reorder_kit.orders.order import Order

if TYPE_CHECKING:
    from reorder_kit.host.plugin_host import PluginHost


def wrap(
    model: nn.Module, order: Order | str | Path | Sequence[int] | Any, host: PluginHost | None = None
) -> TimmInOrder:
    """Wrap a timm model so that it reads its patches in an order; inputs and outputs stay the same.

    The weights are shared, not copied, and the model itself is unchanged. A partial order leaves patches out; it is
    refused if patches overlap, as those of a ResNet stem do. Rotary positions and relative biases are reordered as
    well. Models whose blocks work on the 2-D grid are refused.

    Args:
        model: an isotropic timm model: a VisionTransformer, with or without CLS, distillation and register tokens, an
            Eva (EVA-02, DINOv3, PE, RoPE-ViT), a Beit, a VisionTransformerRelPos, or a Cait.
        order: what :func:`reorder_kit.load_order` takes: an order, the name of an ordering, a file, a run, or an array.
        host: the plugins with the orderings; all installed ones if not given.

    Raises:
        ReorderKitError: if the model cannot read in another order, the order does not fit its grid, or the order is
            partial and patches overlap.

    Warns:
        UserWarning: as :func:`reorder_kit.load_order`, about a run that has no single order.
    """
    reading = reading_of(model)
    try:
        found = order_from(order, reading.grid, host)
    except ReorderKitError as error:
        raise ReorderKitError(f"{error.message}; {reading.name} has a {reading.grid} grid", error.hint) from None
    if not found.order.is_static:
        raise ReorderKitError(
            f"{found.order!r} has an order for each image, but a wrapped model reads all images in one order",
            "give a static order",
        )
    reading.require_all_patches_if_they_overlap(found.order)
    for doubt in found.doubts:
        Caller.here().warn(doubt)
    return TimmInOrder(model, reading, found.order)
