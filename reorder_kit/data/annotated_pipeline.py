"""Transforms and letterboxing of images together with their targets.

Imported only when data is opened, because importing torchvision takes seconds.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torchvision import tv_tensors

from reorder_kit.data.annotated import RawSample
from reorder_kit.data.box_findings import box_findings
from reorder_kit.data.flip import quick
from reorder_kit.data.letterbox import content_size, letterbox
from reorder_kit.data.normalize import Normalize
from reorder_kit.data.transforms import NamedTransform, transform_class
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import IGNORED, BoxTarget, Finding, ImageShape, Sample


class AnnotatedPipeline:
    """Named transforms of image and target together, then letterboxing, then ``(value - mean) / std`` per channel.

    Afterwards padding is 0 and masked as :data:`~reorder_kit.interfaces.IGNORED`. Boxes are cut at the edges of the
    image and dropped if nothing of them remains.

    Args:
        transforms: the named transforms, in the order of application.
        image: the resulting shape.
        mean: the mean of each channel, on the scale from 0 to 1.
        std: the standard deviation of each channel, on the same scale.
    """

    def __init__(
        self, transforms: Sequence[NamedTransform], image: ImageShape, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        self._named, self._image, self._size = transforms, image, (image.height, image.width)
        self._transforms = [quick(_build(transform)) for transform in transforms]
        self._normalize = Normalize(mean, std)

    def __call__(self, raw: RawSample, name: str = "") -> Sample:
        """Transform one image with its target.

        Args:
            raw: the image.
            name: its name in findings.

        Raises:
            ReorderKitError: if the named transforms fail, or change the number of channels.
        """
        pictures: dict[str, Any] = {"image": tv_tensors.Image(raw.image), **_pictures_of(raw)}
        try:
            for transform in self._transforms:
                pictures = transform(pictures)
        except (RuntimeError, TypeError, ValueError) as error:
            names = ", ".join(map(str, self._named))
            reason = f"data.train_transforms: [{names}] fails on an image of {tuple(raw.image.shape)}: {error}"
            raise ReorderKitError(reason) from error
        channels = pictures["image"].shape[0]
        if channels != self._image.channels:
            names = ", ".join(map(str, self._named))
            raise ReorderKitError(
                f"data.train_transforms: [{names}] gives {channels} channels, not {self._image.channels}"
            )
        content = content_size(pictures["image"].shape[-2], pictures["image"].shape[-1], self._size)
        normalised = self._normalize(letterbox(pictures["image"].as_subclass(Tensor), self._size))
        normalised[:, content[0] :] = 0.0
        normalised[:, :, content[1] :] = 0.0
        has_padding = content != self._size
        target = self._target(raw.target, pictures, content)
        findings = (*raw.findings, *self._findings(raw, name))
        return Sample(normalised, target, content if has_padding else None, findings)

    def check(self, raw: RawSample) -> None:
        """Try it on one image to find mistakes at once; the global random stream is left unchanged."""
        with torch.random.fork_rng(devices=[]):
            self(raw)

    def _findings(self, raw: RawSample, name: str) -> tuple[Finding, ...]:
        """What boxes lose as stored in the file; what a random crop cuts off is not a flaw of the data."""
        if not isinstance(raw.target, BoxTarget):
            return ()
        height, width = raw.image.shape[-2:]
        return box_findings(raw.target.boxes, (height, width), content_size(height, width, self._size), name)

    def _target(self, target: Any, pictures: Mapping[str, Any], content: tuple[int, int]) -> Any:
        if "boxes" in pictures:
            return _kept_boxes(letterbox(pictures["boxes"], self._size), pictures, content)
        if "mask" in pictures:
            return letterbox(pictures["mask"], self._size, fill=IGNORED).as_subclass(Tensor)
        return target


def _build(named: NamedTransform) -> nn.Module:
    """Build a transform whose masks are ignored outside the image, instead of having the class ``fill``."""
    parameters = inspect.signature(transform_class(named.name)).parameters
    if "fill" not in parameters:
        return named.build()
    fill = named.arguments.get("fill", parameters["fill"].default)
    arguments = {**named.arguments, "fill": {tv_tensors.Mask: IGNORED, "others": fill}}
    return NamedTransform.model_validate({"name": named.name, **arguments}).build()


def _pictures_of(raw: RawSample) -> dict[str, Any]:
    """The target as torchvision's transforms want it; labels do not move."""
    if isinstance(raw.target, BoxTarget):
        size = (raw.image.shape[-2], raw.image.shape[-1])
        boxes = tv_tensors.BoundingBoxes(raw.target.boxes, format="XYXY", canvas_size=size)
        return {"boxes": boxes, "classes": raw.target.classes, "crowd": raw.target.crowd}
    is_mask = isinstance(raw.target, Tensor) and raw.target.shape == raw.image.shape[-2:]
    return {"mask": tv_tensors.Mask(raw.target)} if is_mask else {}


def _kept_boxes(boxes: Any, pictures: Mapping[str, Any], content: tuple[int, int]) -> BoxTarget:
    # Cut boxes at the edges of the image's content: they may reach into the padding, also by rounding.
    height, width = content
    clamped: Tensor = boxes.as_subclass(Tensor).float().clamp(min=0).minimum(torch.tensor([width, height] * 2))
    kept = ((clamped[:, 2:] - clamped[:, :2]) > 0).all(dim=1)
    classes: Int[Tensor, " box"] = pictures["classes"]
    if kept.all():  # the usual case, without copies
        return BoxTarget(clamped, classes, pictures["crowd"])
    return BoxTarget(clamped[kept], classes[kept], pictures["crowd"][kept])
