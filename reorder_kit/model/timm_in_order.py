"""A timm model with an order put into it."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.model.timm_reading import ORDER, TimmReading
from reorder_kit.orders.order import Order

M = TypeVar("M", bound=nn.Module)


class TimmInOrder(nn.Module):
    """A timm model whose blocks read its patches in an order; images to outputs, as before.

    ``model`` is a model of the same class. It shares all layers and weights with the one that was given, which still
    reads row-major. Of a partial order, it reads the patches that have a slot. ``train``, ``eval`` and
    ``load_state_dict`` of either act on both. What is replaced in one later, such as a classifier, is not replaced in
    the other.

    Args:
        model: a model of timm.
        reading: how it reads.
        order: a static order of its grid.
    """

    def __init__(self, model: nn.Module, reading: TimmReading, order: Order) -> None:
        super().__init__()
        self.reading, self.order = reading, order
        device = next(model.parameters()).device
        given = getattr(model, reading.after)
        last = _sharing(given)
        # Neither in the state, whose keys stay those of timm, nor in the hook: it moves with the model.
        last.register_buffer(ORDER, order.indices.to(device, copy=True), persistent=False)
        last.register_forward_hook(_InOrder(reading))
        last.register_forward_pre_hook(_Following(given))
        inner: Any = _sharing(model)
        setattr(inner, reading.after, last)
        inner.forward_intermediates = _no_maps
        inner.register_forward_pre_hook(_Following(model))
        inner.train = _TrainBoth(inner, model)
        self.model = inner

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Any:
        """What the model gives, which is outputs in most cases.

        Raises:
            ReorderKitError: if the images have another size than the model was built for.
        """
        return self.model(self._of_the_size(images))

    def forward_features(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch token dim"]:
        """The tokens after the last block: prefix tokens, then the patch of each slot, **in reading order**.

        Raises:
            ReorderKitError: if the images have another size than the model was built for.
        """
        inner: Any = self.model
        tokens: Tensor = inner.forward_features(self._of_the_size(images))
        return tokens

    def extra_repr(self) -> str:
        """The order and the grid."""
        return f"{self.order!r} on the {self.reading.grid} grid"

    def _of_the_size(self, images: Tensor) -> Tensor:
        if tuple(images.shape[-2:]) != self.reading.image:
            wanted, given = ("x".join(map(str, size)) for size in (self.reading.image, images.shape[-2:]))
            raise ReorderKitError(
                f"{self.reading.name}, built for images of {wanted} pixels, was given images of {given}",
                "resize the images, or build the model with img_size and wrap it then",
            )
        return images


def _no_maps(*arguments: Any, **named: Any) -> None:
    raise ReorderKitError(
        "forward_intermediates would draw maps of patches in reading order", "call it on the model that was wrapped"
    )


class _InOrder:
    """A hook that puts patches in order behind their prefix tokens. A class, since functions cannot be pickled."""

    def __init__(self, reading: TimmReading) -> None:
        self.prefix, self.num_tokens = reading.prefix, reading.num_tokens

    def __call__(self, module: nn.Module, inputs: Any, tokens: Tensor) -> Tensor:
        if tokens.shape[1] != self.num_tokens:
            raise ReorderKitError(
                f"{tokens.shape[1]} tokens arrived where the order was made for {self.num_tokens}",
                "the model was changed after it was wrapped; wrap it again",
            )
        order = module.get_buffer(ORDER)
        return torch.cat([tokens[:, : self.prefix], tokens[:, self.prefix :][:, order]], dim=1)


class _Following:
    """A hook: before a module is called, it takes the mode of the one whose layers it shares."""

    def __init__(self, given: nn.Module) -> None:
        self.given = given

    def __call__(self, module: nn.Module, inputs: Any) -> None:
        if module.training != self.given.training:
            module.training = self.given.training


class _TrainBoth:
    """In place of ``train``: both models get the mode, and so do the modules that they do not share."""

    def __init__(self, inner: nn.Module, given: nn.Module) -> None:
        self.inner, self.given = inner, given

    def __call__(self, mode: bool = True) -> nn.Module:
        type(self.inner).train(self.inner, mode)
        self.given.train(mode)
        return self.inner


def _sharing(module: M) -> M:
    """Another module with the same layers, weights and hooks; what is set in one is not set in the other."""
    shared = module.__new__(type(module))
    for name, value in vars(module).items():
        shared.__dict__[name] = value.copy() if isinstance(value, dict | set) else value
    return shared
