"""Transforms of one image, named in a recipe: torchvision's, and Fit."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import pydantic
from pydantic import Field
from torch import nn

from reorder_kit.errors import did_you_mean, quoted

# Transforms of one image into one image whose arguments can be written in YAML. Conversion and normalization are
# missing because they always follow; MixUp and CutMix, because they take whole batches and belong to the task; JPEG,
# because torchvision 0.29 deprecates its encoder.
_FROM_TORCHVISION = (
    "AugMix",
    "AutoAugment",
    "CenterCrop",
    "ColorJitter",
    "ElasticTransform",
    "GaussianBlur",
    "GaussianNoise",
    "Grayscale",
    "Pad",
    "RandAugment",
    "RandomAdjustSharpness",
    "RandomAffine",
    "RandomAutocontrast",
    "RandomChannelPermutation",
    "RandomCrop",
    "RandomEqualize",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomInvert",
    "RandomPerspective",
    "RandomPhotometricDistort",
    "RandomPosterize",
    "RandomResize",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomShortestSize",
    "RandomSolarize",
    "RandomVerticalFlip",
    "RandomZoomOut",
    "Resize",
    "ScaleJitter",
    "TrivialAugmentWide",
)
KNOWN_TRANSFORMS = ("Fit", *_FROM_TORCHVISION)
_LARGEST_NUMBER = 1_000_000
"""No argument of these transforms is meaningful beyond this."""


def transform_class(name: str) -> Callable[..., nn.Module]:
    """The transform with this name, one of :data:`KNOWN_TRANSFORMS`."""
    # Imported on first use, here and below, because importing torchvision takes seconds.
    from torchvision.transforms import v2

    from reorder_kit.data.fit import Fit

    found: Callable[..., nn.Module] = Fit if name == "Fit" else getattr(v2, name)
    return found


class NamedTransform(pydantic.BaseModel):
    """A transform by its class name in ``torchvision.transforms.v2``; all other keys are its arguments.

    >>> NamedTransform(name="RandomResizedCrop", size=64, interpolation="bicubic").build().size
    (64, 64)
    """

    model_config = pydantic.ConfigDict(extra="allow", frozen=True)

    name: str = Field(description="class name in torchvision.transforms.v2, or Fit")

    @pydantic.model_validator(mode="after")
    def _can_be_built(self) -> NamedTransform:
        self.build()
        return self

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments: everything in the recipe except the name."""
        return dict(self.model_extra or {})

    def build(self) -> nn.Module:
        """The transform itself.

        Raises:
            ValueError: if the transform is unknown, or does not take these arguments.
        """
        if self.name not in KNOWN_TRANSFORMS:
            raise ValueError(f"unknown transform {quoted(self.name)} ({did_you_mean(self.name, KNOWN_TRANSFORMS)})")
        transform = transform_class(self.name)
        self._check_names(inspect.signature(transform).parameters)
        for argument, value in self.arguments.items():
            if not _is_bounded(value):
                raise ValueError(f"{self.name}: {argument} cannot be {quoted(value)}: it contains too large a number")
        arguments = {key: self._enumerated(key, value) for key, value in self.arguments.items()}
        try:
            return transform(**arguments)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self.name}: {error}") from error

    def _check_names(self, parameters: Any) -> None:
        takes = f"it takes {', '.join(parameters)}" if parameters else "it takes none"
        for argument in self.arguments:
            if argument not in parameters:
                raise ValueError(f"{self.name} has no argument {quoted(argument)} ({takes})")
        for argument, parameter in parameters.items():
            if parameter.default is parameter.empty and argument not in self.arguments:
                raise ValueError(f"{self.name} needs the argument {argument!r} ({takes})")

    def _enumerated(self, argument: str, value: Any) -> Any:
        from torchvision.transforms import AutoAugmentPolicy, InterpolationMode

        # torchvision wants these arguments as enumeration members; a recipe gives their values.
        enumerated = {"interpolation": InterpolationMode, "policy": AutoAugmentPolicy}
        if argument not in enumerated or not isinstance(value, str):
            return value
        known = {str(member.value): member for member in enumerated[argument]}
        if value not in known:
            raise ValueError(f"{self.name}: {argument} cannot be {quoted(value)} ({did_you_mean(value, known)})")
        return known[value]

    def __str__(self) -> str:
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.arguments.items())
        return f"{self.name}({arguments})"


def _is_bounded(value: Any) -> bool:
    """Whether every number in a value is finite and within the size of images."""
    if isinstance(value, (int, float)):
        return abs(value) <= _LARGEST_NUMBER
    if isinstance(value, Mapping):
        return all(map(_is_bounded, value.values()))
    return all(map(_is_bounded, value)) if isinstance(value, (list, tuple)) else True


HORIZONTAL_FLIP = NamedTransform.model_construct(name="RandomHorizontalFlip")
"""The usual default; not validated, because that would import torchvision, which takes seconds."""


def _from_bare_name(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


TransformChoice = Annotated[
    NamedTransform, pydantic.BeforeValidator(_from_bare_name, json_schema_input_type=str | NamedTransform)
]
"""A transform as a recipe writes it: ``RandAugment``, or ``{name: RandomResizedCrop, size: 64}``."""
