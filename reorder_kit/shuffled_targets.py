"""Training images with each other's targets: the control of what a model can score without looking."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from reorder_kit.interfaces import DataSplits, Sample, SampleSet, Unreadable


def shuffle_targets(splits: DataSplits, seed: int) -> DataSplits:
    """The same splits, but the targets of the training images are dealt out anew.

    How often each target occurs stays as it was; what it has to do with an image does not.

    Args:
        splits: opened data.
        seed: of the new deal.
    """
    permutation = torch.randperm(len(splits.train), generator=torch.Generator().manual_seed(seed))
    return replace(splits, train=ShuffledTargets(splits.train, permutation))


class ShuffledTargets:
    """Samples with the target of another sample of the same set, which is read for it.

    Args:
        samples: the true samples.
        permutation: whose target each sample gets.
    """

    def __init__(self, samples: SampleSet, permutation: Int[Tensor, " sample"]) -> None:
        self._samples, self._permutation = samples, permutation

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Sample | Unreadable:
        sample, other = self._samples[index], self._samples[int(self._permutation[index])]
        if isinstance(sample, Unreadable):
            return sample
        return other if isinstance(other, Unreadable) else sample._replace(target=other.target)
