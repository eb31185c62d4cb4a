"""The options of an encoder of transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from reorder_kit.errors import ReorderKitError
from reorder_kit.layers.patch_geometry import PatchOptions
from reorder_kit.layers.position_options import AddedSlotPositions
from reorder_kit_transformers.families import family_of
from reorder_kit_transformers.settings import place_of, require_settings, settings_of

Setting = StrictBool | StrictInt | StrictFloat | StrictStr | list[StrictInt] | None
Readout = Literal["cls", "mean", "last"]


class TransformersOptions(PatchOptions):
    """Options of the backbone ``transformers``.

    With ``pretrained``, ``model``, ``config`` and ``patch_size`` are filled in from the checkpoint when the recipe is
    read. So a run knows its architecture, and is opened again without the checkpoint.
    """

    model: str | None = Field(
        None, description="family of the encoder, by transformers' model_type, as in vit or dinov2; or give pretrained"
    )
    config: dict[str, Setting] = Field(
        default_factory=dict,
        description="settings of the encoder by transformers' names, as in hidden_size; its defaults if not given. "
        "image_size is the size for which positions are made; they are resampled to images of another size",
    )
    pretrained: str | None = Field(
        None, description="a folder that save_pretrained wrote, or OWNER/NAME on the Hugging Face hub, which downloads"
    )
    readout: Readout | None = Field(None, description="what summarizes the sequence; the encoder's own if not given")
    slot_positions: AddedSlotPositions = Field(
        "none", description="positions in the sequence, added by slot before the first block"
    )
    gradient_checkpointing: bool = Field(
        False, description="recompute blocks in the backward pass: less memory, more time"
    )

    @model_validator(mode="before")
    @classmethod
    def _filled_in(cls, given: Any) -> Any:
        """What the checkpoint says, where the recipe does not name the family itself."""
        if not isinstance(given, Mapping) or not isinstance(given.get("pretrained"), str) or given.get("model"):
            return given
        place = place_of(given["pretrained"])
        try:
            found = settings_of(place)
        except ReorderKitError as error:
            raise ValueError(f"{error.message} ({error.hint})") from None
        own = given.get("config", {})
        filled = {**given, "pretrained": place, "model": found.model}
        if isinstance(own, Mapping):
            filled["config"] = {**found.config, **own}
        if given.get("patch_size") is None and given.get("grid") is None:
            filled["patch_size"] = found.patch_size
        return filled

    @model_validator(mode="after")
    def _names_an_encoder(self) -> TransformersOptions:
        """Before any image is known. The import of transformers takes seconds."""
        if self.model is None:
            raise ValueError("give model (a family, as in vit) or pretrained (a folder, or a model of the hub)")
        try:
            family = family_of(self.model)
            require_settings(family, self.config)
        except ReorderKitError as error:
            raise ValueError(f"{error.message} ({error.hint})") from None
        if self.readout == "cls" and not family.has_cls:
            raise ValueError(f"{self.model} has no CLS token: leave readout out, or set it to mean or last")
        return self
