"""The target kind ``none``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reorder_kit.interfaces.target_kind import TargetKind


class NoneKind(TargetKind):
    """No target: images alone."""

    name = "none"

    def collate(self, items: Sequence[Any]) -> None:
        """Nothing."""
        return


NONE = NoneKind()
