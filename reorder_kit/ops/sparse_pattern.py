"""What a pattern of sparse attention is."""

from __future__ import annotations

from abc import ABC, abstractmethod

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


class SparsePattern(nn.Module, ABC):
    """Which slots see each other, and how attention among them is computed without looking at all pairs."""

    @abstractmethod
    def sees(
        self, query: Int[Tensor, "*batch query"], key: Int[Tensor, "*batch key"], num_slots: Tensor | int, causal: bool
    ) -> Bool[Tensor, "*batch query key"]:
        """The definition.

        Args:
            query: places in the sequence, from 0.
            key: places in the sequence.
            num_slots: length of the sequence; one for each image where places differ between images.
            causal: nothing after the slot itself is seen.
        """

    @abstractmethod
    def pairs(self, num_slots: int, causal: bool) -> int:
        """How many pairs of slots :meth:`attend` computes a score of; with long tiles, more than there are.

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
        """Attention of the slots to what they see and to the global tokens, which stand before the keys of the slots.

        Args:
            num_valid: how many slots of each image are valid; padding stands behind them. None if all are.
        """
