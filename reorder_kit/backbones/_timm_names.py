"""Names of timm's models: imported only where a recipe gives one, since the import takes seconds."""

from __future__ import annotations

import difflib
from functools import cache

import timm
from timm.models.vision_transformer import VisionTransformer

from reorder_kit.errors import MOST_SHOWN, ReorderKitError, quoted

SUGGESTIONS = 3


def require_vit_name(name: str) -> None:
    """Refuse a name of no VisionTransformer of timm, or with a tag of weights that it does not have.

    Args:
        name: as timm has it, with or without the tag of its weights.

    Raises:
        ReorderKitError: with the closest names.
    """
    architecture, _, tag = name.partition(".")
    if not timm.is_model(name):
        raise ReorderKitError(f"timm has no model {quoted(name)}", _closest(architecture, vit_names()))
    if architecture not in vit_names():
        hint = "name one such as vit_small_patch16_224, or give size"
        raise ReorderKitError(f"timm's {architecture} is no VisionTransformer", hint)
    weights = tuple(timm.list_pretrained(f"{architecture}.*")) if tag else (name,)
    if name not in weights:
        raise ReorderKitError(f"timm has no weights {quoted(name)}", f"{_closest(name, weights)}, or leave .{tag} out")


@cache
def vit_names() -> tuple[str, ...]:
    """The models that are built as VisionTransformers, as their functions are annotated."""
    return tuple(name for name in timm.list_models() if _is_vit(name))


def _is_vit(name: str) -> bool:
    built = timm.model_entrypoint(name).__annotations__.get("return")
    return isinstance(built, type) and issubclass(built, VisionTransformer)


def _closest(name: str, known: tuple[str, ...]) -> str:
    # The time of a comparison grows with the square of the length.
    found = difflib.get_close_matches(name, known, n=SUGGESTIONS, cutoff=0.5) if len(name) <= MOST_SHOWN else []
    if not found:
        return "name one such as vit_small_patch16_224" if len(known) > SUGGESTIONS else "timm has none for this model"
    *others, last = map(repr, found)
    return f"did you mean {', '.join(others)} or {last}?" if others else f"did you mean {last}?"
