"""The options of timm's Vision Transformer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces.numbers import Depth, Fraction, Size
from reorder_kit.layers.patch_geometry import PatchOptions
from reorder_kit.layers.positions import Positions
from reorder_kit.layers.transformer_options import TRANSFORMER_SHAPES, TransformerShape, check_shape


class VitOptions(PatchOptions):
    """Options of the backbone ``vit``."""

    model: str | None = Field(None, description="a VisionTransformer of timm, as in vit_small_patch16_224")
    size: Literal["tiny", "small", "base", "large"] | None = Field(
        None, description="width, depth and heads as published; small if no model is named"
    )
    depth: Depth | None = Field(None, description="blocks, instead of the size's")
    dim: Size | None = Field(None, description="width of the embedding, instead of the size's")
    heads: Size | None = Field(None, description="attention heads, instead of the size's; they divide dim")
    pretrained: bool = Field(False, description="load timm's weights of the named model")
    positions: Positions = Field(
        "learned", description="absolute 2-D positions, added by patch; learned: the positions timm gives the model"
    )
    readout: Literal["cls", "mean"] | None = Field(
        None, description="what summarises the sequence; a named model's own if not given, else cls"
    )
    drop_path: Fraction = Field(0.0, description="stochastic depth of the last block, probability")
    gradient_checkpointing: bool = Field(
        False, description="recompute blocks in the backward pass: less memory, more time"
    )

    def unused(self) -> dict[str, str]:
        """The size, where nothing is left of it, and paths that timm does not drop."""
        found = {}
        if None not in (self.depth, self.dim, self.heads):
            found["size"] = "depth, dim and heads are given"
        if self.model is None and self.shape().depth == 1:
            found["drop_path"] = "timm drops no path where there is a single block"
        return found

    @field_validator("model")
    @classmethod
    def _is_there(cls, model: str | None) -> str | None:
        """Before any image is known. timm's import takes seconds, so it is asked only where a model is named."""
        if model is not None:
            from reorder_kit.backbones._timm_names import require_vit_name

            try:
                require_vit_name(model)
            except ReorderKitError as error:
                raise ValueError(f"{error.message} ({error.hint})") from None
        return model

    @model_validator(mode="after")
    def _fits(self) -> VitOptions:
        if self.model is not None:
            own = {"size": self.size, "depth": self.depth, "dim": self.dim, "heads": self.heads}
            given = [name for name, value in own.items() if value is not None]
            if given:
                raise ValueError(f"a named model has its own {' and '.join(given)}: give model or {given[0]}")
            return self
        if self.pretrained:
            raise ValueError("pretrained weights belong to a model: name one, as in model: vit_small_patch16_224")
        check_shape(self.shape(), self.positions)
        return self

    def shape(self) -> TransformerShape:
        """Width, depth and heads without a named model."""
        size = TRANSFORMER_SHAPES[self.size or "small"]
        return TransformerShape(self.dim or size.dim, self.depth or size.depth, self.heads or size.heads)

    def _needs_geometry(self) -> bool:
        return self.model is None
