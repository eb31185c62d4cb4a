"""The interface of patterns of sparse attention."""

from __future__ import annotations

from abc import ABC, abstractmethod

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


class SparsePattern(nn.Module, ABC):
    """Which slots see each other, and how attention among them is computed without evaluating all pairs."""

    @abstractmethod
    def sees(
        self, query: Int[Tensor, "*batch query"], key: Int[Tensor, "*batch key"], num_slots: Tensor | int, causal: bool
    ) -> Bool[Tensor, "*batch query key"]:
        """The definition.

        Args:
            query: places in the sequence, from 0.
            key: places in the sequence.
            num_slots: length of the sequence; one for each image if places differ between images.
            causal: a slot sees nothing after itself.
        """

    @abstractmethod
    def pairs(self, num_slots: int, causal: bool) -> int:
        """The number of pairs of slots that :meth:`attend` computes scores for; with long tiles, more than exist.

        Args:
            num_slots: length of the sequence.
            causal: as in :meth:`sees`.
        """

    @abstractmethod
    def attend(
        self,
        query: Float[Tensor, "batch head slot dim"],
        key: Float[Tensor, "batch head {num_global}+slot dim"],
        value: Float[Tensor, "batch head {num_global}+slot dim"],
        causal: bool,
        num_global: int,
        num_valid: Int[Tensor, " batch"] | None,
    ) -> Float[Tensor, "batch head slot dim"]:
        """Attention of the slots to what they see and to the global tokens, which come before the keys of the slots.

        Args:
            num_valid: number of valid slots of each image, with padding after them. None if all are valid.
        """
