"""What came out of a short training: the content of its ``trial.json``."""

from __future__ import annotations

from reorder_kit.runs.file_digests import FileDigests
from reorder_kit.runs.record import Count, Finite, VersionedRecord


class TrialRecord(VersionedRecord):
    """The content of ``trial.json``; a trial that has one is finished.

    Args:
        order: the patch in each slot.
        seed: of weights and batches.
        steps: optimizer steps.
        judged: what the judged images are, in words.
        images: judged images that could be read.
        headline: the metric that stands for the others.
        score: the headline on the judged images.
        loss: the mean loss on them.
        seconds: of training, without evaluation.
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
