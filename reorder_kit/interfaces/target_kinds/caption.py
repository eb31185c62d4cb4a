"""The target kind ``caption``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reorder_kit.interfaces.target_kind import TargetKind
from reorder_kit.interfaces.target_kinds._arrays import shown
from reorder_kit.orders.image_shape import ImageShape


class CaptionKind(TargetKind):
    """A text, or several texts, that say what the image shows: a ``str`` or a list of ``str``."""

    name = "caption"

    def collate(self, items: Sequence[Any]) -> list[Any]:
        """A list, as the samples have them."""
        return list(items)

    def misfit(self, target: Any, classes: Sequence[str], image: ImageShape) -> str | None:
        """Anything other than text."""
        texts = target if isinstance(target, list | tuple) else [target]
        return None if texts and all(isinstance(text, str) for text in texts) else f"is {shown(target)}, not text"


CAPTION = CaptionKind()
