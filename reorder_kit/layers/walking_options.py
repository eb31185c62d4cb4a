"""The common options of models that walk along the sequence with a state."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from reorder_kit.interfaces.numbers import Depth, Fraction, Size
from reorder_kit.layers.patch_geometry import PatchOptions
from reorder_kit.layers.position_options import AddedPositionOptions, check_fit
from reorder_kit.layers.walking_order import ClsPosition

# Width by size. DeiT, Touvron et al., 2021, https://arxiv.org/abs/2012.12877; Vision Mamba, Zhu et al., 2024,
# https://arxiv.org/abs/2401.09417.
DIMS = {"tiny": 192, "small": 384, "base": 768}


class WalkingOptions(PatchOptions, AddedPositionOptions):
    """Options of a model that walks along the sequence in one direction or both."""

    full_depth: ClassVar[int] = 24
    """Number of blocks in every size."""

    size: Literal["tiny", "small", "base"] = Field("small", description="width as published")
    depth: Depth | None = Field(None, description="number of blocks, instead of the default of all sizes")
    dim: Size | None = Field(None, description="width of the embedding, instead of the size's")
    bidirectional: bool = Field(True, description="walk in both directions")
    readout: Literal["cls", "mean", "last"] = Field("cls", description="what summarizes the sequence")
    cls_position: ClsPosition | None = Field(
        None, description="place of CLS among the patches; if not given, middle when bidirectional, else end"
    )
    drop_path: Fraction = Field(0.0, description="stochastic depth of the last block, probability")
    gradient_checkpointing: bool = Field(
        False, description="recompute blocks in the backward pass: less memory, more time"
    )

    def unused(self) -> dict[str, str]:
        """The size, if its width is replaced."""
        return {} if self.dim is None else {"size": "dim is given, and every size has the same depth"}

    @model_validator(mode="after")
    def _walk_fits(self) -> WalkingOptions:
        check_fit(self.positions, self.slot_positions, self.width(), heads=1)
        if self.readout != "cls" and self.cls_position is not None:
            raise ValueError(f"cls_position places a CLS token, which the readout {self.readout!r} does not have")
        if self.cls_position == "start" and not self.bidirectional:
            raise ValueError("a CLS token at the start sees no patch unless bidirectional: true")
        return self

    def width(self) -> int:
        """Width of the embedding."""
        return self.dim or DIMS[self.size]

    def blocks(self) -> int:
        """Number of blocks."""
        return self.depth or self.full_depth

    def place_of_cls(self) -> ClsPosition | None:
        """The place of CLS; None if there is no CLS."""
        if self.readout != "cls":
            return None
        return self.cls_position or ("middle" if self.bidirectional else "end")
