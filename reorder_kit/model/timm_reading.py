"""Where a timm model can be given another reading order, or why it cannot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.grid import Grid

ORDER = "reading_order"
"""The buffer that holds the order, in the module after which the patches are put in order."""

_AFTER = {
    "VisionTransformer": "norm_pre",
    "VisionTransformerDistilled": "norm_pre",
    "Eva": "norm_pre",
    "Cait": "pos_drop",
}
"""Classes of timm whose blocks see a set of tokens with absolute positions, and the last module before those blocks."""

_FORWARD = ("forward", "forward_features", "forward_head", "pool", "_pos_embed")
_ROTARY = "rotary positions follow the slot, so another order would move the positions"
_BIASED = "relative position biases follow the slot, so another order would move the positions"
_TWO_DIMENSIONAL = "its blocks work on the 2-D image, not on a sequence of patches"
_WHY_NOT = {
    "Beit": _BIASED,
    "ConVit": "its gated attention has positions that follow the slot, so another order would move the positions",
    "CrossVit": "it reads two sequences, of small and of large patches",
    "DeepseekVitClassifier": _ROTARY,
    "DeepseekVitEncoder": _ROTARY,
    "Gemma4VitClassifier": _ROTARY,
    "Gemma4VitEncoder": _ROTARY,
    "MlpMixer": "its blocks have weights of their own for each slot",
    "NaFlexVit": "its patches may form another grid in every batch",
    "Qwen3VitClassifier": _ROTARY,
    "Qwen3VitEncoder": _ROTARY,
    "TNT": "its blocks read the pixels of each patch beside its token",
    "VisionTransformerRelPos": _BIASED,
    "VisionTransformerSAM": "its windows and relative positions follow the 2-D grid of patches",
    "Xcit": "its blocks convolve over the 2-D grid of patches",
}
_BY_SLOT = (
    (re.compile(r"\b(rope|rotary)"), _ROTARY),
    (re.compile(r"rel_pos|relative_|attention_bias"), _BIASED),
)
_OTHER_MODEL = "use one with absolute positions, such as vit_small_patch16_224 or cait_xxs24_224"
_WRAPPERS = {
    "OptimizedModule": "put the order into the model first, and compile it then",
    "DataParallel": "pass its .module",
    "DistributedDataParallel": "pass its .module",
    "FeatureGetterNet": "create the model without features_only",
    "FeatureListNet": "create the model without features_only",
    "TimmInOrder": "wrap the model that you first gave to wrap",
}


@dataclass(frozen=True)
class TimmReading:
    """How a timm model reads its patches.

    Args:
        name: of the model, as timm calls it, or of its class.
        kind: its class in timm.
        after: the module whose output has all tokens, positions added, and goes into the blocks.
        prefix: tokens before the patches in that output: CLS, distillation, registers.
        grid: of patches.
        image: height and width of the images it was built for, in pixels.
    """

    name: str
    kind: str
    after: str
    prefix: int
    grid: Grid
    image: tuple[int, int]

    @property
    def num_tokens(self) -> int:
        """Prefix tokens and patches."""
        return self.prefix + self.grid.num_patches


def reading_of(model: nn.Module) -> TimmReading:
    """How a model reads its patches; nothing is computed, so its tensors may be on the meta device.

    Raises:
        ReorderKitError: if it is no model of timm, or if another order would change more than the order.
    """
    kind = _timm_class(model)
    name = _name_of(model)
    after = _AFTER.get(kind.__name__)
    if after is None:
        raise _refused(name, kind, _WHY_NOT.get(kind.__name__, _TWO_DIMENSIONAL))
    reason = next(_obstacles(model, kind, after), None)
    if reason is not None:
        raise _refused(name, kind, *reason)
    found: Any = model
    embed = found.patch_embed
    prefix = 0 if kind.__name__ == "Cait" else found.num_prefix_tokens  # Cait's CLS token comes after its blocks
    height, width = embed.img_size
    return TimmReading(name, kind.__name__, after, prefix, Grid(*embed.grid_size), (height, width))


def _timm_class(model: nn.Module) -> type:
    """The class of timm that a model is, or derives from."""
    for cls in type(model).__mro__:
        if cls.__module__.startswith("timm.models."):
            return cls
    what = type(model).__name__
    article = "an" if what[0] in "AEIOUaeiou" else "a"
    raise ReorderKitError(
        f"expected a timm model, got {article} {what}",
        _WRAPPERS.get(what, "pass one that has patches, as from timm.create_model('vit_small_patch16_224')"),
    )


def _name_of(model: nn.Module) -> str:
    known = getattr(model, "pretrained_cfg", None)
    name = known.get("architecture") if isinstance(known, dict) else None
    return str(name or type(model).__name__)


def _refused(name: str, kind: type, reason: str, hint: str = _OTHER_MODEL) -> ReorderKitError:
    which = name if name == kind.__name__ else f"{name} (timm's {kind.__name__})"
    return ReorderKitError(f"{which} cannot read in another order: {reason}", hint)


def _obstacles(model: nn.Module, kind: type, after: str) -> Iterator[tuple[str, ...]]:
    """Why an instance cannot, though its class can; with a hint of its own where there is one."""
    changed = [name for name in _FORWARD if name in vars(model) or _is_changed(type(model), kind, name)]
    if changed:
        yield f"its {changed[0]} is not timm's", "put its tokens in order where positions have been added: order.apply"
    tensors = (name for named in (model.named_parameters(), model.named_buffers()) for name, _ in named)
    names = [*(name for name, _ in model.named_modules()), *tensors]
    for pattern, reason in _BY_SLOT:
        if any(pattern.search(name) for name in names):
            yield (reason,)
    if not isinstance(getattr(model, "patch_drop", None), nn.Identity | None):
        yield "it drops patches at random", "build it with patch_drop_rate=0"
    pool = getattr(model, "attn_pool", None)
    if getattr(pool, "pos_embed", None) is not None:
        yield ("its pooling adds positions by slot",)
    if not model.global_pool and pool is None:
        yield "it has no readout, so its tokens would leave it in another order", "build it with global_pool='avg'"
    if getattr(model.patch_embed, "grid_size", None) is None:
        yield "it was built without a size of images", "build it with img_size"
    if hasattr(getattr(model, after), ORDER):
        yield "it has an order already", "wrap the model that you first gave to wrap, or create it anew"


def _is_changed(cls: type, kind: type, method: str) -> bool:
    return getattr(cls, method, None) is not getattr(kind, method, None)
