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
"""Images in a picture of several."""


class PredictionFiles:
    """Writes them. What each is called is known before anything is predicted, and no file that is there is replaced.

    Args:
        images: paths of the images.
        picture: a file for all images, or a folder for a picture of each; None for none.
        masks: a folder for the masks; None for none.

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
        """Refuse to replace a file, which may be one of the images, or a mask that somebody has drawn.

        Raises:
            ReorderKitError: if one of the files is there already.
        """
        sheet = [] if self._sheet is None else [self._sheet]
        for option, files, hint in (
            ("--picture", sheet, "give another file, or remove this one"),
            ("--picture", list(self._picture_of.values()), "give an empty or new folder"),
            ("--masks", list(self._mask_of.values()), "give an empty or new folder"),
        ):
            for file in files:
                if os.path.lexists(file):
                    raise ReorderKitError(f"{option}: {file} is there already, and is not replaced", hint)

    def previews(self, images: int) -> int:
        """How many images have to keep a small version of themselves.

        Args:
            images: how many there are.
        """
        if self._pictures is not None:
            return images
        return _SHEET if self._sheet is not None else 0

    def write(self, prediction: ImagePrediction) -> ImagePrediction:
        """Write what belongs to one image, and name it.

        Raises:
            ReorderKitError: if a mask was asked for where there is none, or a file cannot be written.
        """
        from reorder_kit.training.prediction import draw_previews, mask_as_png

        if self._pictures is not None:
            file = _below(self._pictures, self._picture_of[prediction.path])
            draw_previews([prediction], prediction.path, file)
        if self._masks is None:
            return prediction
        if prediction.mask is None:
            raise ReorderKitError("--masks: the task of this run makes no masks", "segmentation does")
        file = _below(self._masks, self._mask_of[prediction.path])
        with writing(file):
            write_whole(file, mask_as_png(prediction.mask))
        return replace(prediction, mask_file=str(file))

    def kept(self, prediction: ImagePrediction) -> ImagePrediction:
        """What is needed later: with thousands of images, masks would not fit into memory."""
        return prediction if self._sheet is not None and prediction.preview is not None else prediction.without_pixels()

    def finish(self, predictions: Predictions) -> None:
        """Write the picture of several images, where there is one to be written.

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
    """A PNG with the name of each image; of images of one name, the later ones are numbered.

    Args:
        folder: where to.
        images: paths of the images.
        taken: resolved paths of other files; these are added.
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
    """A file in a folder that is made for it."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return file
