"""Pixels: one token each, by even steps of brightness."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import ComponentOptions, Tokenizer
from reorder_kit.interfaces.numbers import Whole


class Pixels(Tokenizer):
    """A token for each pixel of a patch: the number of one of ``levels`` even steps of brightness.

    The steps range from the image's smallest to its largest pixel, so that its tokens do not depend on other images,
    and brightness and contrast do not matter. They are even, because quantiles would make all tokens equally frequent
    and amplify the noise of flat images. An image of one color has only the token 0. The tokens of a patch are sorted
    by channel, row and column.
    """

    name = "pixels"

    class Options(ComponentOptions):
        levels: Whole = Field(
            16, ge=2, le=256, description="number of tokens: even steps from an image's smallest to its largest pixel"
        )

    options: Options

    @property
    def vocabulary(self) -> int:
        """The number of levels."""
        return self.options.levels

    def tokens(self, patches: Float[Tensor, "image patch pixel"]) -> Int[Tensor, "image patch pixel"]:
        """The step of each pixel."""
        low, high = patches.amin(dim=(1, 2), keepdim=True), patches.amax(dim=(1, 2), keepdim=True)
        spread = high - low
        share = (patches - low) / torch.where(spread > 0, spread, 1)
        return (share * self.vocabulary).long().clamp(max=self.vocabulary - 1)


@hookimpl
def register_tokenizers() -> list[type[Tokenizer]]:
    return [Pixels]
