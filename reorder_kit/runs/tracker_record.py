"""What has been sent to an experiment tracker, so that a resumed run sends nothing twice."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reorder_kit.runs.record import Count, VersionedRecord


class TrackerRecord(VersionedRecord):
    """The content of ``trackers/NAME.json``.

    Args:
        id: the tracker's id of the run.
        epochs: the number of epochs sent.
    """

    version = 1

    id: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    epochs: Count
