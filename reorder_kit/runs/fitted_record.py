"""What is determined before a model is built: the content of ``fitted.json``."""

from __future__ import annotations

from typing import Any

from reorder_kit.runs.record import Count, Finite, Record, VersionedRecord


class MeasuredInfluence(Record):
    """The influence that a prior measured in models.

    Args:
        steps: the steps that the models were trained for.
        effective_slots: the number of slots over which influence was spread; of several measurements with the same
            number of steps, the last.
    """

    steps: Count
    effective_slots: Finite


class FittedRecord(VersionedRecord):
    """The content of ``fitted.json``.

    Args:
        fitted: what ``Task.fit`` returned, such as a vocabulary.
        measured: influence that the start's prior measured; None if it measured none.
    """

    version = 1

    fitted: dict[str, Any]
    measured: list[MeasuredInfluence] | None = None
