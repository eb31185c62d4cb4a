"""Check that a backbone returns what its facts declare; only types and shapes are checked, at no cost."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from reorder_kit.errors import ComponentError
from reorder_kit.interfaces import Backbone, Encoded
from reorder_kit.orders.sequence import PatchSequence


def checked_tokens(backbone: Backbone, sequence: Any, batch: int) -> PatchSequence:
    """Check the patches that a backbone cuts images into.

    Args:
        backbone: the backbone.
        sequence: the result of ``tokenize``.
        batch: number of images.

    Raises:
        ComponentError: if these are not the patches that the facts declare.
    """
    if not isinstance(sequence, PatchSequence):
        raise backbone_error(backbone, f"tokenize gave a {type(sequence).__name__}", "return a PatchSequence")
    finest = backbone.as_built.levels[0]
    expected = (batch, finest.grid.num_patches, finest.dim)
    if tuple(sequence.patches.shape) != expected:
        reason = f"tokenize gave patches of {tuple(sequence.patches.shape)}; its facts say {expected}"
        raise backbone_error(backbone, reason, "return [batch, patch, dim], with the grid and dim of the facts")
    return sequence


def require_encoded(backbone: Backbone, encoded: Any, batch: int) -> None:
    """Check that a backbone returned a sequence of the same number of images.

    Raises:
        ComponentError: if it did not.
    """
    if not isinstance(encoded, Encoded):
        raise backbone_error(backbone, f"encode gave a {type(encoded).__name__}", "return Encoded(sequence)")
    if encoded.sequence.batch != batch:
        raise backbone_error(backbone, f"encode gave {encoded.sequence.batch} images for a batch of {batch}")


def reach_of_slots(backbone: Backbone, num_slots: int) -> Bool[Tensor, " slot"]:
    """Which slots have a path to the readout.

    Raises:
        ComponentError: if the backbone does not return a boolean for each.
    """
    reach: Any = backbone.reach(num_slots)
    if not isinstance(reach, Tensor) or reach.dtype != torch.bool or tuple(reach.shape) != (num_slots,):
        found = f"{reach.dtype} of {tuple(reach.shape)}" if isinstance(reach, Tensor) else type(reach).__name__
        raise backbone_error(
            backbone, f"reach gave {found} for {num_slots} slots", "return True or False for each slot"
        )
    return reach


def backbone_error(backbone: Backbone, reason: str, hint: str | None = None) -> ComponentError:
    """The error for a mistake of a backbone."""
    return ComponentError(backbone.kind.name, getattr(backbone, "name", type(backbone).__name__), reason, hint)
