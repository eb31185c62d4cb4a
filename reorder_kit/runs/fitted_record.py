"""What the task of a run was fitted to: the content of its ``fitted.json``."""

from __future__ import annotations

from typing import Any

from reorder_kit.runs.record import VersionedRecord


class FittedRecord(VersionedRecord):
    """The content of ``fitted.json``.

    Args:
        fitted: what ``Task.fit`` returned, such as a vocabulary.
    """

    version = 1

    fitted: dict[str, Any]
