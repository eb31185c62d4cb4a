"""CLS and register tokens: created before the first block, passed from block to block."""

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
        own: the backbone's starting tokens; None if it has no extra tokens.
        handed_on: the tokens returned by earlier blocks.
        sequence: the patches; each image gets one set of tokens.
        start: the first block to run.

    Raises:
        ReorderKitError: if earlier blocks have run and their extra tokens were not passed on.
    """
    if own is None or handed_on is not None:
        return handed_on
    if start > 0:
        raise ReorderKitError(
            f"encode(start={start}) needs the extra tokens of earlier blocks",
            "pass extra_tokens=encoded.extra_tokens",
        )
    return own.expand(sequence.batch, -1, -1)
