"""A model of timm that reads its patches in an order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reorder_kit.backbones.vit import Vit
from reorder_kit.errors import ReorderKitError
from reorder_kit.host.installed import installed_plugins
from reorder_kit.interfaces import Batch, Features
from reorder_kit.model.fixed_policies import FixedOrder
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.orders.order import Order

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer


def wrap(model: VisionTransformer, order: Order | str) -> nn.Module:
    """A timm VisionTransformer that reads its patches in an order; images to the same outputs as before.

    Args:
        model: the model; its weights are shared, not copied.
        order: the order, or the name of an ordering.

    Raises:
        ReorderKitError: if the order does not fit the model's grid.
    """
    if hasattr(model, "head_dist"):
        raise ReorderKitError("a distilled model has a second head, which reads a second token", "wrap one without it")
    backbone = Vit.from_timm(model)
    grid = backbone.grid
    if isinstance(order, str):
        host = installed_plugins()
        ordering = host.orderings.get(order)
        order = ordering(ordering.Options.model_validate({}, context={"host": host})).order(grid)
    if not order.is_static or order.num_patches != grid.num_patches:
        raise ReorderKitError(f"{order!r} is no static order of the model's {grid} grid of {grid.num_patches} patches")
    return _Outputs(OrderedModel(backbone, FixedOrder(order), _TimmHead(model)))


class _TimmHead(nn.Module):
    """The classifier of a timm model, without registering its other parts a second time."""

    def __init__(self, model: VisionTransformer) -> None:
        super().__init__()
        self.head = model.head

    def forward(self, features: Features) -> Float[Tensor, "batch output"]:
        outputs: Float[Tensor, "batch output"] = self.head(features.summary())
        return outputs


class _Outputs(nn.Module):
    """Only the outputs of an ordered model, as other code expects of a model."""

    def __init__(self, model: OrderedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> torch.Tensor:
        outputs: torch.Tensor = self.model(Batch(images)).outputs
        return outputs
