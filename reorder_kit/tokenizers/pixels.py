"""Pixels: a token for each, by even steps of brightness."""

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

    They lead from the image's smallest to its largest pixel, so that its tokens depend on no other image, and neither
    brightness nor contrast counts. They are even, since quantiles would make every token as frequent as any other and
    blow up the noise of flat images. An image of one colour has the token 0 alone. The tokens of a patch come by
    channel, row and column.
    """

    name = "pixels"

    class Options(ComponentOptions):
        levels: Whole = Field(
            16, ge=2, le=256, description="tokens there are; even steps from an image's smallest to its largest pixel"
        )

    options: Options

    @property
    def vocabulary(self) -> int:
        """The levels."""
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
