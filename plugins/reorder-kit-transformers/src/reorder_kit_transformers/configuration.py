"""From options to the configuration of an encoder, and to its grids; no weights are built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Grid, ImageShape
from reorder_kit.layers.patch_geometry import patch_geometry
from reorder_kit_transformers.families import Family, family_of
from reorder_kit_transformers.options import TransformersOptions
from reorder_kit_transformers.settings import config_class


@dataclass(frozen=True)
class Plan:
    """An encoder that can be built for images of a shape.

    Args:
        family: where its parts are.
        config: of transformers.
        grid: the patches of an image.
        own_grid: the patches for which its positions are made; they are resampled where the two differ.
    """

    family: Family
    config: Any
    grid: Grid
    own_grid: Grid

    @property
    def has_bias(self) -> bool:
        """Whether blocks add a bias by the difference of rows and columns."""
        names = ("use_relative_position_bias", "use_shared_relative_position_bias")
        return any(getattr(self.config, name, False) for name in names)

    @property
    def has_positions(self) -> bool:
        """Whether absolute positions are added to patches."""
        return self.family.positions is not None and getattr(self.config, "use_absolute_position_embeddings", True)

    @property
    def readout(self) -> str:
        """What transformers reads out: ``cls``, ``mean`` or ``head``."""
        if self.family.readout == "head" and not self.config.vision_use_head:
            return "mean"
        if self.family.readout is None:
            return "mean" if self.config.use_mean_pooling else "cls"
        return self.family.readout


def plan_of(options: TransformersOptions, image: ImageShape) -> Plan:
    """What the options ask for.

    Raises:
        ReorderKitError: if transformers has no such encoder for such images, or would give it wrong positions.
    """
    family = family_of(str(options.model))
    geometry = patch_geometry(options, image)
    height, width = geometry.patch_size
    if height != width:
        raise ReorderKitError(
            f"{family.name} cuts square patches, not {height}x{width} pixels", "set patch_size to a single number"
        )
    size = image.height if image.height == image.width else [image.height, image.width]
    values = {"image_size": size, "num_channels": image.channels, **options.config, "patch_size": height}
    if values["num_channels"] != image.channels:
        raise ReorderKitError(
            f"the encoder reads {values['num_channels']} channels, but the images have {image.channels}",
            "convert the images, or use another encoder",
        )
    try:
        config = config_class(family)(**values)
    except Exception as error:  # of the checks of transformers
        raise ReorderKitError(
            f"transformers refuses this config of {family.name}: {' '.join(str(error).split())[:300]}",
            "change backbone.config",
        ) from None
    rows, columns = (side // height for side in _sides(values["image_size"]))
    plan = Plan(family, config, geometry.grid, Grid(max(rows, 1), max(columns, 1)))
    _check_heads(plan)
    _check_grids(plan)
    return plan


def _sides(image_size: Any) -> tuple[int, int]:
    if isinstance(image_size, int):
        return image_size, image_size
    height, width = image_size
    return height, width


def _check_heads(plan: Plan) -> None:
    config = plan.config
    dim, heads = config.hidden_size, config.num_attention_heads
    if min(dim, heads, config.num_hidden_layers) < 1 or dim % heads:
        raise ReorderKitError(
            f"{config.num_hidden_layers} blocks of width {dim} with {heads} heads cannot be built",
            "set hidden_size to a multiple of num_attention_heads, and num_hidden_layers to 1 or more",
        )
    if plan.family.fixed_positions and dim % 4:
        raise ReorderKitError(
            f"the sines and cosines of {plan.family.name} need a width that 4 divides, not {dim}", "change hidden_size"
        )
    if plan.family.name == "dinov3_vit" and dim // heads % 4:
        raise ReorderKitError(
            f"rotary positions need heads of a width that 4 divides, not {dim // heads}",
            "set hidden_size to a multiple of 4 times num_attention_heads",
        )


def _check_grids(plan: Plan) -> None:
    """transformers makes, and resamples, some positions as if the grid that they are made for were square."""
    is_square = plan.own_grid.height == plan.own_grid.width
    if is_square or (plan.grid == plan.own_grid and not plan.family.square and not plan.has_bias):
        return
    raise ReorderKitError(
        f"transformers makes the positions of {plan.family.name} for a square grid, not for {plan.own_grid}",
        "set config: {image_size: N} to a single number: positions are then resampled to your images",
    )
