"""Where a timm model can be reordered, or why it cannot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.model.timm_positions import ABSOLUTE, BIASED, ROTARY, bias_holders
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

ORDER = "reading_order"
"""The buffer that holds the order, in the module whose output is put in order."""

_AFTER = {
    "VisionTransformer": "norm_pre",
    "VisionTransformerDistilled": "norm_pre",
    "Eva": "norm_pre",
    "Cait": "pos_drop",
    "Beit": "pos_drop",
    "VisionTransformerRelPos": "patch_embed",
}
"""timm classes whose blocks see a set of tokens, with the last module before the blocks, after adding positions."""

READABLE = tuple(_AFTER)
"""timm classes that can read in another order."""

_FORWARD = ("forward", "forward_features", "forward_head", "pool", "_pos_embed")
_SLOTWISE = "its blocks have positions that follow the slot, so another order would move them"
_MERGING = "it computes its rotary positions for every image, in its own encoder"
_TWO_DIMENSIONAL = "its blocks work on the 2-D image, not on a sequence of patches"
_WHY_NOT = {
    "ConVit": "its gated attention has positions that follow the slot, so another order would move the positions",
    "CrossVit": "it reads two sequences, of small and of large patches",
    "DeepseekVitClassifier": _MERGING,
    "DeepseekVitEncoder": _MERGING,
    "Gemma4VitClassifier": _MERGING,
    "Gemma4VitEncoder": _MERGING,
    "MlpMixer": "its blocks have separate weights for each slot",
    "NaFlexVit": "its grid of patches may change with every batch",
    "Qwen3VitClassifier": _MERGING,
    "Qwen3VitEncoder": _MERGING,
    "TNT": "its blocks read the pixels of each patch besides its token",
    "VisionTransformerSAM": "its windows and relative positions follow the 2-D grid of patches",
    "Xcit": "its blocks convolve over the 2-D grid of patches",
}
_BY_SLOT = re.compile(r"\b(rope|rotary)|rel_pos|relative_|attention_bias")
_OTHER_MODEL = "use one such as vit_small_patch16_224, vit_small_patch16_dinov3 or beit_base_patch16_224"
_WRAPPERS = {
    "OptimizedModule": "wrap the model first, then compile it",
    "DataParallel": "pass its .module",
    "DistributedDataParallel": "pass its .module",
    "FeatureGetterNet": "create the model without features_only",
    "FeatureListNet": "create the model without features_only",
    "TimmInOrder": "wrap the original model",
}


@dataclass(frozen=True)
class TimmReading:
    """How a timm model reads its patches.

    Args:
        name: timm's name of the model, or the name of its class.
        kind: its class in timm.
        after: the module whose output, with absolute positions added, goes into the blocks.
        prefix: number of tokens before the patches in the blocks: CLS, distillation, registers.
        positions: positions passed to the blocks along with the tokens: ``rotary``, ``biased``, or none (``absolute``).
        takes_mask: whether attention can be masked.
        grid: the grid of patches.
        image: height and width of the images it was built for, in pixels.
        overlaps: whether a patch also contains pixels of its neighbors.
    """

    name: str
    kind: str
    after: str
    prefix: int
    grid: Grid
    image: tuple[int, int]
    positions: str = ABSOLUTE
    takes_mask: bool = True
    overlaps: bool = False

    @property
    def before(self) -> int:
        """Tokens before the patches in the output of ``after``."""
        return 0 if self.after == "patch_embed" else self.prefix

    def require_all_patches_if_they_overlap(self, order: Order) -> None:
        """Check that patches left out by an order stay unread.

        Raises:
            ReorderKitError: if patches with a slot contain pixels of patches without one.
        """
        if self.overlaps and not order.is_full:
            left_out = order.num_patches - order.num_slots
            raise ReorderKitError(
                f"{self.name} makes each patch from pixels of its neighbors as well, so it would read some of the "
                f"{left_out} patches that the order leaves out",
                "use an order of all patches, or a model whose patches do not overlap",
            )


def reading_of(model: nn.Module) -> TimmReading:
    """How a model reads its patches; nothing is computed, so its tensors may be on the meta device.

    Raises:
        ReorderKitError: if it is not a timm model, or if another order would change more than the order.
    """
    kind = _timm_class(model)
    name = _name_of(model)
    after = _AFTER.get(kind.__name__)
    if after is None:
        raise _refused(name, kind, why_not(kind.__name__) or _TWO_DIMENSIONAL)
    reason = next(_obstacles(model, kind, after), None)
    if reason is not None:
        raise _refused(name, kind, *reason)
    found: Any = model
    embed = found.patch_embed
    is_cait = kind.__name__ == "Cait"
    height, width = embed.img_size
    return TimmReading(
        name,
        kind.__name__,
        after,
        0 if is_cait else found.num_prefix_tokens,  # Cait's CLS token comes after its blocks
        Grid(*embed.grid_size),
        (height, width),
        _positions_of(found, kind.__name__),
        takes_mask=not is_cait,
        overlaps=any(_sees_neighbors(layer) for layer in embed.modules()),
    )


def why_not(kind: str) -> str | None:
    """Why models of a timm class cannot read in another order; None if some can."""
    return None if kind in _AFTER else _WHY_NOT.get(kind, _TWO_DIMENSIONAL)


def _sees_neighbors(layer: Any) -> bool:
    """Whether a layer of the patch embedding reads pixels outside a patch, as the stem of a ResNet does."""
    if isinstance(layer, nn.GroupNorm):  # over the whole image
        return True
    if not hasattr(layer, "kernel_size"):
        return False
    kernel, stride, padding = (
        value if isinstance(value, tuple) else (value, value)
        for value in (layer.kernel_size, layer.stride, layer.padding)
    )
    return padding != (0, 0) or any(wide > far for wide, far in zip(kernel, stride, strict=True))


def _positions_of(model: Any, kind: str) -> str:
    if kind == "Eva":
        return ABSOLUTE if model.rope is None else ROTARY
    if kind in ("Beit", "VisionTransformerRelPos"):
        return ABSOLUTE if next(bias_holders(model), None) is None else BIASED
    return ABSOLUTE


def _timm_class(model: nn.Module) -> type:
    """The timm class of a model, or the one it derives from."""
    for cls in type(model).__mro__:
        if cls.__module__.startswith("timm.models."):
            return cls
    what = type(model).__name__
    article = "an" if what[0] in "AEIOUaeiou" else "a"
    raise ReorderKitError(
        f"expected a timm model, got {article} {what}",
        _WRAPPERS.get(what, "pass one with patches, such as timm.create_model('vit_small_patch16_224')"),
    )


def _name_of(model: nn.Module) -> str:
    known = getattr(model, "pretrained_cfg", None)
    name = known.get("architecture") if isinstance(known, dict) else None
    return str(name or type(model).__name__)


def _refused(name: str, kind: type, reason: str, hint: str = _OTHER_MODEL) -> ReorderKitError:
    which = name if name == kind.__name__ else f"{name} (timm's {kind.__name__})"
    return ReorderKitError(f"{which} cannot read in another order: {reason}", hint)


def _obstacles(model: nn.Module, kind: type, after: str) -> Iterator[tuple[str, ...]]:
    """Reasons why an instance cannot, although its class can; some come with their own hint."""
    if hasattr(getattr(model, after, None), ORDER):
        yield "it already has an order", "wrap the original model, or create a new one"
    changed = [name for name in _FORWARD if name in vars(model) or _is_changed(type(model), kind, name)]
    if changed:
        yield f"its {changed[0]} is not timm's", "use order.apply on its tokens after positions are added"
    if kind.__name__ not in ("Eva", "Beit", "VisionTransformerRelPos"):
        tensors = (name for named in (model.named_parameters(), model.named_buffers()) for name, _ in named)
        if any(_BY_SLOT.search(name) for name in (*(name for name, _ in model.named_modules()), *tensors)):
            yield (_SLOTWISE,)
    if not isinstance(getattr(model, "patch_drop", None), nn.Identity | None):
        yield "it drops patches at random", "build it with patch_drop_rate=0"
    pool = getattr(model, "attn_pool", None)
    if getattr(pool, "pos_embed", None) is not None:
        yield ("its pooling adds positions by slot",)
    if not model.global_pool and pool is None:
        yield "it has no readout, so it would return its tokens in another order", "build it with global_pool='avg'"
    if getattr(model.patch_embed, "grid_size", None) is None:
        yield "it was built without an image size", "build it with img_size"


def _is_changed(cls: type, kind: type, method: str) -> bool:
    return getattr(cls, method, None) is not getattr(kind, method, None)
