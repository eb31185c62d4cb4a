"""Shared parts of priors that measure how well a sequence compresses."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.interfaces import ImageShape, ScoringPrior, Tokenizer
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.priors._tokens import TokenOptions


class CompressionPrior(ScoringPrior):
    """Scores an order by how much smaller its sequences become, in percent.

    The full size is that of tokens written with ``log2(vocabulary)`` bits each, or pairs with twice that. An empty
    sequence saves nothing. With ``prefer: least`` the score is minus that.
    """

    Options = TokenOptions
    measure = "% saved"
    options: TokenOptions

    def __init__(self, options: TokenOptions | None, image: ImageShape, grid: Grid) -> None:
        super().__init__(options, image, grid)
        self.tokenizer: Tokenizer = self.options.tokenizer.build(image, grid)

    @property
    def vocabulary(self) -> int:
        """The number of tokens, or of pairs of them."""
        return int(self.tokenizer.vocabulary**self.options.stretch)

    @abstractmethod
    def bits_per_token(
        self, batches: Iterable[Float[Tensor, "image patch pixel"]], orders: Mapping[str, Order]
    ) -> dict[str, Float[Tensor, " image"]]:
        """The mean bits per token, or pair, of each image; NaN if it has none."""

    def score(self, patches: Float[Tensor, "image patch pixel"], orders: Mapping[str, Order]) -> dict[str, float]:
        """The mean over images."""
        return {name: float(scores.mean()) for name, scores in self.score_per_image([patches], orders).items()}

    def score_per_image(
        self, batches: Iterable[Float[Tensor, "image patch pixel"]], orders: Mapping[str, Order]
    ) -> dict[str, Float[Tensor, " image"]]:
        """The percentage saved for each image."""
        whole = math.log2(self.vocabulary)
        sign = 1 if self.options.prefer == "most" else -1
        return {
            name: torch.nan_to_num(sign * 100 * (1 - bits / whole), nan=0.0)
            for name, bits in self.bits_per_token(batches, orders).items()
        }
