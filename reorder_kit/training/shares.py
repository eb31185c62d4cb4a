"""Evaluate a trained model that reads only the first share of its own order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from accelerate import Accelerator

from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.loaded_run import LoadedRun
from reorder_kit.interfaces import SampleSet
from reorder_kit.model.fixed_policies import FirstSlots
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.orders.order import Order
from reorder_kit.orders.slots_read import slots_kept
from reorder_kit.runs.encoder_cost import ShareCurve, ShareRead
from reorder_kit.runs.figures import Figures
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.training.encoder_cost import encoder_cost


def slots_of_shares(run: LoadedRun, own: Order, shares: Sequence[float]) -> dict[float, int]:
    """The number of slots for each share of all patches; a share of 1 means all slots of the order.

    Args:
        run: a finished run.
        own: its order, or its consensus.
        shares: the shares, above 0 and at most 1.

    Raises:
        ReorderKitError: if a share is invalid, the order holds fewer patches, or the model cannot leave any out.
    """
    if not shares:
        return {}
    policy, facts = run.model.policy, run.model.facts
    if len(facts.levels) > 1:
        raise ReorderKitError("--keep: a hierarchical backbone merges neighbors, so it needs every patch")
    if policy.blocks != (0,):
        raise ReorderKitError("--keep: the run orders again before a later block, so no single first share exists")
    found = {}
    for share in shares:
        if not 0 < share <= 1:
            raise ReorderKitError(f"--keep {share:g}: is not a share of the patches", "give more than 0 and at most 1")
        slots = own.num_slots if share == 1 else slots_kept(share, own.num_patches)
        if slots > own.num_slots:
            raise ReorderKitError(
                f"--keep {share:g}: that is {slots} of {own.num_patches} patches, but the order of the run holds "
                f"{own.num_slots}",
                f"keep at most {own.num_slots / own.num_patches:g}, or 1 for all that it holds",
            )
        run.experiment.task.check(facts, FirstSlots(policy, slots))
        found[slots / own.num_patches if share == 1 else share] = slots
    return found


def read_share(
    run: LoadedRun,
    share: float,
    slots: int,
    samples: SampleSet,
    split: str,
    figures: Callable[[OrderedModel], Figures],
    accelerator: Accelerator,
) -> ShareRead:
    """Evaluate the model with only the first slots, and measure the cost.

    Args:
        run: the run, on its device.
        share: the share of all patches.
        slots: the number of slots for this share.
        samples: the samples of the split.
        split: the name of the split.
        figures: evaluates a model on the split.
        accelerator: device and precision.

    Raises:
        ReorderKitError: if no image can be read.
    """
    model = run.evaluated_model.ordered_by(FirstSlots(run.model.policy, slots))
    cost = encoder_cost(model, samples, run.context.kind, split, run.experiment.recipe.data.batch_size, accelerator)
    if cost is None:
        raise ReorderKitError("the cost of encoding is measured on images, but none could be read")
    return ShareRead(keep=share, metrics=figures(model), encoder=cost)


def write_shares(folder: RunFolder, curve: ShareCurve) -> str:
    """Write shares, and keep those in the file if they have the same weights, images and device.

    Args:
        folder: the run's folder.
        curve: the new shares.

    Returns:
        A sentence about what happened to the earlier shares; empty if there were none.
    """
    file = folder.shares
    if not file.exists():
        curve.write(file)
        return ""
    try:
        earlier = ShareCurve.read(file)
    except ReorderKitError:
        curve.write(file)
        return f"{file.name} could not be read, so it was replaced."
    if not curve.is_comparable_with(earlier):
        curve.write(file)
        return f"{file.name} held shares for different weights, images or device, which were replaced."
    together = curve.beside(earlier)
    together.write(file)
    kept = [f"{share.keep:g}" for share in together.shares if share not in curve.shares]
    return f"{file.name} also keeps earlier shares: {', '.join(kept)}." if kept else ""
