"""From tokens to one vector, as transformers does it, and without reading padding."""

from __future__ import annotations

from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from reorder_kit.interfaces import Encoded
from reorder_kit.layers.readout import last_slot, mean_slot
from reorder_kit_transformers.configuration import Plan


def pooled(model: Any, plan: Plan, readout: str, encoded: Encoded) -> Float[Tensor, "batch dim"]:
    """The readout.

    Args:
        model: of transformers.
        plan: where its parts are.
        readout: ``cls``, ``mean``, ``last``, or ``head``, the attention pooling of SigLIP.
        encoded: tokens after the last block.
    """
    sequence = encoded.sequence
    if readout == "head":
        return _attended(model.head, sequence.patches, sequence.valid)
    if readout == "cls":
        assert encoded.extra_tokens is not None  # for a type checker: options have refused it
        summary = encoded.extra_tokens[:, 0]
    else:
        summary = mean_slot(sequence) if readout == "mean" else last_slot(sequence)
    norm = norm_of_readout(model, plan)
    return summary if norm is None else norm(summary)


def norm_of_readout(model: Any, plan: Plan) -> Any:
    """The norm of the readout alone; None for an encoder without one."""
    found = model
    for name in (plan.family.norm_of_readout or "").split("."):
        found = getattr(found, name, None)
    return found


def _attended(
    head: Any, tokens: Float[Tensor, "batch slot dim"], valid: Bool[Tensor, "batch slot"] | None
) -> Float[Tensor, "batch dim"]:
    """SigLIP's attention pooling (Zhai et al., 2023, https://arxiv.org/abs/2303.15343), which transformers calls head;
    its own takes no mask."""
    probe = head.probe.expand(len(tokens), -1, -1)
    hidden = None if valid is None else ~(valid | ~valid.any(dim=1, keepdim=True))
    found, _ = head.attention(probe, tokens, tokens, key_padding_mask=hidden, need_weights=False)
    summary: Tensor = (found + head.mlp(head.layernorm(found)))[:, 0]
    return summary
