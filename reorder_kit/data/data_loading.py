"""Batches of samples, the same however many workers load them and wherever a run was stopped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from reorder_kit.data.collation import DrawnSample, collate
from reorder_kit.data.random_streams import seed_torch, stream
from reorder_kit.errors import ComponentError, ReorderKitError
from reorder_kit.interfaces import Batch, HasViews, Sample, SampleSet, TargetKind, Unreadable

EVALUATION_SEED = 0


@dataclass(frozen=True)
class SampleKey:
    """A sample in an epoch: what its augmentation depends on."""

    epoch: int
    index: int


class KeyedSamples(Dataset[DrawnSample | Unreadable]):
    """Samples by key, each with its further views.

    Every view has a seed of its own, from the seed of the run, the split, the epoch, the sample and the view; its
    augmentation is drawn from it. The stream of whoever asks is left as it is. A sample that cannot be read in one
    view is unreadable.

    Args:
        samples: the split.
        split: its name; ``train`` draws views by asking again for the sample where the set has no views of its own.
        seed: of the run.
        views: how many further views each sample gets.

    Raises:
        ReorderKitError: if views are asked for which the set cannot give.
    """

    def __init__(self, samples: SampleSet, split: str, seed: int, views: int = 0) -> None:
        if views and split != "train" and not isinstance(samples, HasViews):
            raise ReorderKitError(
                f"the task compares several views of an image, but {type(samples).__name__}, which holds the {split}"
                " images, has none",
                "give the class a method view(index): the same sample under the training transform",
            )
        self._samples, self._split, self._seed, self._views = samples, split, seed, views
        self._draw_view = samples.view if isinstance(samples, HasViews) else samples.__getitem__

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, key: SampleKey) -> DrawnSample | Unreadable:
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: Sequence[SampleKey]) -> list[DrawnSample | Unreadable]:
        """The samples of a batch."""
        with torch.random.fork_rng(devices=[]):
            return [self._draw(key) for key in keys]

    def _draw(self, key: SampleKey) -> DrawnSample | Unreadable:
        versions: list[Sample] = []
        seeds: list[int] = []
        for view in range(1 + self._views):
            seeds.append(stream(self._seed, "sample", self._split, key.epoch, key.index, view))
            seed_torch(seeds[-1])
            sample = self._read(key.index, view)
            if isinstance(sample, Unreadable):
                return sample
            versions.append(sample)
        return DrawnSample(tuple(versions), tuple(seeds))

    def _read(self, index: int, view: int) -> Sample | Unreadable:
        sample: Any = self._draw_view(index) if view else self._samples[index]
        if not isinstance(sample, Sample | Unreadable):
            gave = f"{type(self._samples).__name__} gave a {type(sample).__name__}"
            raise TypeError(f"{gave} as sample {index}; it has to be a Sample, or Unreadable")
        read: Sample | Unreadable = sample
        return read


class _ToldSamples(KeyedSamples):
    """Samples whose mistakes are handed on as values.

    Out of a process that loads images, torch would raise them as a page of text about that process.
    """

    def __getitems__(self, keys: Sequence[SampleKey]) -> Any:
        try:
            return super().__getitems__(keys)
        except ReorderKitError as error:
            return error


class _Loader(DataLoader[Any]):
    """Batches; a mistake that was handed on is raised here, in the process that trains."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        return _raising(super().__iter__())  # torch draws a seed here, not later


def _raising(batches: Iterable[Any]) -> Iterator[Any]:
    for batch in batches:
        if isinstance(batch, ReorderKitError):
            raise batch
        yield batch


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


def steps_of_epoch(images: int, processes: int, batch_size: int, accumulate: int) -> int:
    """Optimizer steps in an epoch.

    Args:
        images: of the training split.
        processes: each gets the same number of them.
        batch_size: images in a batch of a process.
        accumulate: batches whose gradients make a step.

    >>> steps_of_epoch(100, processes=2, batch_size=16, accumulate=3)
    2
    """
    of_process = -(-images // processes)
    batches = -(-of_process // batch_size)
    return -(-batches // accumulate)


def train_loader(
    samples: SampleSet,
    kind: TargetKind,
    keys: ShuffledKeys,
    seed: int,
    batch_size: int,
    workers: int,
    views: int = 0,
) -> DataLoader[Any]:
    """Augmented batches of one process.

    Args:
        samples: the training split.
        kind: of its targets.
        keys: the samples; ``keys.epoch`` says of which epoch.
        seed: of the run.
        batch_size: samples in a batch of this process.
        workers: processes that load; 0 for this one.
        views: further views of each sample.
    """
    return _Loader(
        _ToldSamples(samples, "train", seed, views),
        batch_size=batch_size,
        sampler=keys,
        **_how(kind, workers, views),
    )


def evaluation_loader(
    samples: SampleSet,
    kind: TargetKind,
    split: str,
    batch_size: int,
    workers: int,
    process: int = 0,
    processes: int = 1,
    views: int = 0,
    chosen: Sequence[int] | None = None,
) -> DataLoader[Any]:
    """This process's share of a split; over all processes every sample is there once.

    ``batch_size * processes`` samples that follow each other are dealt out to all processes, so that every process has
    the same number of batches, none of them empty. A few samples at the end, fewer than processes, join the batch
    before them.

    The seeds of samples do not depend on the run's seed: runs of a study are compared on the same views and the same
    masks. They belong to the number of a sample in its split, whatever else is looked at.

    Args:
        samples: the split.
        kind: of its targets.
        split: its name.
        batch_size: samples in a batch of this process.
        workers: processes that load; 0 for this one.
        process: the number of this process.
        processes: how many there are.
        views: further views of each sample, under the training transform.
        chosen: numbers of the samples to look at; all if not given.

    Raises:
        ReorderKitError: if there are fewer samples than processes, or views are asked for which the set cannot give.
    """
    numbers = range(len(samples)) if chosen is None else chosen
    require_samples(len(numbers), split, processes)
    keys = [SampleKey(0, index) for index in numbers]
    return _Loader(
        _ToldSamples(samples, split, EVALUATION_SEED, views),
        batch_sampler=_dealt(keys, batch_size, process, processes),
        **_how(kind, workers, views),
    )


def load_batch(samples: SampleSet, kind: TargetKind, split: str, chosen: Sequence[int], views: int = 0) -> Batch:
    """One batch of chosen samples of a split, with random numbers that do not depend on the seed of a run."""
    keyed = KeyedSamples(samples, split, EVALUATION_SEED, views)
    return collate(keyed.__getitems__([SampleKey(0, index) for index in chosen]), kind, views)


def require_samples(samples: int, split: str, processes: int) -> None:
    """Check that a split can be dealt out.

    Raises:
        ReorderKitError: if a process would have nothing to do.
    """
    if samples < processes:
        if not samples:
            raise ReorderKitError(f"the {split} split has no image")
        raise ReorderKitError(
            f"the {split} split has {samples} images for {processes} processes; each needs one",
            f"use more {split} images, or torchrun --nproc-per-node {samples}",
        )


def _dealt(keys: Sequence[SampleKey], batch_size: int, process: int, processes: int) -> list[list[SampleKey]]:
    starts = list(range(0, len(keys), batch_size * processes))
    if len(starts) > 1 and len(keys) - starts[-1] < processes:
        del starts[-1]
    ends = [*starts[1:], len(keys)]
    return [list(keys[start + process : end : processes]) for start, end in zip(starts, ends, strict=True)]


def _collated(drawn: Any, kind: TargetKind, views: int) -> Any:
    if isinstance(drawn, ReorderKitError):
        return drawn
    try:
        return collate(drawn, kind, views)
    except Exception as error:
        if type(kind).__module__.startswith("reorder_kit."):
            raise
        return ComponentError("target-kind", kind.name, f"collate raised {type(error).__name__}: {error}")


def _how(kind: TargetKind, workers: int, views: int) -> dict[str, Any]:
    return {
        "num_workers": workers,
        "collate_fn": partial(_collated, kind=kind, views=views),
        "pin_memory": torch.cuda.is_available(),
    }


def chunks(batches: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of so many batches, the last of which may be shorter."""
    iterator = iter(batches)
    while chunk := list(islice(iterator, size)):
        yield chunk
