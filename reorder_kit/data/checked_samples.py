"""Samples of a plugin's data source, each checked as it is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from reorder_kit.data.wrapped_samples import WrappedSamples
from reorder_kit.errors import ComponentError, ReorderKitError, quoted
from reorder_kit.interfaces import (
    DataSource,
    HasTargets,
    HasViews,
    ImageShape,
    Sample,
    SampleSet,
    TargetKind,
    Unreadable,
)

_MOST_TYPES = 5


class CheckedSamples(WrappedSamples):
    """The same samples; an unusable one is refused with the name of its source.

    Args:
        samples: samples of the source.
        split: their split.
        source: the data source.
        image: the shape of every image.
        kind: the kind of the targets.
        classes: names of the classes.
    """

    def __init__(
        self,
        samples: SampleSet,
        split: str,
        source: DataSource,
        image: ImageShape,
        kind: TargetKind,
        classes: Sequence[str],
    ) -> None:
        super().__init__(samples)
        self._split, self._source = split, (source.kind.name, source.name)
        self._image, self._kind, self._classes = image, kind, classes

    def __getattr__(self, name: str) -> Any:
        """Other attributes of the plugin's set, for the plugin's own code."""
        if name.startswith("_"):  # also during unpickling, before it holds samples
            raise AttributeError(name)
        return getattr(self._samples, name)

    def __getitem__(self, index: int) -> Sample | Unreadable:
        return self._checked(self._asked(lambda: self._samples[index], index), index)

    def changed_target(self, index: int) -> Any | Unreadable:
        """The target of a sample, from the source."""
        samples = self._samples
        assert isinstance(samples, HasTargets)
        target = self._asked(lambda: samples.target(index), index)
        return target if isinstance(target, Unreadable) else self._checked_target(target, index)

    def _changed_view(self, index: int) -> Sample | Unreadable:
        samples = self._samples
        assert isinstance(samples, HasViews)
        return self._checked(self._asked(lambda: samples.view(index), index), index)

    def _asked(self, ask: Callable[[], Any], index: int) -> Any:
        try:
            return ask()
        except ReorderKitError:
            raise
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # anything a plugin raises; an exit would end the process that loads images
            raise self._error(f"{self._split} sample {index} raised {type(error).__name__}: {error}") from error

    def _checked(self, sample: Any, index: int) -> Sample | Unreadable:
        if isinstance(sample, Unreadable):
            return sample
        if not isinstance(sample, Sample):
            reason = f"{self._split} sample {index} is a {_form_of(sample)}"
            raise self._error(reason, "return Sample(image, target), or Unreadable(path, reason)")
        image: Any = sample.image
        if not isinstance(image, Tensor) or not image.is_floating_point() or tuple(image.shape) != self._image.axes:
            form = f"{image.dtype} of {tuple(image.shape)}" if isinstance(image, Tensor) else type(image).__name__
            reason = f"the image of {self._split} sample {index} is {form}"
            raise self._error(reason, f"return images of floats with shape {self._image.axes}")
        if not bool(image.isfinite().all()):
            raise self._error(f"the image of {self._split} sample {index} holds NaN or infinity")
        self._checked_target(sample.target, index)
        return sample

    def _checked_target(self, target: Any, index: int) -> Any:
        misfit = self._kind.misfit(target, self._classes, self._image)
        if misfit is not None:
            raise self._error(f"the target of {self._split} sample {index} {misfit}")
        return target

    def _error(self, reason: str, hint: str | None = None) -> ComponentError:
        return ComponentError(*self._source, reason, hint)


def _form_of(value: Any) -> str:
    """The type of what a source gave, and for a pair or a dictionary the types in it."""
    name = type(value).__name__
    if isinstance(value, tuple | list) and 0 < len(value) <= _MOST_TYPES:
        return f"{name} of {', '.join(type(each).__name__ for each in value)}"
    if isinstance(value, dict) and 0 < len(value) <= _MOST_TYPES:
        return f"{name} with {', '.join(map(quoted, value))}"
    return name
