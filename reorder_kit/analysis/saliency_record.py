"""Where salient patches are in the orders of a run: the content of its ``saliency.json``."""

from __future__ import annotations

from typing import Self

from reorder_kit.analysis.saliency_shift import Chance, Placement, Shift
from reorder_kit.runs.record import Record, VersionedRecord
from reorder_kit.runs.result import Reach


class BySlot(Record):
    """The mean share of an image's saliency in each slot.

    Args:
        start: shares in the starting order.
        final: shares in the final order.
    """

    start: list[float]
    final: list[float]


class MeanRank(Record):
    """The mean slot of saliency, from 0 for the first to 1 for the last.

    Args:
        start: in the starting order.
        final: in the final order.
    """

    start: float
    final: float


class Chances(Record):
    """Shifts by chance, as described in :class:`~reorder_kit.analysis.saliency_shift.Placement`.

    Args:
        blind_moves: the shifts if saliency belonged to patches drawn at random.
        random_orders: the shifts to random orders.
    """

    blind_moves: Chance
    random_orders: Chance


class PlacementRecord(Record):
    """The record of a :class:`~reorder_kit.analysis.saliency_shift.Placement`.

    Args:
        by_slot: shares by slot.
        mean_rank: mean slots.
        shift: their difference.
        chance: shifts by chance.
    """

    by_slot: BySlot
    mean_rank: MeanRank
    shift: Shift
    chance: Chances

    @classmethod
    def of(cls, placement: Placement) -> Self:
        """The record of a placement."""
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
        checkpoint: SHA-256 of the checkpoint of the analyzed model, as listed in ``result.json``.
        method: name of the method.
        split: the split of the images.
        images: number of images that were used.
        images_without_saliency: number of images that were left out because no patch made a difference.
        by_slot: shares by slot, of saliency measured in the final order, as the run's model reads; so are the next
            three.
        mean_rank: mean slots.
        shift: their difference, with its interval and p over images.
        chance: shifts by chance.
        apart_from_slots: the same for saliency measured with every image in its own random order.
        influence: share of each slot in the gradient of the loss, as in ``result.json``; empty if it does not apply.
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
