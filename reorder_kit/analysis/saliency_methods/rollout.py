"""Saliency from attention."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.analysis.saliency_methods.method import SaliencyMethod
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import AttentionMaps, Batch, Order, Task
from reorder_kit.interfaces.progress import Progress
from reorder_kit.model.one_pass import one_pass
from reorder_kit.model.ordered_model import OrderedModel

INSTEAD = "use --method gradient or --method occlusion"


class Rollout(SaliencyMethod):
    """The share of each patch in the readout when attention is followed from the last block to the first.

    It ignores the content of patches, the answer, and the effects of values, MLPs and norms.
    """

    name = "rollout"
    about = "attention, followed from the readout to the patches"

    @torch.no_grad()
    def measure(
        self, model: OrderedModel, task: Task, batch: Batch, order: Order, progress: Progress
    ) -> Float[Tensor, "batch patch"]:
        """Run one forward pass, and one that records attention."""
        if task.is_dense:
            raise ReorderKitError(f"rollout starts at the readout, which the head of {task.name} does not use", INSTEAD)
        sequence = one_pass(model.ordered_by(order), task, batch, progress).sequence
        maps = model.backbone.attention(sequence)
        if maps is None:
            reason = "rollout follows attention from a readout to the patches"
            raise ReorderKitError(f"{reason}, which {model.backbone.name} with these options does not have", INSTEAD)
        shares = rolled_out(maps)
        slots = shares[:, maps.first_slot : maps.first_slot + sequence.num_slots]
        return order.restore(slots)


def rolled_out(maps: AttentionMaps) -> Float[Tensor, "batch token"]:
    """The share of each input token of the first block in the readout.

    A block passes on half of what a token was, and half of what it attended to.

    Source: Abnar and Zuidema, "Quantifying Attention Flow in Transformers", 2020, https://arxiv.org/abs/2005.00928,
    section 3; their A is ``(map + 1) / 2`` of a block. They roll out whole matrices; we need the row of the readout.
    """
    shares = maps.readout
    for weights in reversed(maps.blocks):
        shares = (shares + torch.einsum("bq,bqk->bk", shares, weights)) / 2
    return shares
