"""The metrics of a model on a split."""

from __future__ import annotations

from collections.abc import Iterator, KeysView, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Self, TypeGuard

from pydantic import ConfigDict, RootModel, TypeAdapter, ValidationError, model_validator

from reorder_kit.interfaces.finding import Finding

_LARGEST = 2**63
"""The largest plausible count; a larger whole number may be too large for a float."""


_KINDS: Mapping[str, TypeAdapter[Any]] = {
    "parts": TypeAdapter(dict[str, float]),
    "unreadable": TypeAdapter(list[str]),
    "findings": TypeAdapter(list[Finding]),
}


class Figures(RootModel[dict[str, Any]]):
    """The metrics of a model on the images of a split: a mapping with the task's metrics and those of all tasks.

    >>> figures = Figures({"loss": 0.25, "images": 8, "top1": 0.75})
    >>> figures.loss, figures.images, figures["top1"], figures.unreadable
    (0.25, 8, 0.75, ())
    >>> dict(figures)
    {'loss': 0.25, 'images': 8, 'top1': 0.75}
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")

    @model_validator(mode="after")
    def _has_what_all_tasks_have(self) -> Self:
        for name, kinds in {"loss": (int, float), "images": (int,)}.items():
            value = self.root.get(name)
            if not isinstance(value, kinds) or isinstance(value, bool):
                raise ValueError(f"{name} should be a number" if name in self.root else f"{name} is missing")
        if self.images < 0:
            raise ValueError("images should not be below 0")
        for name in (name for name, value in self.root.items() if isinstance(value, int) and abs(value) > _LARGEST):
            raise ValueError(f"{name} is too large")
        for name in self.root.keys() & _KINDS.keys():
            _check(name, self.root[name])
        return self

    @classmethod
    def of(
        cls,
        loss: float,
        parts: Mapping[str, float],
        images: int,
        metrics: Mapping[str, Any],
        unreadable: Sequence[str],
        findings: Sequence[Finding] = (),
    ) -> Self:
        """The metrics of a split; empty parts, unreadable images and findings are left out."""
        named = {"parts": dict(parts)} if parts else {}
        missing = {"unreadable": list(unreadable)} if unreadable else {}
        found = {"findings": [asdict(finding) for finding in findings]} if findings else {}
        return cls({"loss": loss, **named, "images": images, **metrics, **missing, **found})

    @property
    def loss(self) -> float:
        """The mean loss over images."""
        return float(self.root["loss"])

    @property
    def images(self) -> int:
        """The number of images read."""
        return int(self.root["images"])

    @property
    def parts(self) -> Mapping[str, float]:
        """The parts of the loss; empty if the task names none."""
        parts: Mapping[str, float] = self.root.get("parts", {})
        return parts

    @property
    def unreadable(self) -> tuple[str, ...]:
        """The images that could not be read."""
        return tuple(self.root.get("unreadable", ()))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was dropped, guessed or converted while reading the images."""
        return tuple(Finding(**finding) for finding in self.root.get("findings", ()))

    @property
    def absent_classes(self) -> tuple[str, ...]:
        """The classes without an example among the images, and so without a metric.

        >>> Figures({"loss": 0.25, "images": 8, "per_class": {"cat": 0.5, "dog": None}}).absent_classes
        ('dog',)
        """
        by_class = self.root.get("per_class")
        return tuple(name for name, value in by_class.items() if value is None) if isinstance(by_class, dict) else ()

    def score(self, metric: str) -> float:
        """A numeric metric."""
        return float(self.root[metric])

    def numbers(self) -> Iterator[tuple[str, float]]:
        """All numeric metrics; per-class metrics are left out."""
        return ((name, value) for name, value in self.root.items() if is_number(value))

    def keys(self) -> KeysView[str]:
        """The names of all metrics, which make ``dict(figures)`` work."""
        return self.root.keys()

    def __iter__(self) -> Iterator[str]:  # type: ignore[override]
        """Iterate over the names, as in any mapping; pydantic's version iterates over the single field."""
        return iter(self.root)

    def __len__(self) -> int:
        """The number of metrics."""
        return len(self.root)

    def __getitem__(self, metric: str) -> Any:
        """A metric by name."""
        return self.root[metric]

    def __contains__(self, metric: object) -> bool:
        """Whether there is a metric with this name."""
        return metric in self.root


def _check(name: str, value: Any) -> None:
    try:
        _KINDS[name].validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{name} {'.'.join(map(str, first['loc']))} {first['msg']}") from None


def words_of_absence(figures: Figures, split: str) -> list[str]:
    """A sentence about the classes without an example in a split; empty if there are none."""
    absent = figures.absent_classes
    if not absent:
        return []
    return [
        f"{len(absent)} of {len(figures['per_class'])} classes have no example in the {split} split, such as "
        f"{absent[0]}: they have no score, and means over classes leave them out."
    ]


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number that can be plotted."""
    return isinstance(value, int | float) and not isinstance(value, bool)
