"""What an encoder costs, and how good a model is when it reads less: what a run and its evaluation write down."""

from __future__ import annotations

from collections.abc import Sequence

from reorder_kit.runs.figures import Figures
from reorder_kit.runs.record import Count, Finite, Record, VersionedRecord

OPERATIONS = (
    "Operations are those of matrix products, convolutions and attention; a multiplication and an addition are two. "
    "Elementwise ones are not counted: norms, activations, and the steps of a state-space scan."
)


class EncoderCost(Record):
    """What it takes to encode an image, tokenization and head aside.

    Args:
        slots: that are read.
        seconds: of an image, the median over a few batches.
        operations: of an image.
    """

    slots: Count
    seconds: Finite
    operations: Count


class ShareRead(Record):
    """A trained model that reads the first share of its order.

    Args:
        keep: the share of all patches.
        metrics: figures of the images.
        encoder: what that costs.
    """

    keep: Finite
    metrics: Figures
    encoder: EncoderCost


class ShareCurve(VersionedRecord):
    """The content of ``shares.json``: what ``reorder-kit evaluate RUN --keep`` found.

    Args:
        checkpoint: SHA-256 of the list of files of the checkpoint that was evaluated.
        split: which images.
        device: that the seconds are of.
        shares: from the smallest to the largest.
    """

    version = 1

    checkpoint: str | None
    split: str
    device: str
    shares: Sequence[ShareRead]
