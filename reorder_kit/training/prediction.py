"""A trained run's predictions for images, in the images' own pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any, overload

import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from reorder_kit.errors import ReorderKitError, writing
from reorder_kit.interfaces import Annotation, Finding, Threshold, Unreadable
from reorder_kit.runs.record import Record

TOP = 5
"""The number of most probable classes that are reported for an image."""
_NAMED = 3
"""The most classes named in an image's words."""
_LEAST_SHARE = 0.01
"""The smallest share of an image's pixels for a class to be named in its words."""


class ClassProbability(Record):
    """A class with its probability.

    Args:
        name: the name of the class.
        number: the number of the class.
        probability: its probability, from 0 to 1.
    """

    name: str
    number: int
    probability: float


class FoundBox(Record):
    """An object.

    Args:
        name: the name of its class.
        number: the number of its class.
        score: the model's confidence, from 0 to 1.
        left: left edge, in pixels of the upright image.
        top: top edge.
        right: right edge.
        bottom: bottom edge.
    """

    name: str
    number: int
    score: float
    left: float
    top: float
    right: float
    bottom: float


class ClassArea(Record):
    """The pixels of a class.

    Args:
        name: the name of the class.
        number: the number of the class, which is its value in the mask.
        pixels: the number of its pixels.
        share: their share of all pixels of the image.
    """

    name: str
    number: int
    pixels: int
    share: float


@dataclass(frozen=True)
class ImagePrediction:
    """A run's prediction for one image.

    Args:
        path: the file, or ``image 0`` and so on for images in memory.
        size: height and width of the upright image, in pixels.
        classes: every class with its probability, the most probable first; None if the task predicts none.
        present: names of the classes at or above the threshold; None if an image has exactly one class.
        boxes: the objects, the most confident first, in pixels of the upright image; None if the task predicts none.
        areas: the classes in the mask, the largest first; None if the task predicts no mask.
        mask: the class number of each pixel of the upright image; None if the task predicts no mask.
        mask_file: the file that the mask was written to; None if it was not written.
        class_names: names of the classes, by number.
        preview: a small version of the upright image; kept only for some images.
    """

    path: str
    size: tuple[int, int]
    classes: tuple[ClassProbability, ...] | None = None
    present: tuple[str, ...] | None = None
    boxes: tuple[FoundBox, ...] | None = None
    areas: tuple[ClassArea, ...] | None = None
    mask_file: str | None = None
    class_names: tuple[str, ...] = field(default=(), repr=False)
    mask: UInt8[Tensor, "height width"] | None = field(default=None, repr=False, compare=False)
    preview: UInt8[Tensor, "channel rows columns"] | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<prediction for {self.path}: {self.words}>"

    @property
    def best(self) -> ClassProbability:
        """The most probable class.

        Raises:
            ValueError: if the task does not predict class probabilities.
        """
        if not self.classes:
            raise ValueError("this task does not predict class probabilities")
        return self.classes[0]

    @property
    def words(self) -> str:
        """The prediction in one line."""
        if self.classes is not None:
            return ", ".join(self.named(_NAMED))
        if self.boxes is not None:
            count = "1 box" if len(self.boxes) == 1 else f"{len(self.boxes)} boxes"
            found = ", ".join(f"{box.name} {box.score:.2f}" for box in self.boxes[:_NAMED])
            return f"{count}: {found}" if found else "no boxes"
        areas = [area for area in self.areas or () if area.share >= _LEAST_SHARE]
        return ", ".join(f"{area.name} {area.share:.0%}" for area in areas)

    def named(self, top: int) -> list[str]:
        """The most plausible classes, each with its probability.

        Args:
            top: the largest number of classes.
        """
        classes = self.classes or ()
        if self.present is None:
            return [f"{each.name} {each.probability:.3f}" for each in classes[:top]]
        found = [f"{each.name} {each.probability:.3f}" for each in classes[: min(top, len(self.present))]]
        nearest = [f"nearest {each.name} {each.probability:.3f}" for each in classes[:1]]
        return found or [f"(none), {nearest}" for nearest in nearest]

    def as_dict(self, top: int = TOP) -> dict[str, Any]:
        """The prediction as plain data for JSON, without the mask's pixels.

        Args:
            top: the number of most probable classes to include.
        """
        content: dict[str, Any] = {"path": self.path, "height": self.size[0], "width": self.size[1]}
        if self.classes is not None:
            content["classes"] = [each.as_dict() for each in self.classes[:top]]
        if self.present is not None:
            content["present"] = list(self.present)
        if self.boxes is not None:
            content["boxes"] = [box.as_dict() for box in self.boxes]
        if self.areas is not None:
            content |= {"areas": [area.as_dict() for area in self.areas], "mask_file": self.mask_file}
        return content

    def without_pixels(self) -> ImagePrediction:
        """The same prediction without mask and preview, which take memory."""
        return replace(self, mask=None, preview=None)

    def annotation(self) -> Annotation:
        """The annotation to draw on the preview."""
        assert self.preview is not None
        rows, columns = self.preview.shape[-2:]
        scale = torch.tensor([columns / self.size[1], rows / self.size[0]] * 2)
        edges = [(box.left, box.top, box.right, box.bottom) for box in self.boxes or ()]
        mask = self.mask
        if mask is not None:
            mask = F.interpolate(mask[None, None].float(), (rows, columns), mode="nearest-exact")[0, 0].long()
        return Annotation(
            f"{Path(self.path).name}: {self.words}",
            torch.tensor(edges).reshape(-1, 4) * scale,
            [f"{box.name} {box.score:.2f}" for box in self.boxes or ()],
            mask,
        )


@dataclass(frozen=True)
class Predictions(Sequence[ImagePrediction]):
    """A run's predictions for images: a sequence with one prediction for each readable image.

    Args:
        run: the run folder.
        task: name of the task.
        device: the device used, in words.
        class_names: names of the classes, by number.
        images: the predictions, in the sequence of the images.
        unreadable: the images that could not be read, with reasons.
        findings: what was left out or converted while reading the images.
        notes: what people have to know, one sentence each.
        threshold: the lowest probability or score that is reported; None if nothing is left out.
    """

    run: Path
    task: str
    device: str
    class_names: tuple[str, ...]
    images: tuple[ImagePrediction, ...]
    unreadable: tuple[Unreadable, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    threshold: Threshold | None = None

    def __len__(self) -> int:
        return len(self.images)

    @overload
    def __getitem__(self, index: int) -> ImagePrediction: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ImagePrediction]: ...
    def __getitem__(self, index: int | slice) -> ImagePrediction | Sequence[ImagePrediction]:
        return self.images[index]

    def __iter__(self) -> Iterator[ImagePrediction]:
        return iter(self.images)

    def __repr__(self) -> str:
        missing = f", {len(self.unreadable)} unreadable" if self.unreadable else ""
        return f"<{self.task} of {len(self)} images by {self.run}{missing}>"

    def _repr_html_(self) -> str:
        # Imported on first use, because only notebooks need it.
        from reorder_kit.figures.prediction_table import PredictionRow, prediction_table

        rows = [
            PredictionRow(each.path, each.words, each.preview, None if each.preview is None else each.annotation())
            for each in self
        ]
        missing = [f"{each.path}: {each.reason}" for each in self.unreadable]
        return prediction_table(f"{self.run}: {self.task}, {self.device}", rows, missing)

    def as_dict(self, top: int = TOP) -> dict[str, Any]:
        """The predictions as plain data for JSON; every key is always present.

        Args:
            top: the number of most probable classes per image.
        """
        threshold = self.threshold
        return {
            "run": str(self.run),
            "task": self.task,
            "device": self.device,
            "class_names": list(self.class_names),
            "threshold": None if threshold is None else {"value": threshold.value, "origin": threshold.origin},
            "images": [each.as_dict(top) for each in self],
            "unreadable": [{"path": each.path, "reason": each.reason} for each in self.unreadable],
            "findings": [{"what": each.what, "count": each.count, "example": each.example} for each in self.findings],
            "notes": list(self.notes),
        }

    def draw(self, path: str | Path) -> None:
        """Write a picture of the first images, which have a preview.

        Args:
            path: the file, whose extension determines the format.

        Raises:
            ReorderKitError: if it cannot be written.
        """
        # Imported on first use, because importing matplotlib takes a second.
        from reorder_kit.figures.picture_file import require_picture_file

        require_picture_file(Path(path))
        draw_previews(self.images, str(self.run), Path(path))


def draw_previews(images: Sequence[ImagePrediction], heading: str, path: Path) -> None:
    """Write a picture of predictions.

    Args:
        images: the predictions; those without a preview are left out.
        heading: the heading at the top.
        path: the file.

    Raises:
        ReorderKitError: if none has a preview, or the file cannot be written.
    """
    # Imported on first use: matplotlib takes a second.
    from reorder_kit.figures.predictions import draw_answers

    pairs = [(each.preview, each.annotation()) for each in images if each.preview is not None]
    if not pairs:
        raise ReorderKitError(f"{path}: there is no image to draw")
    with writing(path):
        draw_answers(
            [preview for preview, _ in pairs], [answer for _, answer in pairs], images[0].class_names, heading, path
        )


def mask_as_png(mask: UInt8[Tensor, "height width"]) -> bytes:
    """A mask as an 8-bit gray PNG, whose values are class numbers."""
    content = BytesIO()
    Image.fromarray(mask.contiguous().numpy()).save(content, "PNG")
    return content.getvalue()
