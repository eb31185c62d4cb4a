"""The sizes of transformers as published, and the options that transformers share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from reorder_kit.interfaces.numbers import Depth, Fraction, Ratio, Size
from reorder_kit.layers.patch_geometry import PatchOptions
from reorder_kit.layers.positions import PatchPositions, Positions


@dataclass(frozen=True)
class TransformerShape:
    """The size of a transformer.

    Args:
        dim: width of the embedding.
        depth: number of blocks.
        heads: number of attention heads.
    """

    dim: int
    depth: int
    heads: int


# Base and large: Dosovitskiy et al., 2021, https://arxiv.org/abs/2010.11929. Tiny and small: DeiT, Touvron et al.,
# 2021, https://arxiv.org/abs/2012.12877.
TRANSFORMER_SHAPES = {
    "tiny": TransformerShape(192, 12, 3),
    "small": TransformerShape(384, 12, 6),
    "base": TransformerShape(768, 12, 12),
    "large": TransformerShape(1024, 24, 16),
}


class TransformerSizeOptions(PatchOptions):
    """Options of a transformer that is built from scratch, except its positions."""

    size: Literal["tiny", "small", "base", "large"] = Field("small", description="width, depth and heads as published")
    depth: Depth | None = Field(None, description="blocks, instead of the size's")
    dim: Size | None = Field(None, description="width of the embedding, instead of the size's")
    heads: Size | None = Field(None, description="attention heads, instead of the size's; they divide dim")
    mlp_ratio: Ratio = Field(4.0, description="width of the hidden layer of an MLP, times dim")
    dropout: Fraction = Field(0.0, description="dropout after attention and in the MLP, probability")
    drop_path: Fraction = Field(0.0, description="stochastic depth of the last block, probability")
    gradient_checkpointing: bool = Field(
        False, description="recompute blocks in the backward pass: less memory, more time"
    )

    def unused(self) -> dict[str, str]:
        """The size, if all its values are replaced."""
        if None in (self.depth, self.dim, self.heads):
            return {}
        return {"size": "depth, dim and heads are given"}

    def shape(self) -> TransformerShape:
        """Width, depth and heads."""
        size = TRANSFORMER_SHAPES[self.size]
        return TransformerShape(self.dim or size.dim, self.depth or size.depth, self.heads or size.heads)


class TransformerOptions(TransformerSizeOptions):
    """Options of a transformer whose positions are added by patch."""

    positions: Positions = Field("learned", description="absolute 2-D positions, added by patch")

    @model_validator(mode="after")
    def _shape_fits(self) -> TransformerOptions:
        check_shape(self.shape(), self.positions)
        return self


def check_shape(shape: TransformerShape, positions: PatchPositions) -> None:
    """Check that width, heads and positions fit together.

    Raises:
        ValueError: if they do not, as in validators of options.
    """
    if shape.dim % shape.heads:
        raise ValueError(f"dim {shape.dim} is not divisible by {shape.heads} heads: set heads")
    if positions == "sincos" and shape.dim % 4:
        raise ValueError(f"sincos positions need a dim that is a multiple of 4, not {shape.dim}")
