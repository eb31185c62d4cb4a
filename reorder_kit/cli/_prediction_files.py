"""Pictures and masks of predictions, written as the predictions are made."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from reorder_kit.errors import ReorderKitError, writing
from reorder_kit.whole_file import write_whole
from reorder_kit.writable import require_writable_folder

if TYPE_CHECKING:
    from reorder_kit.training.prediction import ImagePrediction, Predictions

_SHEET = 24
"""The largest number of images in one picture."""


class PredictionFiles:
    """Writes pictures and masks. File names are known before anything is predicted; existing files are never replaced.

    Args:
        images: paths of the images.
        picture: one file for all images, or a folder with a picture of each; None for no pictures.
        masks: a folder for the masks; None for no masks.

    Raises:
        ReorderKitError: if something cannot be written there.
    """

    def __init__(self, images: Sequence[str], picture: Path | None, masks: Path | None) -> None:
        self.written: list[Path] = []
        self._masks = masks
        self._sheet = picture if picture is not None and picture.suffix else None
        self._pictures = picture if picture is not None and not picture.suffix else None
        if self._sheet is not None:
            from reorder_kit.figures.picture_file import require_picture_file

            require_picture_file(self._sheet)
        for folder in (self._pictures, masks):
            if folder is not None:
                require_writable_folder(folder)
        taken: set[Path] = set() if self._sheet is None else {self._sheet.resolve()}
        self._picture_of = {} if self._pictures is None else _files(self._pictures, images, taken)
        self._mask_of = {} if masks is None else _files(masks, images, taken)

    def require_new(self) -> None:
        """Refuse to replace a file, which could be an input image or a hand-drawn mask.

        Raises:
            ReorderKitError: if one of the files already exists.
        """
        sheet = [] if self._sheet is None else [self._sheet]
        for option, files, hint in (
            ("--picture", sheet, "give another file, or remove this one"),
            ("--picture", list(self._picture_of.values()), "give an empty or new folder"),
            ("--masks", list(self._mask_of.values()), "give an empty or new folder"),
        ):
            for file in files:
                if os.path.lexists(file):
                    raise ReorderKitError(f"{option}: {file} already exists and would be replaced", hint)

    def previews(self, images: int) -> int:
        """The number of images that must keep a thumbnail.

        Args:
            images: the number of all images.
        """
        if self._pictures is not None:
            return images
        return _SHEET if self._sheet is not None else 0

    def write(self, prediction: ImagePrediction) -> ImagePrediction:
        """Write the files of one image and record their names in the prediction.

        Raises:
            ReorderKitError: if masks were requested but the task makes none, or a file cannot be written.
        """
        from reorder_kit.training.prediction import draw_previews, mask_as_png

        if self._pictures is not None:
            file = _below(self._pictures, self._picture_of[prediction.path])
            draw_previews([prediction], prediction.path, file)
        if self._masks is None:
            return prediction
        if prediction.mask is None:
            hint = "leave --masks out; only segmentation makes masks"
            raise ReorderKitError("--masks: the task of this run makes no masks", hint)
        file = _below(self._masks, self._mask_of[prediction.path])
        with writing(file):
            write_whole(file, mask_as_png(prediction.mask))
        return replace(prediction, mask_file=str(file))

    def kept(self, prediction: ImagePrediction) -> ImagePrediction:
        """Drop what is no longer needed: the masks of thousands of images would not fit into memory."""
        return prediction if self._sheet is not None and prediction.preview is not None else prediction.without_pixels()

    def finish(self, predictions: Predictions) -> None:
        """Write the picture of several images if one was requested.

        Raises:
            ReorderKitError: if it cannot be written.
        """
        from reorder_kit.training.prediction import draw_previews

        if self._sheet is not None and len(predictions):
            shown = [each for each in predictions if each.preview is not None]
            part = f"the first {len(shown)} of {len(predictions)} images" if len(shown) < len(predictions) else ""
            draw_previews(shown, ": ".join(filter(None, [str(predictions.run), part])), self._sheet)
            self.written.append(self._sheet)
        self.written += [folder for folder in (self._pictures, self._masks) if folder is not None and folder.exists()]


def _files(folder: Path, images: Sequence[str], taken: set[Path]) -> dict[str, Path]:
    """A PNG named after each image; later images with the same name are numbered.

    Args:
        folder: the folder for the files.
        images: paths of the images.
        taken: resolved paths that are in use; the new paths are added.
    """
    files: dict[str, Path] = {}
    there = folder.resolve()
    for image in dict.fromkeys(images):
        stem, number = Path(image).stem, 1
        name = f"{stem}.png"
        while there / name in taken:
            number += 1
            name = f"{stem}-{number}.png"
        taken.add(there / name)
        files[image] = folder / name
    return files


def _below(folder: Path, file: Path) -> Path:
    """The file, after creating its folder."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return file
