"""Samples that are changed before they reach the loader."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reorder_kit.interfaces import HasIdentities, HasTargets, HasViews, Identity, Sample, SampleSet, Unreadable


class WrappedSamples:
    """Samples of another set, changed by a derived class; unreadable samples stay unreadable.

    It has views, known targets and identities exactly if the other set does.

    Args:
        samples: the other set.
    """

    view: Callable[[int], Sample | Unreadable]
    target: Callable[[int], Any]
    identity: Callable[[int], Identity]

    def __init__(self, samples: SampleSet) -> None:
        self._samples = samples
        # Attributes of the object, because HasViews and similar protocols check whether they exist.
        if isinstance(samples, HasViews):
            self.view = self._changed_view
        if isinstance(samples, HasTargets):
            self.target = self.changed_target
        if isinstance(samples, HasIdentities):
            self.identity = samples.identity

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Sample | Unreadable:
        return self._changed_if_read(self._samples[index], index)

    def changed(self, sample: Sample, index: int) -> Sample | Unreadable:
        """The changed sample with this index, or a changed view of it."""
        return sample

    def changed_target(self, index: int) -> Any | Unreadable:
        """The changed target of the sample with this index; called only if the other set knows targets."""
        assert isinstance(self._samples, HasTargets)
        return self._samples.target(index)

    def _changed_view(self, index: int) -> Sample | Unreadable:
        assert isinstance(self._samples, HasViews)
        return self._changed_if_read(self._samples.view(index), index)

    def _changed_if_read(self, sample: Sample | Unreadable, index: int) -> Sample | Unreadable:
        return sample if isinstance(sample, Unreadable) else self.changed(sample, index)
