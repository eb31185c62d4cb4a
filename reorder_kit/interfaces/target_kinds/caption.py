"""The target kind ``caption``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reorder_kit.interfaces.target_kind import TargetKind


class CaptionKind(TargetKind):
    """A text, or several texts, that say what the image shows: a ``str`` or a list of ``str``."""

    name = "caption"

    def collate(self, items: Sequence[Any]) -> list[Any]:
        """A list, as the samples have them."""
        return list(items)


CAPTION = CaptionKind()
