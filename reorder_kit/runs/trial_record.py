"""The result of a trial: the content of its ``trial.json``."""

from __future__ import annotations

from reorder_kit.runs.file_digests import FileDigests
from reorder_kit.runs.record import Count, Finite, VersionedRecord


class TrialRecord(VersionedRecord):
    """The content of ``trial.json``; a trial with this file is finished.

    Args:
        order: the patch in each slot.
        seed: seed of weights and batches.
        steps: optimizer steps.
        judged: the judged images, in words.
        images: the number of judged images that could be read.
        headline: the main metric.
        score: the headline on the judged images.
        loss: the mean loss on them.
        seconds: training time without evaluation, in seconds.
        files: SHA-256 of the recipe and of the losses, by name.
    """

    version = 1

    order: list[int]
    seed: Count
    steps: Count
    judged: str
    images: Count
    headline: str
    score: Finite
    loss: Finite
    seconds: Finite
    files: FileDigests
