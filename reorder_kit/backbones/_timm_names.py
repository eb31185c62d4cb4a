"""Names of timm models. Imported only if a recipe gives one, because importing timm takes seconds."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cache

import timm

from reorder_kit.errors import MOST_SHOWN, ReorderKitError, quoted
from reorder_kit.model.timm_reading import READABLE, why_not

SUGGESTIONS = 3


def require_readable(name: str) -> None:
    """Refuse names that timm does not have, models that cannot read in another order, and unknown tags.

    What the name alone does not show is checked when the model is built.

    Args:
        name: timm's name of the model, with or without the tag of its weights.

    Raises:
        ReorderKitError: with the closest names, or the reason.
    """
    architecture, _, tag = name.partition(".")
    if not timm.is_model(name):
        raise ReorderKitError(f"timm has no model {quoted(name)}", closest(architecture, readable_names()))
    kind = class_of(architecture)
    reason = None if kind is None else why_not(kind)
    if reason is not None:
        raise ReorderKitError(
            f"{architecture} (timm's {kind}) cannot read in another order: {reason}",
            "name one such as vit_small_patch16_224, vit_small_patch16_dinov3 or beit_base_patch16_224",
        )
    weights = tuple(timm.list_pretrained(f"{architecture}.*")) if tag else (name,)
    if name not in weights:
        raise ReorderKitError(f"timm has no weights {quoted(name)}", f"{closest(name, weights)}, or leave .{tag} out")


@cache
def readable_names() -> tuple[str, ...]:
    """The models whose annotated class can read in another order."""
    return tuple(name for name in timm.list_models() if class_of(name) in READABLE)


def class_of(architecture: str) -> str | None:
    """The timm class of a model; None if its function is not annotated with one."""
    built = timm.model_entrypoint(architecture).__annotations__.get("return")
    name = built if isinstance(built, str) else getattr(built, "__name__", None)
    return name if name != "Module" else None


def closest(name: str, known: Sequence[str]) -> str:
    """A hint with the known names closest to a given one, or another suggestion.

    Args:
        name: the given name.
        known: names of models, or of a model's weights.
    """
    # Comparison time grows with the square of the length.
    alike = _of_a_like_family(name, known) if len(name) <= MOST_SHOWN else []
    found = difflib.get_close_matches(name, alike, n=SUGGESTIONS, cutoff=0.5)
    if not found:
        return "name one such as vit_small_patch16_224" if len(known) > SUGGESTIONS else "timm has none for this model"
    *others, last = map(repr, found)
    return f"did you mean {', '.join(others)} or {last}?" if others else f"did you mean {last}?"


def _of_a_like_family(name: str, known: Sequence[str]) -> list[str]:
    """Names that are similar before the patch size; the rest, such as ``_patch16_224``, is common to most models."""
    families = {_family(each) for each in known}
    alike = set(difflib.get_close_matches(_family(name), families, n=max(1, len(families)), cutoff=0.6))
    return [each for each in known if _family(each) in alike]


def _family(name: str) -> str:
    return name.partition(".")[0].partition("_patch")[0]
