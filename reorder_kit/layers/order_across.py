"""The order in which a scan across the grid visits tokens.

This module is imported on first use: it imports torch's compiler, which takes seconds.
"""

from __future__ import annotations

import torch

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Order
from reorder_kit.layers.walked_tokens import WalkedTokens
from reorder_kit.layers.walking_order import walking_order
from reorder_kit.ops.transposed_walk import transposed_walk


@torch.compiler.disable  # type: ignore[untyped-decorator]  # a few sorts, which take long to compile
def order_across(walked: WalkedTokens) -> Order:
    """The order in which ARM's third scan visits walked tokens with CLS in the middle.

    Raises:
        ReorderKitError: if patches were left out and the order does not say which.
    """
    sequence = walked.sequence
    order = sequence.order
    if order is None:
        if sequence.num_slots != sequence.grid.num_patches:
            raise ReorderKitError(
                f"arm was given {sequence.num_slots} of {sequence.grid.num_patches} patches, and no order",
                "give the sequence its order, which identifies its patches",
            )
        order = Order.trusted(torch.arange(sequence.num_slots, device=sequence.patches.device), sequence.num_slots)
    if order.is_static and sequence.valid is None:
        indices = order.indices.unsqueeze(0)
    else:
        indices = order.per_image(sequence.batch)
    walk = transposed_walk(indices, sequence.valid, sequence.grid)
    return walked.order.inverse().compose(walking_order(sequence, "middle", walk))
