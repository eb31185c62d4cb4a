"""What is settled before a model is built: the content of ``fitted.json``."""

from __future__ import annotations

from typing import Any

from reorder_kit.runs.record import Count, Finite, Record, VersionedRecord


class MeasuredInfluence(Record):
    """Where models looked that a prior asked for.

    Args:
        steps: that they were trained for.
        effective_slots: over how many slots their influence was spread; of several questions with as many steps, that
            of the last.
    """

    steps: Count
    effective_slots: Finite


class FittedRecord(VersionedRecord):
    """The content of ``fitted.json``.

    Args:
        fitted: what ``Task.fit`` returned, such as a vocabulary.
        measured: influence that the prior of the start asked for; None if it asked for none.
    """

    version = 1

    fitted: dict[str, Any]
    measured: list[MeasuredInfluence] | None = None
