"""Copies of one image whose targets contradict each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from reorder_kit.data.annotated import RawSample
from reorder_kit.data.decoded_cache import DecodedSamples
from reorder_kit.data.findings import Findings
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import BoxTarget, Finding, HasIdentities, HasTargets, SampleSet, Unreadable

CONTRADICTING = "copies have other labels"

_FEWEST = 5
"""The fewest images of a class that are judged: in a smaller class, all could be wrong by chance."""


class Contradictions:
    """Compares the targets of copies within a split.

    Args:
        samples: the split's samples; nothing is compared if targets depend on their augmentation.
    """

    def __init__(self, samples: SampleSet) -> None:
        self._samples = samples
        self._findings = Findings()
        self._copies_of: dict[int, list[int]] = {}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Copies that contradict the first image with the same bytes."""
        return self._findings.found

    def compare(self, first: int, copy: int) -> None:
        """Compare the targets of two samples whose images have the same bytes.

        Args:
            first: index of the sample that was seen first.
            copy: index of the other sample.
        """
        self._copies_of.setdefault(first, []).append(copy)
        if _differ(self._target(first), self._target(copy)):
            assert isinstance(self._samples, HasIdentities)
            names = [self._samples.identity(number).name for number in (first, copy)]
            self._findings.add(CONTRADICTING, " and ".join(names))

    def refuse_whole_classes(self, classes: Sequence[str]) -> None:
        """Refuse a class if each of its images also occurs without it, as when a folder was copied into another.

        Args:
            classes: names of the classes.

        Raises:
            ReorderKitError: naming the class.
        """
        if not self._findings.found or not isinstance(self._samples, HasTargets):
            return
        images, contradicted = Counter[int](), Counter[int]()
        for number in range(len(self._samples)):
            images.update(_classes_of(self._samples.target(number)) or ())
        for first, copies in self._copies_of.items():
            of_each = [_classes_of(self._samples.target(number)) for number in (first, *copies)]
            known = [present for present in of_each if present is not None]
            for present in known:
                contradicted.update(number for number in present if not all(number in other for other in known))
        for number, count in images.items():
            if contradicted[number] == count >= _FEWEST:
                raise ReorderKitError(
                    f"data: each of the {count} training images of the class {classes[number]!r} has a copy without it,"
                    f" such as {self._findings.found[0].example}",
                    "either labels are wrong or images of other classes were copied there; remove the wrong copies",
                )

    def _target(self, number: int) -> Any:
        if isinstance(self._samples, HasTargets):
            return self._samples.target(number)
        if isinstance(self._samples, DecodedSamples):
            decoded = self._samples.decode(number)
            return decoded.target if isinstance(decoded, RawSample) else None
        return None


def _differ(first: Any, second: Any) -> bool:
    if isinstance(first, Unreadable) or isinstance(second, Unreadable) or first is None or second is None:
        return False
    if isinstance(first, BoxTarget) and isinstance(second, BoxTarget):
        return _objects(first) != _objects(second)
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return not torch.equal(first, second)
    return bool(first != second)


def _objects(target: BoxTarget) -> list[tuple[int, list[float]]]:
    return sorted(zip(target.classes.tolist(), target.boxes.tolist(), strict=True))


def _classes_of(target: Any) -> set[int] | None:
    """The classes of an image; None if its target holds more than classes, or it has no target."""
    if isinstance(target, int):
        return {target}
    if isinstance(target, Tensor) and target.dim() == 1 and target.is_floating_point():
        return set(target.nonzero().flatten().tolist())
    return None
