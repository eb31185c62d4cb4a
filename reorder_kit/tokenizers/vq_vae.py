"""VQ-VAE: learned codes of patches."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import ComponentOptions, HomePath, ImageShape, Tokenizer
from reorder_kit.layers.vq_vae import VqVae
from reorder_kit.orders.grid import Grid

PATCHES_AT_ONCE = 1024


class VqVaeTokenizer(Tokenizer):
    """Codes of a small convolutional VQ-VAE, one for each patch unless it was trained with more.

    ``reorder-kit prior RECIPE --fit-vq`` trains it on the training images of a recipe and writes the file. It only
    reads patches of that shape, from images that are normalized the same way. Each patch is encoded separately: its
    codes say nothing about its neighbors, so an order's gain comes from the sequence alone.

    Source: A. van den Oord et al., "Neural Discrete Representation Learning", 2017, https://arxiv.org/abs/1711.00937.
    """

    name = "vq-vae"

    class Options(ComponentOptions):
        file: HomePath = Field(description="safetensors file with the trained VQ-VAE")

    options: Options

    def __init__(self, options: Options, image: ImageShape, grid: Grid) -> None:
        super().__init__(options, image, grid)
        self.model = VqVae.load(options.file)
        config = self.model.config
        made_for = config.channels, config.height, config.width
        if made_for != self.tile:
            reason = f"made for patches of {_shape(made_for)}, channels first, not {_shape(self.tile)}"
            raise ReorderKitError(f"{options.file}: {reason}", "make another: reorder-kit prior RECIPE --fit-vq")

    @property
    def vocabulary(self) -> int:
        """The number of codes."""
        return self.model.config.codes

    @torch.no_grad()
    def tokens(self, patches: Float[Tensor, "image patch pixel"]) -> Int[Tensor, "image patch token"]:
        """The numbers of each patch's codes, row by row."""
        some = patches.reshape(-1, *self.tile).split(PATCHES_AT_ONCE)  # type: ignore[no-untyped-call]
        numbers = torch.cat(list(map(self.model.tokens, some)))
        return numbers.view(len(patches), self.grid.num_patches, -1)


def _shape(tile: tuple[int, int, int]) -> str:
    return "x".join(map(str, tile))


@hookimpl
def register_tokenizers() -> list[type[Tokenizer]]:
    return [VqVaeTokenizer]
