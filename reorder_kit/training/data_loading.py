"""Batches of samples, the same however many workers load them and wherever a run was stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from reorder_kit.interfaces import Batch, BoxTarget, Sample, SampleSet, Unreadable
from reorder_kit.training.random_streams import seed_torch, stream


@dataclass(frozen=True)
class SampleKey:
    """A sample in an epoch: what its augmentation depends on."""

    epoch: int
    index: int


class KeyedSamples(Dataset[Sample | Unreadable]):
    """Samples by key, augmented by the key's own random stream; the stream of whoever asks is left as it is."""

    def __init__(self, samples: SampleSet, seed: int) -> None:
        self._samples, self._seed = samples, seed

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, key: SampleKey) -> Sample | Unreadable:
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: Sequence[SampleKey]) -> list[Sample | Unreadable]:
        """The samples of a batch."""
        with torch.random.fork_rng(devices=[]):
            return [self._draw(key) for key in keys]

    def _draw(self, key: SampleKey) -> Sample | Unreadable:
        seed_torch(stream(self._seed, "sample", key.epoch, key.index))
        return self._samples[key.index]


class ShuffledKeys(Sampler[SampleKey]):
    """Another permutation of all samples in each epoch, dealt out to the processes.

    Every process gets the same number; where they do not divide, the first samples of the epoch are dealt again.
    """

    def __init__(self, size: int, seed: int, process: int, processes: int) -> None:
        self._size, self._seed, self._process, self._processes = size, seed, process, processes
        self.epoch = 0

    def __len__(self) -> int:
        return -(-self._size // self._processes)

    def __iter__(self) -> Iterator[SampleKey]:
        generator = torch.Generator().manual_seed(stream(self._seed, "shuffle", self.epoch))
        shuffled = torch.randperm(self._size, generator=generator).tolist()
        for place in range(self._process, len(self) * self._processes, self._processes):
            yield SampleKey(self.epoch, shuffled[place % self._size])


def train_loader(
    samples: SampleSet, keys: ShuffledKeys, seed: int, batch_size: int, workers: int
) -> DataLoader[Sample | Unreadable]:
    """Augmented batches of one process; ``keys.epoch`` says of which epoch."""
    dataset = KeyedSamples(samples, seed)
    return _loader(dataset, keys, batch_size, workers)


def evaluation_loader(
    samples: SampleSet, batch_size: int, workers: int, process: int, processes: int
) -> DataLoader[Sample | Unreadable]:
    """This process's share of a split; over all processes every sample is there once."""
    keys = [SampleKey(0, index) for index in range(process, len(samples), processes)]
    return _loader(KeyedSamples(samples, 0), keys, batch_size, workers)


def _loader(
    dataset: KeyedSamples, keys: ShuffledKeys | Sequence[SampleKey], batch_size: int, workers: int
) -> DataLoader[Sample | Unreadable]:
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=keys,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
    )


def collate(samples: Sequence[Sample | Unreadable]) -> Batch:
    """Stack what could be read; name what could not."""
    read = [sample for sample in samples if isinstance(sample, Sample)]
    unreadable = tuple(sample for sample in samples if isinstance(sample, Unreadable))
    if not read:
        return Batch(torch.empty(0), (), unreadable)
    targets = [sample.target for sample in read]
    return Batch(
        torch.stack([sample.image for sample in read]),
        targets if isinstance(targets[0], BoxTarget) else _stacked(targets),
        unreadable,
        _content(read),
    )


def _stacked(targets: list[Any]) -> Any:
    """Together; numbers of classes, of which a mask may have a byte for each pixel, as losses want them."""
    stacked = default_collate(targets)
    is_number = isinstance(stacked, Tensor) and not stacked.is_floating_point()
    return stacked.long() if is_number else stacked


def _content(samples: Sequence[Sample]) -> Int[Tensor, "batch 2"] | None:
    if all(sample.content is None for sample in samples):
        return None
    return torch.tensor([sample.content or tuple(sample.image.shape[-2:]) for sample in samples])
