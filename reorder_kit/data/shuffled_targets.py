"""Training images with one another's targets: the control for what a model can score without any signal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from reorder_kit.data.wrapped_samples import WrappedSamples
from reorder_kit.interfaces import DataSplits, HasTargets, Sample, SampleSet, Unreadable


def shuffle_targets(splits: DataSplits, seed: int) -> DataSplits:
    """The same splits, with the targets of the training images shuffled.

    How often each target occurs stays the same; its relation to the images is lost.

    Args:
        splits: opened data.
        seed: seed of the shuffle.
    """
    permutation = torch.randperm(len(splits.train), generator=torch.Generator().manual_seed(seed))
    return replace(splits, train=ShuffledTargets(splits.train, permutation))


class ShuffledTargets(WrappedSamples):
    """Samples with the target of another sample of the same set, whose image is read only if necessary.

    Args:
        samples: the true samples.
        permutation: the sample whose target each sample gets.
    """

    def __init__(self, samples: SampleSet, permutation: Int[Tensor, " sample"]) -> None:
        super().__init__(samples)
        self._permutation = permutation

    def changed(self, sample: Sample, index: int) -> Sample | Unreadable:
        """The sample with the other's target."""
        target = self._target_of_other(index)
        return target if isinstance(target, Unreadable) else sample._replace(target=target)

    def changed_target(self, index: int) -> Any | Unreadable:
        """The other's target."""
        return super().changed_target(int(self._permutation[index]))

    def _target_of_other(self, index: int) -> Any | Unreadable:
        if isinstance(self._samples, HasTargets):
            return self.changed_target(index)
        other = self._samples[int(self._permutation[index])]
        return other if isinstance(other, Unreadable) else other.target
