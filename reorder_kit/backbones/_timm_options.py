"""The options of a named timm model."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import HomePath
from reorder_kit.interfaces.numbers import Fraction
from reorder_kit.layers.patch_geometry import PatchOptions

ENDINGS = (".safetensors", ".pth", ".pt", ".bin")
"""Suffixes of weight files, in lower or upper case."""


class TimmOptions(PatchOptions):
    """Options of the backbone ``timm``."""

    model: str = Field(description="a timm model, such as vit_small_patch16_224 or vit_small_patch16_224.augreg_in21k")
    pretrained: bool = Field(False, description="download timm's weights for the model")
    weights: HomePath | None = Field(
        None, description=f"a file with a state dict of the model, instead of a download; one of {', '.join(ENDINGS)}"
    )
    causal: bool = Field(
        False, description="a slot sees itself and the slots before it; pretrained weights then need fine-tuning"
    )
    positions: Literal["own", "none"] = Field(
        "own", description="own: the positions that timm gives the model, whether absolute, rotary or relative"
    )
    readout: Literal["cls", "mean", "last"] | None = Field(
        None, description="what summarizes the sequence; the model's own if not given"
    )
    drop_path: Fraction = Field(0.0, description="stochastic depth of the last block, probability")
    gradient_checkpointing: bool = Field(
        False, description="recompute blocks in the backward pass: less memory, more time"
    )

    @field_validator("model")
    @classmethod
    def _is_there(cls, model: str) -> str:
        """Check the name before any image is known. Importing timm takes seconds."""
        from reorder_kit.backbones._timm_names import require_readable

        try:
            require_readable(model)
        except ReorderKitError as error:
            raise ValueError(f"{error.message} ({error.hint})") from None
        return model

    @field_validator("weights")
    @classmethod
    def _is_a_file_of_weights(cls, weights: Path | None) -> Path | None:
        if weights is not None and weights.suffix.lower() not in ENDINGS:
            raise ValueError(f"give a file that ends with one of {', '.join(ENDINGS)}")
        return weights

    @model_validator(mode="after")
    def _loads_once(self) -> TimmOptions:
        if self.pretrained and self.weights is not None:
            raise ValueError("give pretrained (a download) or weights (a file), not both")
        return self

    def _needs_geometry(self) -> bool:
        return False
