"""Training images as rows of a regression: the features of each patch, and the targets to predict from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Batch, Grid, ImageShape, TrainingData, cut
from reorder_kit.ops.folded_ridge import PENALTIES, held_out_errors
from reorder_kit.ops.patch_features import patch_features

FOLDS = 3
_SIDE = 8  # pixels of a shrunken patch, and of a shrunken image if that is the target


@dataclass(frozen=True)
class ToldRows:
    """Rows of a regression, one per version of an image.

    Args:
        features: the features of each patch, from :func:`~reorder_kit.ops.patch_features.patch_features`.
        targets: the regression targets, minus their mean.
        folds: the fold of each row; versions of one image are in the same fold.
        frequency: the frequency of each class, if every image has exactly one; else None.
        words: what the targets are, in words.
    """

    features: Float[Tensor, "row patch feature"]
    targets: Float[Tensor, "row target"]
    folds: Int[Tensor, " row"]
    frequency: Float[Tensor, " target"] | None
    words: str

    @property
    def images(self) -> int:
        """The number of rows."""
        return len(self.targets)

    @cached_property
    def penalty(self) -> float:
        """The ridge penalty with the lowest held-out error for all patches together; of equal ones, the smallest."""
        return PENALTIES[int(held_out_errors(self.features.flatten(1), self.targets, self.folds).argmin())]


def told_rows(training: TrainingData, image: ImageShape, grid: Grid, images: int, views: int) -> ToldRows:
    """Read training images as rows.

    The targets are an image's classes, one or several, including those of boxes and masks. If there are no classes, or
    all images have the same ones, the target is the image itself, shrunk to 8x8 pixels. Patches larger than 8x8 pixels
    are shrunk to that size.

    Args:
        training: the images.
        image: their shape.
        grid: the grid of patches.
        images: how many to use; all if there are fewer.
        views: further versions of each under the training transform; none if the transform is not random.

    Raises:
        ReorderKitError: if fewer than two images can be read, or they contain NaN or infinity.
    """
    read: list[list[_Version]] = [[] for _ in range(1 + views)]
    is_random = False
    for batch in training.batches(images, views=views):
        for place, version in enumerate((batch, *batch.views)):
            is_random = is_random or not torch.equal(version.images, batch.images)
            read[place].append(_Version.of(version, image, grid, training))
    count = sum(len(version.patches) for version in read[0])
    if count < 2:
        raise ReorderKitError(
            f"patches are judged on held-out images, which takes at least two, but {count} could be read",
            "use more images",
        )
    versions = [version for batches in (read if is_random else read[:1]) for version in batches]
    patches = torch.cat([version.patches for version in versions])
    if not patches.isfinite().all():
        raise ReorderKitError("training images contain NaN or infinity", "check the transforms and the files")
    targets, frequency, words = _targets(versions)
    folds = (torch.arange(count) % FOLDS).repeat(len(patches) // count)
    return ToldRows(patch_features(patches), targets, folds, frequency, words)


@dataclass(frozen=True)
class _Version:
    """One version of a batch: shrunken patches, shrunken images, and the classes of each image."""

    patches: Float[Tensor, "image patch pixel"]
    small: Float[Tensor, "image pixel"]
    presence: Float[Tensor, "image class"] | None

    @classmethod
    def of(cls, batch: Batch, image: ImageShape, grid: Grid, training: TrainingData) -> _Version:
        presence = batch.kind.presence(batch.targets, training.classes)
        small = _shrunk(batch.images.float().flatten(1, -3))
        return cls(_small_patches(batch.images.float(), image, grid), small.flatten(1), presence)


def _small_patches(
    images: Float[Tensor, "image channel *frame height width"], shape: ImageShape, grid: Grid
) -> Float[Tensor, "image patch pixel"]:
    patches = cut(images, grid)
    sides = (shape.channels, shape.height // grid.height, shape.width // grid.width)
    return _shrunk(patches.reshape(*patches.shape[:2], *sides)).flatten(2)


def _shrunk(pixels: Float[Tensor, "*batch height width"]) -> Float[Tensor, "*batch low narrow"]:
    *of_each, height, width = pixels.shape
    if max(height, width) <= _SIDE:
        return pixels
    low, narrow = min(height, _SIDE), min(width, _SIDE)
    return adaptive_avg_pool2d(pixels.flatten(0, -3), (low, narrow)).reshape(*of_each, low, narrow)


def _targets(
    versions: list[_Version],
) -> tuple[Float[Tensor, "row target"], Float[Tensor, " target"] | None, str]:
    present = [version.presence for version in versions if version.presence is not None]
    if len(present) == len(versions):
        classes = torch.cat(present).double()
        frequency = classes.mean(dim=0)
        if (classes - frequency).any():
            has_one = bool(classes.sum(dim=1).eq(1).all())
            return classes - frequency, frequency if has_one else None, "class" if has_one else "classes"
    small = torch.cat([version.small for version in versions]).double()
    return small - small.mean(dim=0), None, "image"
