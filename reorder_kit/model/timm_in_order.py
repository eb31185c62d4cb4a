"""A timm model that reads in a given order."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.model.timm_positions import BIASED, ROTARY, bias_holders, bias_in_order, rope_in_order
from reorder_kit.model.timm_reading import ORDER, TimmReading
from reorder_kit.orders.order import Order

M = TypeVar("M", bound=nn.Module)
_INNER = "model."
_START = re.compile(r"(?<![\[\\])\^")
"""The anchor at the start of a name, in a pattern."""


class TimmInOrder(nn.Module):
    """A timm model whose blocks read its patches in a given order; it maps images to outputs, as before.

    ``model`` is a model of the same class. It shares all layers and weights with the given model, which still reads
    row-major. With a partial order, it reads only the patches that have a slot. ``train``, ``eval`` and
    ``load_state_dict`` of either act on both, and so do :meth:`reset_classifier` and :meth:`set_grad_checkpointing`.
    Other changes to the modules of ``model`` do not affect the given model. ``state_dict`` has the keys of timm.

    Args:
        model: a timm model.
        reading: how it reads.
        order: a static order on its grid.
    """

    def __init__(self, model: nn.Module, reading: TimmReading, order: Order) -> None:
        super().__init__()
        self.reading, self.order = reading, order
        inner: Any = _Copies(model).in_order(reading, order)
        inner.forward_intermediates = _no_maps
        inner.train = _TrainBoth(inner, model)
        self.model = inner
        self._given = _Unregistered(model)
        self.register_forward_pre_hook(_Following(model))
        hooked: Any = self
        hooked.register_state_dict_post_hook(_without_prefix)
        hooked.register_load_state_dict_pre_hook(_with_prefix)

    @property
    def num_features(self) -> int:
        """Width of the features."""
        inner: Any = self.model
        return int(inner.num_features)

    @property
    def embed_dim(self) -> int:
        """Width of the tokens."""
        inner: Any = self.model
        return int(inner.embed_dim)

    @property
    def num_classes(self) -> int:
        """Outputs of the classifier."""
        inner: Any = self.model
        return int(inner.num_classes)

    @property
    def pretrained_cfg(self) -> dict[str, Any]:
        """timm's metadata of the weights, such as mean and standard deviation of the images."""
        inner: Any = self.model
        known: dict[str, Any] = inner.pretrained_cfg
        return known

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Any:
        """What the model returns, usually outputs.

        Raises:
            ReorderKitError: if the images do not have the size that the model was built for.
        """
        return self.model(self._of_the_size(images))

    def forward_features(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch token dim"]:
        """The tokens after the last block: prefix tokens, then the patch of each slot, **in reading order**.

        Raises:
            ReorderKitError: if the images do not have the size that the model was built for.
        """
        inner: Any = self.model
        tokens: Tensor = inner.forward_features(self._of_the_size(images))
        return tokens

    def forward_head(self, tokens: Float[Tensor, "batch token dim"], pre_logits: bool = False) -> Tensor:
        """Apply the model's head to the tokens of :meth:`forward_features`.

        Args:
            tokens: prefix tokens, then slots.
            pre_logits: the readout before the classifier.
        """
        inner: Any = self.model
        outputs: Tensor = inner.forward_head(tokens, pre_logits=pre_logits)
        return outputs

    def get_classifier(self) -> nn.Module:
        """The last layer."""
        inner: Any = self.model
        classifier: nn.Module = inner.get_classifier()
        return classifier

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the classifier, also in the wrapped model.

        Args:
            num_classes: number of outputs; 0 removes the classifier.
            global_pool: the readout, by timm's name; unchanged if not given.
        """
        given: Any = self._given.module
        inner: Any = self.model
        ours = {name: module for name, module in inner._modules.items() if module is not given._modules.get(name)}
        own = {name: value for name, value in vars(inner).items() if callable(value) or name.startswith("_")}
        given.reset_classifier(num_classes, *([] if global_pool is None else [global_pool]))
        inner.__dict__.update({name: value for name, value in vars(given).items() if name not in own})
        inner._modules.update({name: module for name, module in given._modules.items() if name not in ours})

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute blocks in the backward pass, also in the wrapped model."""
        both: Any = (self.model, self._given.module)
        for each in both:
            each.set_grad_checkpointing(enable)

    def no_weight_decay(self) -> set[str]:
        """The parameters that timm does not decay, by their names in ``named_parameters``."""
        inner: Any = self.model
        return {_INNER + name for name in inner.no_weight_decay()}

    def group_matcher(self, coarse: bool = False) -> dict[str, Any] | Callable[[str], Any]:
        """How timm groups parameters by layer, by their names in ``named_parameters``."""
        inner: Any = self.model
        found: dict[str, Any] | Callable[[str], Any] = _of_inner(inner.group_matcher(coarse=coarse))
        return found

    def extra_repr(self) -> str:
        """The order and the grid."""
        return f"{self.order!r} on the {self.reading.grid} grid"

    def _of_the_size(self, images: Tensor) -> Tensor:
        if tuple(images.shape[-2:]) != self.reading.image:
            wanted, given = ("x".join(map(str, size)) for size in (self.reading.image, images.shape[-2:]))
            raise ReorderKitError(
                f"{self.reading.name}, built for images of {wanted} pixels, was given images of {given}",
                "resize the images, or build the model with img_size, then wrap it",
            )
        return images


def _without_prefix(module: nn.Module, state: dict[str, Any], prefix: str, metadata: dict[str, Any]) -> None:
    """A hook after ``state_dict``: restore the keys of timm."""
    inner = prefix + _INNER
    for names in (state, getattr(state, "_metadata", {})):
        for name in [name for name in names if f"{name}.".startswith(inner)]:
            names[prefix + name[len(inner) :] if len(name) > len(inner) else prefix[:-1]] = names.pop(name)


def _with_prefix(module: nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    """A hook before a state is loaded: turn its keys into those of the modules."""
    for name in [name for name in state if name.startswith(prefix)]:
        state[prefix + _INNER + name[len(prefix) :]] = state.pop(name)


def _of_inner(matcher: Any) -> Any:
    """Adapt a matcher of timm, or one of its patterns, to names in the inner model."""
    if callable(matcher):
        return lambda name: matcher(name.removeprefix(_INNER))
    if isinstance(matcher, dict):
        return {group: _of_inner(patterns) for group, patterns in matcher.items()}
    if isinstance(matcher, list | tuple):
        # Patterns, each alone or followed by the number of a layer.
        return [
            (_of_inner(each[0]), *each[1:]) if isinstance(each, list | tuple) else _of_inner(each) for each in matcher
        ]
    # timm matches patterns from the start of a name, with or without an anchor.
    return re.escape(_INNER) + f"(?:{_START.sub('', matcher)})"


def _no_maps(*arguments: Any, **named: Any) -> None:
    raise ReorderKitError(
        "forward_intermediates would return maps of patches in reading order", "call it on the original model"
    )


class _Copies:
    """Copies of a model and of some of its modules, which share everything else with it."""

    def __init__(self, model: nn.Module) -> None:
        self.given = model
        self.inner: Any = _sharing(model)
        self.copied: dict[str, Any] = {"": self.inner}

    def in_order(self, reading: TimmReading, order: Order) -> nn.Module:
        """Return the copy of the model, with patches and positions in order."""
        indices = order.indices.to(next(self.given.parameters()).device, copy=True)
        last = self.of(reading.after)
        last._buffers = dict(last._buffers)
        # A buffer, not part of the hook, so that it moves with the model; not persistent, so that the state keeps
        # timm's keys.
        last.register_buffer(ORDER, indices, persistent=False)
        tokens = _TokensInOrder(reading)
        if reading.positions == ROTARY:
            self.inner._pos_embed = _PositionsInOrder(self.inner, reading, tokens)
        else:
            last.register_forward_hook(tokens)
        if reading.positions == BIASED:
            for holder in list(bias_holders(self.given)):
                module = self.of(holder.path)
                given = self.given.get_submodule(holder.path)
                setattr(module, holder.method, _BiasInOrder(given, holder.method, last, reading.prefix))
        inner: nn.Module = self.inner
        return inner

    def of(self, path: str) -> Any:
        """The copy of a module, placed in the copies of its parents."""
        if path not in self.copied:
            above, _, name = path.rpartition(".")
            copy = self.copied[path] = _sharing(self.given.get_submodule(path))
            setattr(self.of(above), name, copy)
        return self.copied[path]


class _TokensInOrder:
    """A hook that puts patches in order after their prefix tokens. A class, because closures cannot be pickled."""

    def __init__(self, reading: TimmReading) -> None:
        self.before, self.num_tokens = reading.before, reading.before + reading.grid.num_patches

    def __call__(self, module: nn.Module, inputs: Any, tokens: Tensor) -> Tensor:
        if tokens.shape[1] != self.num_tokens:
            raise ReorderKitError(
                f"got {tokens.shape[1]} tokens, but the order was made for {self.num_tokens}",
                "the model was changed after it was wrapped; wrap it again",
            )
        order = module.get_buffer(ORDER).to(tokens.device)  # the given model may have been moved separately
        return torch.cat([tokens[:, : self.before], tokens[:, self.before :][:, order]], dim=1)


class _PositionsInOrder:
    """Replaces ``_pos_embed`` of an Eva: puts tokens and rotary positions in order."""

    def __init__(self, inner: nn.Module, reading: TimmReading, tokens: _TokensInOrder) -> None:
        self.inner, self.after, self.tokens = inner, reading.after, tokens

    def __call__(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        kind: Any = type(self.inner)
        tokens, rope = kind._pos_embed(self.inner, patches)
        holder = self.inner.get_submodule(self.after)
        order = Order.trusted(holder.get_buffer(ORDER).to(rope.device), rope.shape[-2])
        return self.tokens(holder, (), tokens), rope_in_order(rope, order, len(tokens))


class _BiasInOrder:
    """Replaces the method that returns a bias: returns the same bias in order."""

    def __init__(self, given: nn.Module, method: str, holder: nn.Module, prefix: int) -> None:
        self.given, self.method, self.holder, self.prefix = given, method, holder, prefix

    def __call__(self) -> Tensor:
        bias: Tensor = getattr(self.given, self.method)()
        order = Order.trusted(self.holder.get_buffer(ORDER).to(bias.device), bias.shape[-1] - self.prefix)
        return bias_in_order(bias, order, self.prefix, 1)


class _Following:
    """A hook: before each call, a module takes the mode of the module whose layers it shares."""

    def __init__(self, given: nn.Module) -> None:
        self.given = given

    def __call__(self, module: nn.Module, inputs: Any) -> None:
        if module.training != self.given.training:
            module.training = self.given.training


class _Unregistered:
    """Holds a module without registering it as a child."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module


class _TrainBoth:
    """Replaces ``train``: sets the mode of both models, including the modules that they do not share."""

    def __init__(self, inner: nn.Module, given: nn.Module) -> None:
        self.inner, self.given = inner, given

    def __call__(self, mode: bool = True) -> nn.Module:
        type(self.inner).train(self.inner, mode)
        self.given.train(mode)
        return self.inner


def _sharing(module: M) -> M:
    """Another module with the same layers, weights, hooks and mode.

    Setting an attribute of one does not affect the other, except for weights and buffers, which are shared.
    """
    shared = module.__new__(type(module))
    for name, value in vars(module).items():
        shared.__dict__[name] = value.copy() if isinstance(value, dict | set) else value
    shared._parameters = module._parameters
    shared._buffers = module._buffers
    shared.register_forward_pre_hook(_Following(module))
    return shared
