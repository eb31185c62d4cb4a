"""A VQ-VAE that is trained on the images of a recipe: where it is, and what it is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reorder_kit.analysis.fit_vq_vae import STEPS, VqFigures, fit_vq_vae, vq_figures
from reorder_kit.data.training_patches import TrainingPatches
from reorder_kit.errors import RecipeError, writing
from reorder_kit.interfaces import DataSplits
from reorder_kit.layers.vq_vae import VqConfig
from reorder_kit.orders.grid import Grid
from reorder_kit.recipe.problems import problems_of
from reorder_kit.writable import require_writable_file

FOLDER = Path("tokenizers")


@dataclass(frozen=True)
class VqRequest:
    """What VQ-VAE to train; whatever is None has its default.

    Args:
        out: file to write.
        codes: in the codebook.
        side: codes along either side of a patch.
        steps: optimiser steps.
    """

    out: Path | None
    codes: int | None
    side: int | None
    steps: int | None


@dataclass(frozen=True)
class FittedVq:
    """A VQ-VAE that was just trained.

    Args:
        file: where it is.
        figures: how well it does on validation images.
    """

    file: Path
    figures: VqFigures

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"file": str(self.file), **self.figures.as_dict()}


def fit_vq(
    request: VqRequest,
    name: str,
    splits: DataSplits,
    grid: Grid,
    seed: int,
    images: int,
    announce: Callable[[str], None],
) -> FittedVq:
    """Train on training images, look at validation images, and write the file.

    Args:
        request: what to train.
        name: of the recipe, and of the file if none is given.
        splits: opened data.
        grid: of patches.
        seed: of the images, the weights and the training.
        images: to train on, and to look at.
        announce: is told what is about to take a while.

    Raises:
        ReorderKitError: if there is no such VQ-VAE, no image can be read, or the file cannot be written.
    """
    image = splits.image
    shape = {"channels": image.channels, "height": image.height // grid.height, "width": image.width // grid.width}
    given = {"codes": request.codes, "side": request.side}
    try:
        config = VqConfig(**shape, **{option: value for option, value in given.items() if value is not None})
    except ValidationError as error:
        raise RecipeError(problems_of(error, VqConfig), "--fit-vq") from None
    file = _free_file(name) if request.out is None else request.out
    require_writable_file(file)  # before a minute of training, not after it
    steps = STEPS if request.steps is None else request.steps
    announce(f"training a VQ-VAE of {config.codes} codes for {steps} steps ...")
    patches = TrainingPatches(splits, grid, seed, images)
    model = fit_vq_vae(config, patches, seed, steps)
    held_out = TrainingPatches(replace(splits, train=splits.validation), grid, seed, images)
    figures = vq_figures(model, patches, held_out)
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        model.save(file)
    return FittedVq(file, figures)


def _free_file(name: str) -> Path:
    """The first free one of ``tokenizers/<name>.safetensors``, ``tokenizers/<name>-2.safetensors``, ..."""
    suffixes = ("" if number == 1 else f"-{number}" for number in count(1))
    return next(file for suffix in suffixes if not (file := FOLDER / f"{name}{suffix}.safetensors").exists())
