"""The options of a named model of timm."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces.numbers import Fraction
from reorder_kit.layers.patch_geometry import PatchOptions


class TimmOptions(PatchOptions):
    """Options of the backbone ``timm``."""

    model: str = Field(description="a model of timm, as in vit_small_patch16_224 or vit_small_patch16_224.augreg_in21k")
    pretrained: bool = Field(False, description="load timm's weights of the model")
    positions: Literal["own", "none"] = Field("own", description="own: those timm gives the model")
    readout: Literal["cls", "mean"] | None = Field(
        None, description="what summarises the sequence; the model's own if not given"
    )
    drop_path: Fraction = Field(0.0, description="stochastic depth of the last block, probability")
    gradient_checkpointing: bool = Field(
        False, description="recompute blocks in the backward pass: less memory, more time"
    )

    @field_validator("model")
    @classmethod
    def _is_there(cls, model: str) -> str:
        """Before any image is known. timm's import takes seconds."""
        from reorder_kit.backbones._timm_names import require_vit_name

        try:
            require_vit_name(model)
        except ReorderKitError as error:
            raise ValueError(f"{error.message} ({error.hint})") from None
        return model

    def _needs_geometry(self) -> bool:
        return False
