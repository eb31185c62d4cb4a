"""Whether the influence of slots contradicts the reach that a backbone declares."""

from __future__ import annotations

from jaxtyping import Bool
from torch import Tensor

from reorder_kit.analysis.influence import SlotInfluence
from reorder_kit.interfaces import BackboneFacts

_MOST_SLOTS = 5


def reach_doubt(backbone: str, facts: BackboneFacts, reach: Bool[Tensor, " slot"], influence: SlotInfluence) -> str:
    """A sentence with figures; empty if nothing is contradictory.

    A slot that affects the loss has a path to it, so influence out of reach is a mistake. A slot in reach without
    influence is reported unless the backbone gives a reason (``facts.no_influence``), or the slot held only padding or
    hidden patches.

    Args:
        backbone: the backbone's name.
        facts: what it declares.
        reach: the slots that it declares to have a path to the readout.
        influence: the measured influence.
    """
    shares, reach = influence.shares, reach.cpu()
    if not bool(shares.isfinite().all()):
        return ""
    measured = f"over {influence.images} validation images"
    if not bool((shares > 0).any()):
        return "" if facts.no_influence else f"{measured}, no slot of {backbone} has any influence on the loss"
    hidden = (shares > 0) & ~reach
    if bool(hidden.any()):
        share = float(shares[hidden].sum())
        return (
            f"{backbone} declares {_slots(hidden)} out of reach, but {measured} they have {share:.2g} of the influence "
            "on the loss: its reach is too small, or the task reads slots and does not set is_dense"
        )
    idle = reach & influence.held & (shares == 0)
    if bool(idle.any()) and not facts.no_influence:
        return (
            f"{backbone} declares {int(reach.sum())} of {len(reach)} slots in reach, but {measured} {_slots(idle)} of "
            "them have no influence at all on the loss: its reach is too large, or its facts should explain this in "
            "no_influence"
        )
    return ""


def _slots(chosen: Bool[Tensor, " slot"]) -> str:
    """How many slots, and the first of them."""
    numbers = chosen.nonzero().flatten().tolist()
    shown = ", ".join(map(str, numbers[:_MOST_SLOTS]))
    what = "slot" if len(numbers) == 1 else "slots"
    return f"{len(numbers)} {what} ({shown}{', ...' if len(numbers) > _MOST_SLOTS else ''})"
