"""Where salient patches stand in the orders of a run: the content of its ``saliency.json``."""

from __future__ import annotations

from typing import Self

from reorder_kit.analysis.saliency_shift import Chance, Placement, Shift
from reorder_kit.runs.record import Record, VersionedRecord
from reorder_kit.runs.result import Reach


class BySlot(Record):
    """The mean share of an image's saliency in each slot.

    Args:
        start: of the starting order.
        final: of the final order.
    """

    start: list[float]
    final: list[float]


class MeanRank(Record):
    """The mean slot of saliency, 0 the first and 1 the last.

    Args:
        start: in the starting order.
        final: in the final order.
    """

    start: float
    final: float


class Chances(Record):
    """What chance gives, as :class:`~reorder_kit.analysis.saliency_shift.Placement` describes.

    Args:
        blind_moves: the shifts if saliency belonged to patches drawn at random.
        random_orders: the shifts to random orders.
    """

    blind_moves: Chance
    random_orders: Chance


class PlacementRecord(Record):
    """A :class:`~reorder_kit.analysis.saliency_shift.Placement` as it is written down.

    Args:
        by_slot: shares by slot.
        mean_rank: mean slots.
        shift: their difference.
        chance: what chance gives.
    """

    by_slot: BySlot
    mean_rank: MeanRank
    shift: Shift
    chance: Chances

    @classmethod
    def of(cls, placement: Placement) -> Self:
        """As it is written down."""
        before, after = placement.mean_rank
        return cls(
            by_slot=BySlot(start=list(placement.start), final=list(placement.final)),
            mean_rank=MeanRank(start=before, final=after),
            shift=placement.shift,
            chance=Chances(blind_moves=placement.blind_moves, random_orders=placement.random_orders),
        )


class SaliencyRecord(VersionedRecord):
    """The content of ``saliency.json``.

    Args:
        run: name of the run.
        checkpoint: SHA-256 that tells the checkpoint of the model that was looked into, as ``result.json`` lists it.
        method: name of the method.
        split: which images.
        images: how many were used.
        images_without_saliency: how many were not, since no patch of them made a difference.
        by_slot: shares by slot, of saliency as the run's model reads its images, in the final order; so the next three.
        mean_rank: mean slots.
        shift: their difference, with its interval and p over images.
        chance: what chance gives.
        apart_from_slots: all of these of saliency measured with every image in a random order of its own.
        influence: share of each slot in the gradient of the loss, as in ``result.json``; empty where it does not apply.
        reach: as in ``result.json``.
        conclusion: sentences.
    """

    version = 1

    run: str
    checkpoint: str | None
    method: str
    split: str
    images: int
    images_without_saliency: int
    by_slot: BySlot
    mean_rank: MeanRank
    shift: Shift
    chance: Chances
    apart_from_slots: PlacementRecord
    influence: list[float]
    reach: Reach
    conclusion: list[str]
