"""A selection of a set's samples, and two sets joined into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from reorder_kit.interfaces import HasIdentities, HasTargets, HasViews, Identity, Sample, SampleSet, Unreadable


class ChosenSamples:
    """Some samples of a set, in a given sequence, transformed as in that set.

    It has views, known targets and identities exactly if the set does.

    Args:
        samples: the set.
        chosen: indices of the samples.
    """

    view: Callable[[int], Sample | Unreadable]
    target: Callable[[int], Any]
    identity: Callable[[int], Identity]

    def __init__(self, samples: SampleSet, chosen: Sequence[int]) -> None:
        self._samples, self._chosen = samples, list(chosen)
        # Attributes of the object, because HasViews and similar protocols check whether they exist.
        if isinstance(samples, HasViews):
            self.view = _Numbered(samples.view, self._chosen)
        if isinstance(samples, HasTargets):
            self.target = _Numbered(samples.target, self._chosen)
        if isinstance(samples, HasIdentities):
            self.identity = _Numbered(samples.identity, self._chosen)

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int) -> Sample | Unreadable:
        return self._samples[self._chosen[index]]


class JoinedSamples:
    """The samples of one set, then those of another.

    It has views if the first set does. If the second set has none, its samples are drawn again instead, as for training
    sets.

    Args:
        first: evaluation samples.
        second: training samples.
    """

    view: Callable[[int], Sample | Unreadable]

    def __init__(self, first: SampleSet, second: SampleSet) -> None:
        self._first, self._second = first, second
        if isinstance(first, HasViews):
            self.view = self._joined_view

    def __len__(self) -> int:
        return len(self._first) + len(self._second)

    def __getitem__(self, index: int) -> Sample | Unreadable:
        in_second = index - len(self._first)
        return self._first[index] if in_second < 0 else self._second[in_second]

    def _joined_view(self, index: int) -> Sample | Unreadable:
        first, second = self._first, self._second
        in_second = index - len(first)
        if in_second < 0:
            assert isinstance(first, HasViews)
            return first.view(index)
        return second.view(in_second) if isinstance(second, HasViews) else second[in_second]


class _Numbered:
    """Turns a function of indices in the set into one of positions in the selection; loaders pickle it."""

    def __init__(self, function: Callable[[int], Any], chosen: Sequence[int]) -> None:
        self._function, self._chosen = function, chosen

    def __call__(self, index: int) -> Any:
        return self._function(self._chosen[index])
