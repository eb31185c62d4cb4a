"""Pictures and masks of predictions, written as the predictions are made."""

from __future__ import annotations

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
    """Writes them.

    Args:
        picture: a file for all images, or a folder for a picture of each; None for none.
        masks: a folder for the masks; None for none.

    Raises:
        ReorderKitError: if something cannot be written there.
    """

    def __init__(self, picture: Path | None, masks: Path | None) -> None:
        self.written: list[Path] = []
        self._masks = masks
        self._sheet = picture if picture is not None and picture.suffix else None
        self._pictures = picture if picture is not None and not picture.suffix else None
        self._taken: set[Path] = set()
        if self._sheet is not None:
            from reorder_kit.figures.picture_file import require_picture_file

            require_picture_file(self._sheet)
        for folder in (self._pictures, masks):
            if folder is not None:
                require_writable_folder(folder)

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
            file = self._file(self._pictures, prediction.path)
            draw_previews([prediction], prediction.path, file)
        if self._masks is None:
            return prediction
        if prediction.mask is None:
            raise ReorderKitError("--masks: the task of this run makes no masks", "segmentation does")
        file = self._file(self._masks, prediction.path)
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

    def _file(self, folder: Path, image: str) -> Path:
        """A PNG with the name of an image; of images of one name, the later ones are numbered."""
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        stem, number = Path(image).stem, 1
        file = folder / f"{stem}.png"
        while file in self._taken:
            number += 1
            file = folder / f"{stem}-{number}.png"
        self._taken.add(file)
        return file
