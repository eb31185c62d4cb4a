"""Records of an encoder's cost, and of how well a model does when it reads fewer patches."""

from __future__ import annotations

from collections.abc import Sequence

from reorder_kit.runs.figures import Figures
from reorder_kit.runs.record import Count, Finite, Record, VersionedRecord

OPERATIONS = (
    "Operations are those of matrix products, convolutions and attention; a multiplication and an addition count as "
    "two. Elementwise operations are not counted: norms, activations, and the steps of a state-space scan."
)


class EncoderCost(Record):
    """The cost of encoding an image, without tokenization and head.

    Args:
        slots: the number of slots read.
        seconds: seconds per image, the minimum over several batches, because other load can only add to it.
        operations: operations per image.
    """

    slots: Count
    seconds: Finite
    operations: Count


class ShareRead(Record):
    """A trained model that reads the first share of its order.

    Args:
        keep: the share of all patches.
        metrics: the metrics of the images.
        encoder: the cost of encoding.
    """

    keep: Finite
    metrics: Figures
    encoder: EncoderCost


class ShareCurve(VersionedRecord):
    """The content of ``shares.json``: what ``reorder-kit evaluate RUN --keep`` found.

    Args:
        checkpoint: SHA-256 of the list of files of the checkpoint that was evaluated.
        split: the evaluated split.
        device: the device of the time measurement.
        shares: the shares from the smallest to the largest, at least one.
    """

    version = 1

    checkpoint: str | None
    split: str
    device: str
    shares: Sequence[ShareRead]

    def is_comparable_with(self, other: ShareCurve) -> bool:
        """Whether both have the same weights, images and device, so that one curve can hold them."""

        def of(curve: ShareCurve) -> tuple[object, ...]:
            images = {share.metrics.images for share in curve.shares}
            return curve.checkpoint, curve.split, curve.device, images

        return of(self) == of(other)

    def beside(self, earlier: ShareCurve) -> ShareCurve:
        """These shares, and those of an earlier comparable curve with other numbers of slots."""
        again = {share.encoder.slots for share in self.shares}
        others = [share for share in earlier.shares if share.encoder.slots not in again]
        together = sorted([*self.shares, *others], key=lambda share: (share.encoder.slots, share.keep))
        return self.model_copy(update={"shares": together})
