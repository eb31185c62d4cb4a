"""Conditional entropy: how well the patch before tells the next one, pixel by pixel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Float, Int
from pydantic import model_validator
from torch import Tensor

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Prior
from reorder_kit.patch_order import Order
from reorder_kit.priors._compression import CompressionPrior
from reorder_kit.priors._tokens import TokenOptions, ordered_tokens, overlapping

MAX_BIGRAM_LEVELS = 64


class ConditionalEntropy(CompressionPrior):
    """What knowing the patch before saves, in percent: from H(x_t | x_(t-1)) of tokens, counted over all images.

    Each pixel is a token, one of ``levels`` even steps from the image's smallest to its largest pixel. x_t is the token
    that a pixel has in slot t, x_(t-1) the one that the same pixel has in the slot before. With ``tokens: bigram``, x_t
    is the pair of what the pixel has in slots t and t + 1; as pairs overlap, H is the entropy of a token, given two. H
    is that of the counted frequencies, in bits; saved is ``1 - H / log2(vocabulary)``. Padding counts as pixels do.

    An image's own figure is what it takes to write it with the frequencies of all images. Their mean is H; intervals
    over images take the frequencies as given. Images are looked at twice, and no more than a batch of them is kept.

    It is the least that a coder can reach that looks one slot back at the same pixel, and a check on ``lzma``, whose
    matches go further. Source: C. E. Shannon, "A Mathematical Theory of Communication", 1948,
    https://doi.org/10.1002/j.1538-7305.1948.tb01338.x, section 6: H_x(y).
    """

    name = "conditional-entropy"

    class Options(TokenOptions):
        @model_validator(mode="after")
        def _tables_fit_into_memory(self) -> ConditionalEntropy.Options:
            if self.tokens == "bigram" and self.levels > MAX_BIGRAM_LEVELS:
                raise ValueError(f"levels is at most {MAX_BIGRAM_LEVELS} with bigrams, for tables of levels^3 counts")
            return self

    def bits_per_token(
        self, batches: Iterable[Float[Tensor, "image patch pixel"]], orders: Mapping[str, Order]
    ) -> dict[str, Float[Tensor, " image"]]:
        """Minus the mean binary logarithm of the frequency of a token after those before it."""
        levels = self.options.levels
        length = 2 if self.options.tokens == "unigram" else 3
        counts = [torch.zeros(levels**length, dtype=torch.int64) for _ in orders]
        for ordered in ordered_tokens(batches, orders.values(), levels):
            for count, tokens in zip(counts, ordered, strict=True):
                count += overlapping(tokens, length, levels).flatten().bincount(minlength=len(count))
        costs = [_bits(count, levels) for count in counts]
        bits: list[list[float]] = [[] for _ in orders]
        for ordered in ordered_tokens(batches, orders.values(), levels):
            for found, cost, tokens in zip(bits, costs, ordered, strict=True):
                # Kept as numbers: small tensors between large ones would keep the memory from being used again.
                found += cost[overlapping(tokens, length, levels)].mean(dim=(1, 2)).tolist()
        return {name: torch.tensor(found, dtype=torch.float64) for name, found in zip(orders, bits, strict=True)}


def _bits(counts: Int[Tensor, " stretch"], levels: int) -> Float[Tensor, " stretch"]:
    """What the last token of every stretch takes after the others; without meaning where it was never seen."""
    by_context = counts.double().view(-1, levels)
    return -(by_context / by_context.sum(dim=1, keepdim=True)).log2().flatten()


@hookimpl
def register_priors() -> list[type[Prior]]:
    return [ConditionalEntropy]
