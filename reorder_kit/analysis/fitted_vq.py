"""A VQ-VAE that is trained on the images of a recipe: its file and its quality."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

FOLDER = Path("tokenizers")


@dataclass(frozen=True)
class VqRequest:
    """The VQ-VAE to train; None stands for a default.

    Args:
        out: file to write.
        codes: number of codes in the codebook.
        side: number of codes along either side of a patch.
        steps: number of optimizer steps.
    """

    out: Path | None
    codes: int | None
    side: int | None
    steps: int | None


@dataclass(frozen=True)
class FittedVq:
    """A VQ-VAE that was just trained.

    Args:
        file: its file.
        figures: its quality on validation images.
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
    """Train on training images, measure on validation images, and write the file.

    Args:
        request: the VQ-VAE to train.
        name: name of the recipe, and of the file if none is given.
        splits: opened data.
        grid: the grid of patches.
        seed: seed of the images, the weights and the training.
        images: number of images to train on, and to measure on.
        announce: called with a description of what is about to take a while.

    Raises:
        ReorderKitError: if the request is invalid, no image can be read, or the file cannot be written.
    """
    image = splits.image
    shape = {"channels": image.channels, "height": image.height // grid.height, "width": image.width // grid.width}
    given = {"codes": request.codes, "side": request.side}
    try:
        config = VqConfig(**shape, **{option: value for option, value in given.items() if value is not None})
    except ValidationError as error:
        raise RecipeError(problems_of(error, VqConfig), "--fit-vq") from None
    with _writable(request.out, name) as file:  # before a minute of training, not after it
        steps = STEPS if request.steps is None else request.steps
        announce(f"training a VQ-VAE of {config.codes} codes for {steps} steps ...")
        patches = TrainingPatches(splits, grid, seed, images)
        model = fit_vq_vae(config, patches, seed, steps)
        held_out = TrainingPatches(replace(splits, train=splits.validation), grid, seed, images)
        figures = vq_figures(model, patches, held_out)
        with writing(file):
            model.save(file)
    return FittedVq(file, figures)


@contextmanager
def _writable(out: Path | None, name: str) -> Iterator[Path]:
    """A file that can be written. If it was created to check this and the training fails, it is removed.

    Args:
        out: the file; if None, the first free one of ``tokenizers/<name>.safetensors``,
            ``tokenizers/<name>-2.safetensors``, ..., which is reserved so that no other process takes it.
        name: name of the recipe.
    """
    numbers = count(2)
    file = out or FOLDER / f"{name}.safetensors"
    while not (is_new := _make(file)) and out is None:
        file = FOLDER / f"{name}-{next(numbers)}.safetensors"
    try:
        yield file
    except BaseException:
        if is_new:
            file.unlink(missing_ok=True)
        raise


def _make(file: Path) -> bool:
    """Create an empty file; False if it existed.

    Raises:
        ReorderKitError: if it cannot be written.
    """
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            file.open("xb").close()
        except FileExistsError:
            file.open("ab").close()
            return False
    return True
