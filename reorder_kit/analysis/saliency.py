"""Where salient patches are in the sequence of a trained run, before and after learning."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from reorder_kit.analysis.saliency_methods.baseline import mean_training_image
from reorder_kit.analysis.saliency_methods.gradient import Gradient
from reorder_kit.analysis.saliency_methods.method import SaliencyMethod
from reorder_kit.analysis.saliency_methods.occlusion import Occlusion
from reorder_kit.analysis.saliency_methods.rollout import Rollout
from reorder_kit.analysis.saliency_record import PlacementRecord, SaliencyRecord
from reorder_kit.analysis.saliency_shift import Placement, place
from reorder_kit.data.data_loading import evaluation_loader
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.loaded_run import LoadedRun
from reorder_kit.experiment.recorded_data import reopen_data
from reorder_kit.interfaces import DataSplits, Sample, Unreadable
from reorder_kit.model.task_checks import prepare, views_of
from reorder_kit.orders.order import Order
from reorder_kit.orders.slots_read import SlotsRead
from reorder_kit.runs.result import Reach
from reorder_kit.runs.run_folder import RunFolder

ALPHA = 0.05
METHODS = (Gradient.name, Occlusion.name, Rollout.name)


@dataclass(frozen=True)
class SaliencyReport:
    """Where salient patches are in the starting and the final order of a run, and whether that is more than chance.

    Args:
        run: name of the run.
        checkpoint: SHA-256 of the checkpoint of its model.
        method: name of the method.
        split: the split of the images.
        images: number of images.
        without_saliency: number of images left out.
        influence: share of each slot in the gradient of the loss, as measured at the end of the run.
        slots: how many slots are read.
        moved: whether the order changed at all.
        own: placement of saliency that was measured in the final order.
        apart: placement of saliency that was measured in random orders.
    """

    run: str
    checkpoint: str | None
    method: str
    split: str
    images: int
    without_saliency: int
    influence: tuple[float, ...]
    slots: SlotsRead
    moved: bool
    own: Placement
    apart: Placement

    def conclusion(self) -> list[str]:
        """The conclusion, in plain words."""
        if not self.moved:
            return ["The final order is the starting order: nothing moved, and there is nothing to test."]
        return [self._of_the_order(), *self._of_the_slots(), self._of_the_run()]

    def _of_the_order(self) -> str:
        shift, chance = self.own.shift, self.own.blind_moves
        if shift.p >= ALPHA or shift.low <= 0 <= shift.high:
            return (
                "The positions of salient patches did not change noticeably: "
                f"shift {shift}, p = {shift.p:.2g} over images."
            )
        where = "toward the end" if shift.mean > 0 else "toward the start"
        moved = f"Salient patches moved {where} of the sequence by {abs(shift.mean):.1%} of its length"
        if chance.p >= ALPHA:
            return (
                f"{moved}, but the same change of order would move patches drawn at random as far by chance "
                f"(p = {chance.p:.2g}): no sign that saliency played a part."
            )
        return (
            f"{moved}, further than patches drawn at random would under the same change of order (p = {chance.p:.2g})."
        )

    def _of_the_slots(self) -> list[str]:
        shift, chance = self.apart.shift, self.apart.blind_moves
        reach = f"{self.slots.words}: a patch in another slot has no saliency, whatever it shows."
        holds = chance.p < ALPHA and shift.p < ALPHA and shift.mean * self.own.shift.mean > 0
        verdict = "the content of patches plays a part" if holds else "it is not shown that their content plays a part"
        return [
            *([reach] if self.slots.is_selection else []),
            "A patch can be salient because of its slot. With each image in a random order instead, the "
            f"shift is {shift}, p = {chance.p:.2g} against patches drawn at random: {verdict}.",
        ]

    def _of_the_run(self) -> str:
        return "All images share the two orders of one run; other seeds may learn others."

    def by_slot(self, rows: int) -> list[tuple[str, float, float, float | None]]:
        """Shares of the starting order and the final order, and the influence, with neighboring slots combined.

        Args:
            rows: the maximal number of rows.

        Returns:
            Each row with the numbers of its slots, as in ``4-7``; the influence is None if it was not measured.
        """
        slots = len(self.own.start)
        ends = [slots * number // min(rows, slots) for number in range(min(rows, slots) + 1)]
        return [
            (
                str(first) if end == first + 1 else f"{first}-{end - 1}",
                sum(self.own.start[first:end]),
                sum(self.own.final[first:end]),
                sum(self.influence[first:end]) if self.influence else None,
            )
            for first, end in pairwise(ends)
        ]

    def record(self) -> SaliencyRecord:
        """The record that is written."""
        own = PlacementRecord.of(self.own)
        return SaliencyRecord(
            run=self.run,
            checkpoint=self.checkpoint,
            method=self.method,
            split=self.split,
            images=self.images,
            images_without_saliency=self.without_saliency,
            by_slot=own.by_slot,
            mean_rank=own.mean_rank,
            shift=own.shift,
            chance=own.chance,
            apart_from_slots=PlacementRecord.of(self.apart),
            influence=list(self.influence),
            reach=Reach.of_slots(self.slots),
            conclusion=self.conclusion(),
        )


def follow_saliency(run: LoadedRun, method: str, split: str, images: int) -> SaliencyReport:
    """Measure saliency in a finished run, and where it is in the starting and the final order.

    Args:
        run: the run, with its model on the device where saliency should be measured.
        method: one of :data:`METHODS`.
        split: ``validation`` or ``test``.
        images: number of images, chosen at random with the run's seed; all if there are fewer.

    Raises:
        ReorderKitError: if the orders cannot be compared, the method does not apply to such a model or task, the
            classes of the data differ from those of the run, or fewer than two images are left.
    """
    later = run.model.policy.blocks[1:]
    if later:
        raise ReorderKitError(
            f"{run.folder.path}: its learner orders again before block {later[0]}, and saliency by slot compares two "
            "orders before block 0",
            "give a run whose learner orders before block 0 only",
        )
    start, final = _orders(run.folder)
    experiment = run.experiment
    splits, recipe = reopen_data(experiment, run.folder).splits, experiment.recipe
    samples, data = splits.validation if split == "validation" else splits.test, recipe.data
    chosen, views = _chosen(len(samples), images, recipe.seed), views_of(experiment.task, training=False)
    loader = evaluation_loader(
        samples, run.context.kind, split, data.batch_size, data.workers, views=views, chosen=chosen
    )
    own, apart = _measure(_method(method, splits, run, recipe.seed), run, loader, final)
    has_saliency = (own.sum(axis=1) > 0) & (apart.sum(axis=1) > 0)
    left = int(has_saliency.sum())
    if left < 2:
        raise ReorderKitError(
            f"{left} of {len(own)} images have a patch that makes a difference to the model; a test needs 2",
            "try another --method, or more --images",
        )
    result = run.folder.read_result()
    order = result.order
    return SaliencyReport(
        run=recipe.name,
        checkpoint=result.checkpoint,
        method=method,
        split=split,
        images=left,
        without_saliency=len(own) - left,
        influence=tuple(order.influence or ()),
        slots=order.reach.slots_read,
        moved=start != final,
        own=place(_shares(own[has_saliency]), start, final, recipe.seed),
        apart=place(_shares(apart[has_saliency]), start, final, recipe.seed),
    )


def _orders(folder: RunFolder) -> tuple[Order, Order]:
    start, final = folder.read_start(), folder.read_order()
    if final.spread is not None:
        raise ReorderKitError(
            f"{folder.path}: its order depends on the image, and saliency by slot compares two orders of all images",
            "give a run whose learner has one order for all images",
        )
    if not (start.is_full and final.order.is_full):
        raise ReorderKitError(f"{folder.path}: a partial order leaves patches without a slot to compare")
    if final.order.num_slots < 2:
        raise ReorderKitError(f"{folder.path}: a sequence of one patch has no order")
    return start, final.order


def _chosen(samples: int, images: int, seed: int) -> list[int]:
    """Random images of a split, because many sources list images class by class."""
    shuffled = torch.randperm(samples, generator=torch.Generator().manual_seed(seed))
    return sorted(shuffled[:images].tolist())


def _method(name: str, splits: DataSplits, run: LoadedRun, seed: int) -> SaliencyMethod:
    if name == Rollout.name:
        return Rollout()
    baseline = mean_training_image(splits, run.model.facts.grid, seed)
    return Gradient(baseline) if name == Gradient.name else Occlusion(baseline)


def _measure(
    method: SaliencyMethod, run: LoadedRun, loader: DataLoader[Sample | Unreadable], final: Order
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Saliency by image and patch: in the final order, and with each image in its own random order."""
    task, model, device = run.experiment.task, run.evaluated_model, run.context.device
    generator = torch.Generator().manual_seed(run.experiment.recipe.seed)
    own: list[Tensor] = []
    apart: list[Tensor] = []
    for loaded in loader:
        if not len(loaded):
            continue
        batch = prepare(task, loaded.to(device), False, run.context)
        shuffled = torch.rand(len(batch), final.num_patches, generator=generator).argsort(dim=1)
        for found, order in ((own, final), (apart, Order.trusted(shuffled, final.num_patches))):
            measured = method.measure(model, task, batch, order.to(device), run.progress)
            found.append(measured.double().cpu())
    empty = torch.empty(0, final.num_patches)
    return torch.cat([*own, empty]).numpy(), torch.cat([*apart, empty]).numpy()


def _shares(saliency: NDArray[np.float64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = saliency / saliency.sum(axis=1, keepdims=True)
    return shares
