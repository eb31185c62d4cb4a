"""What an experiment tracker has been told of a run, so that a resumed run tells it nothing twice."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reorder_kit.runs.record import Count, VersionedRecord


class TrackerRecord(VersionedRecord):
    """The content of ``trackers/NAME.json``.

    Args:
        id: by which the tracker knows the run.
        epochs: how many it has been told of.
    """

    version = 1

    id: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    epochs: Count
