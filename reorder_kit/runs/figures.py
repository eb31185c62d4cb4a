"""What a model scores on a split."""

from __future__ import annotations

from collections.abc import Iterator, KeysView, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Self, TypeGuard

from pydantic import ConfigDict, RootModel, TypeAdapter, ValidationError, model_validator

from reorder_kit.interfaces.finding import Finding

_LARGEST = 2**63
"""A whole number beyond is no count of anything, and may be too large for a float."""


_KINDS: Mapping[str, TypeAdapter[Any]] = {
    "parts": TypeAdapter(dict[str, float]),
    "unreadable": TypeAdapter(list[str]),
    "findings": TypeAdapter(list[Finding]),
}


class Figures(RootModel[dict[str, Any]]):
    """What a model scores on the images of a split: a mapping with the task's metrics by name, and what all tasks have.

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
        """Those of a split; parts, unreadable images and findings are left out where there are none."""
        named = {"parts": dict(parts)} if parts else {}
        missing = {"unreadable": list(unreadable)} if unreadable else {}
        found = {"findings": [asdict(finding) for finding in findings]} if findings else {}
        return cls({"loss": loss, **named, "images": images, **metrics, **missing, **found})

    @property
    def loss(self) -> float:
        """The mean over images."""
        return float(self.root["loss"])

    @property
    def images(self) -> int:
        """How many were read."""
        return int(self.root["images"])

    @property
    def parts(self) -> Mapping[str, float]:
        """The parts of the loss; empty where the task names none."""
        parts: Mapping[str, float] = self.root.get("parts", {})
        return parts

    @property
    def unreadable(self) -> tuple[str, ...]:
        """The images that could not be read."""
        return tuple(self.root.get("unreadable", ()))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was dropped, guessed or converted in reading the images."""
        return tuple(Finding(**finding) for finding in self.root.get("findings", ()))

    @property
    def absent_classes(self) -> tuple[str, ...]:
        """The classes of which the images have no example, so that they have no figure.

        >>> Figures({"loss": 0.25, "images": 8, "per_class": {"cat": 0.5, "dog": None}}).absent_classes
        ('dog',)
        """
        by_class = self.root.get("per_class")
        return tuple(name for name, value in by_class.items() if value is None) if isinstance(by_class, dict) else ()

    def score(self, metric: str) -> float:
        """A metric that is a number."""
        return float(self.root[metric])

    def numbers(self) -> Iterator[tuple[str, float]]:
        """All that are numbers: figures by class are left out."""
        return ((name, value) for name, value in self.root.items() if is_number(value))

    def keys(self) -> KeysView[str]:
        """The names of all figures, so that ``dict(figures)`` holds them."""
        return self.root.keys()

    def __iter__(self) -> Iterator[str]:  # type: ignore[override]
        """Over the names, as of any mapping; pydantic's goes over the one field there is."""
        return iter(self.root)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.root)

    def __getitem__(self, metric: str) -> Any:
        """A figure by its name."""
        return self.root[metric]

    def __contains__(self, metric: object) -> bool:
        """Whether there is such a figure."""
        return metric in self.root


def _check(name: str, value: Any) -> None:
    try:
        _KINDS[name].validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{name} {'.'.join(map(str, first['loc']))} {first['msg']}") from None


def words_of_absence(figures: Figures, split: str) -> list[str]:
    """A sentence on the classes of which a split has no example; none if there are no such classes."""
    absent = figures.absent_classes
    if not absent:
        return []
    return [
        f"{len(absent)} of {len(figures['per_class'])} classes have no example in the {split} split, such as "
        f"{absent[0]}: they have no figure, and means over classes are those of the others."
    ]


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it can be drawn."""
    return isinstance(value, int | float) and not isinstance(value, bool)
