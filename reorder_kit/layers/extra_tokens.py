"""CLS and register tokens: made before the first block, handed on from block to block."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import PatchSequence


def starting_tokens(
    own: Float[Tensor, "1 extra dim"] | None,
    handed_on: Float[Tensor, "batch extra dim"] | None,
    sequence: PatchSequence,
    start: int,
) -> Float[Tensor, "batch extra dim"] | None:
    """The extra tokens with which block ``start`` begins.

    Args:
        own: what a backbone begins with; None if it has no extra tokens.
        handed_on: what earlier blocks returned.
        sequence: the patches, one set of tokens is made for each image.
        start: the first block to run.

    Raises:
        ReorderKitError: if earlier blocks have run and their extra tokens were not handed on.
    """
    if own is None or handed_on is not None:
        return handed_on
    if start > 0:
        raise ReorderKitError(
            f"encode(start={start}) needs the extra tokens of the blocks before",
            "hand on extra_tokens=encoded.extra_tokens",
        )
    return own.expand(sequence.batch, -1, -1)
