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
        seconds: of an image, the least over several batches: what else the machine does can only add to it.
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
        shares: from the smallest to the largest, at least one.
    """

    version = 1

    checkpoint: str | None
    split: str
    device: str
    shares: Sequence[ShareRead]

    def is_comparable_with(self, other: ShareCurve) -> bool:
        """Whether both are of the same weights, images and device, so that one curve can hold them."""

        def of(curve: ShareCurve) -> tuple[object, ...]:
            images = {share.metrics.images for share in curve.shares}
            return curve.checkpoint, curve.split, curve.device, images

        return of(self) == of(other)

    def beside(self, earlier: ShareCurve) -> ShareCurve:
        """These shares, and those of a comparable curve that read another number of slots."""
        again = {share.encoder.slots for share in self.shares}
        others = [share for share in earlier.shares if share.encoder.slots not in again]
        together = sorted([*self.shares, *others], key=lambda share: (share.encoder.slots, share.keep))
        return self.model_copy(update={"shares": together})
