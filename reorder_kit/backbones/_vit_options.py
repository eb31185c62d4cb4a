"""The options of the Vision Transformer."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from reorder_kit.interfaces.numbers import Depth, Fraction, Size
from reorder_kit.layers.patch_geometry import PatchOptions
from reorder_kit.layers.position_options import AttentionPositionOptions, check_fit
from reorder_kit.layers.transformer_options import TRANSFORMER_SHAPES, TransformerShape, check_shape


class VitOptions(PatchOptions, AttentionPositionOptions):
    """Options of the backbone ``vit``."""

    size: Literal["tiny", "small", "base", "large"] = Field("small", description="width, depth and heads as published")
    depth: Depth | None = Field(None, description="blocks, instead of the size's")
    dim: Size | None = Field(None, description="width of the embedding, instead of the size's")
    heads: Size | None = Field(None, description="attention heads, instead of the size's; they divide dim")
    readout: Literal["cls", "mean"] = Field("cls", description="what summarizes the sequence")
    drop_path: Fraction = Field(0.0, description="stochastic depth of the last block, probability")
    gradient_checkpointing: bool = Field(
        False, description="recompute blocks in the backward pass: less memory, more time"
    )

    @model_validator(mode="before")
    @classmethod
    def _names_no_model(cls, given: Any) -> Any:
        named = [name for name in ("model", "pretrained") if isinstance(given, dict) and name in given]
        if named:
            raise ValueError(
                f"vit is built from scratch and has no {named[0]}; for a model of timm, use name: timm, as in "
                "{name: timm, model: vit_small_patch16_224, pretrained: true}"
            )
        return given

    def unused(self) -> dict[str, str]:
        """The size, if it is fully overridden, and paths that timm does not drop."""
        found = {}
        if None not in (self.depth, self.dim, self.heads):
            found["size"] = "depth, dim and heads are given"
        if self.shape().depth == 1:
            found["drop_path"] = "timm drops no path if there is only one block"
        return found

    @model_validator(mode="after")
    def _fits(self) -> VitOptions:
        shape = self.shape()
        check_shape(shape, self.positions)
        check_fit(self.positions, self.slot_positions, shape.dim, shape.heads)
        return self

    def shape(self) -> TransformerShape:
        """Width, depth and heads."""
        size = TRANSFORMER_SHAPES[self.size]
        return TransformerShape(self.dim or size.dim, self.depth or size.depth, self.heads or size.heads)
