"""Conditional entropy: how well the previous patch predicts the next one, pixel by pixel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import ImageShape, Prior
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.priors._compression import CompressionPrior
from reorder_kit.priors._tokens import TokenOptions, ordered_tokens, overlapping

MAX_COUNTS = 2**21
"""The largest size of a table; there is one for each order."""


class ConditionalEntropy(CompressionPrior):
    """What knowing the previous patch saves, in percent: from H(x_t | x_(t-1)) of tokens, counted over all images.

    A tokenizer gives each patch tokens: one for each pixel, if none is named. x_t is a token of the patch in slot t,
    x_(t-1) the one in the same place of the patch in the previous slot. With ``tokens: bigram``, x_t is the pair of
    those in slots t and t + 1; because pairs overlap, H is the entropy of a token given two. H is computed from the
    counted frequencies, in bits; the saving is ``1 - H / log2(vocabulary)``, where pairs have the squared vocabulary of
    tokens. Padding also counts.

    The figure of one image is the cost of writing it with the frequencies of all images. The mean of these is H;
    intervals over images take the frequencies as given. Images are read twice, and at most one batch of them is kept.
    Frequencies counted on the images they score are too good: the fewer images there are for the possible pairs, or
    triples, of tokens, the larger the apparent saving, in any order. Then only the ranking is meaningful.

    This is the limit for a coder that looks one slot back at the same place, and a check on ``lzma``, whose matches
    reach further. Source: C. E. Shannon, "A Mathematical Theory of Communication", 1948,
    https://doi.org/10.1002/j.1538-7305.1948.tb01338.x, section 6: H_x(y).
    """

    name = "conditional-entropy"

    def __init__(self, options: TokenOptions | None, image: ImageShape, grid: Grid) -> None:
        super().__init__(options, image, grid)
        tokenizer = self.tokenizer
        self.length = self.options.stretch + 1
        if tokenizer.vocabulary**self.length > MAX_COUNTS:
            most = int(MAX_COUNTS ** (1 / self.length) + 1e-9)
            reason = (
                f"{tokenizer.name!r} has {tokenizer.vocabulary:,} tokens, and stretches of {self.length} are counted"
            )
            raise ReorderKitError(f"prior {self.name!r}: {reason}", f"use at most {most:,} tokens, or another prior")

    def bits_per_token(
        self, batches: Iterable[Float[Tensor, "image patch pixel"]], orders: Mapping[str, Order]
    ) -> dict[str, Float[Tensor, " image"]]:
        """Minus the mean binary logarithm of the frequency of a token given those before it."""
        length, vocabulary = self.length, self.tokenizer.vocabulary
        counts = [torch.zeros(vocabulary**length, dtype=torch.int64) for _ in orders]
        for ordered in ordered_tokens(batches, orders.values(), self.tokenizer):
            for count, tokens in zip(counts, ordered, strict=True):
                count += overlapping(tokens, length, vocabulary).flatten().bincount(minlength=len(count))
        costs = [_bits(count, vocabulary) for count in counts]
        bits: list[list[float]] = [[] for _ in orders]
        for ordered in ordered_tokens(batches, orders.values(), self.tokenizer):
            for found, cost, tokens in zip(bits, costs, ordered, strict=True):
                # Kept as numbers: small tensors between large ones would keep the memory from being used again.
                found += cost[overlapping(tokens, length, vocabulary)].mean(dim=(1, 2)).tolist()
        return {name: torch.tensor(found, dtype=torch.float64) for name, found in zip(orders, bits, strict=True)}


def _bits(counts: Int[Tensor, " stretch"], vocabulary: int) -> Float[Tensor, " stretch"]:
    """The cost of the last token of every stretch given the others; meaningless for stretches that were never seen."""
    by_context = counts.double().view(-1, vocabulary)
    return -(by_context / by_context.sum(dim=1, keepdim=True)).log2().flatten()


@hookimpl
def register_priors() -> list[type[Prior]]:
    return [ConditionalEntropy]
