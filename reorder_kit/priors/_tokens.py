"""Tokens from pixels, and the sequence an order makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from reorder_kit.interfaces import ComponentOptions
from reorder_kit.patch_order import Order


class TokenOptions(ComponentOptions):
    """What priors that compress share."""

    levels: int = Field(
        16, ge=2, le=256, description="tokens there are; even steps from an image's smallest to its largest pixel"
    )
    tokens: Literal["unigram", "bigram"] = Field(
        "unigram", description="unigram: a token for each pixel; bigram: overlapping pairs, from slot to slot"
    )
    prefer: Literal["most", "least"] = Field(
        "most", description="start from the ordering whose sequences are the most or the least compressible"
    )

    @property
    def vocabulary(self) -> int:
        """Tokens, or pairs of them."""
        return self.levels if self.tokens == "unigram" else self.levels**2


def quantise(patches: Float[Tensor, "image patch pixel"], levels: int) -> Int[Tensor, "image patch pixel"]:
    """Number the pixels of each image by even steps from its smallest to its largest.

    The steps are the image's own, so that its figures depend on no other image, and neither brightness nor contrast
    counts. They are even, since quantiles would make every token as frequent as any other and blow up the noise of flat
    images. An image of one colour has the token 0 alone.

    >>> quantise(torch.tensor([[[-1.0, 0.0], [0.9, 1.0]]]), 2).tolist()
    [[[0, 1], [1, 1]]]
    """
    low, high = patches.amin(dim=(1, 2), keepdim=True), patches.amax(dim=(1, 2), keepdim=True)
    spread = high - low
    share = (patches - low) / torch.where(spread > 0, spread, 1)
    return (share * levels).long().clamp(max=levels - 1)


def ordered_tokens(
    batches: Iterable[Float[Tensor, "image patch pixel"]], orders: Iterable[Order], levels: int
) -> Iterator[list[Int[Tensor, "image slot pixel"]]]:
    """For each batch of images its tokens in every order; pixels are numbered once."""
    chosen = list(orders)
    for patches in batches:
        tokens = quantise(patches, levels)
        yield [order.apply(tokens) for order in chosen]


def overlapping(
    tokens: Int[Tensor, "image slot pixel"], length: int, levels: int
) -> Int[Tensor, "image stretch pixel"]:
    """Number each stretch of consecutive slots by the tokens that one pixel has in them, the last counting ones.

    >>> overlapping(torch.tensor([[[0], [1], [2]]]), 2, levels=10).flatten().tolist()
    [1, 12]
    """
    stretches = max(0, tokens.shape[1] - length + 1)
    numbers = tokens[:, :stretches]
    for ahead in range(1, length):
        numbers = numbers * levels + tokens[:, ahead : ahead + stretches]
    return numbers
