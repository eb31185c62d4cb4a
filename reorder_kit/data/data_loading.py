"""Batches of samples that do not depend on the number of loader workers or on where a run was stopped."""

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
    """Samples by key, each with its other views.

    Every view has its own seed, derived from the run's seed, the split, the epoch, the sample and the view; its
    augmentation is drawn from that seed. The caller's random stream is left unchanged. A sample is unreadable if one of
    its views is.

    Args:
        samples: the split.
        split: its name; in ``train``, views are drawn by reading the sample again if the set has no views.
        seed: the run's seed.
        views: the number of further views of each sample.

    Raises:
        ReorderKitError: if views are requested that the set cannot give.
    """

    def __init__(self, samples: SampleSet, split: str, seed: int, views: int = 0) -> None:
        if views and split != "train" and not isinstance(samples, HasViews):
            raise ReorderKitError(
                f"the task compares several views of an image, but {type(samples).__name__}, which holds the {split}"
                " images, has no views",
                "give the class a method view(index) that returns the sample under the training transform",
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
            raise TypeError(f"{gave} as sample {index}; it must be a Sample or Unreadable")
        read: Sample | Unreadable = sample
        return read


class _ToldSamples(KeyedSamples):
    """Samples whose errors are passed on as values.

    From a loader process, torch would raise them as a page of text about that process.
    """

    def __getitems__(self, keys: Sequence[SampleKey]) -> Any:
        try:
            return super().__getitems__(keys)
        except ReorderKitError as error:
            return error


class _Loader(DataLoader[Any]):
    """Batches; an error that was passed on is raised here, in the training process."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        return _raising(super().__iter__())  # torch draws a seed here, not later


def _raising(batches: Iterable[Any]) -> Iterator[Any]:
    for batch in batches:
        if isinstance(batch, ReorderKitError):
            raise batch
        yield batch


class ShuffledKeys(Sampler[SampleKey]):
    """A new permutation of all samples in each epoch, dealt out to the processes.

    Every process gets the same number; if they do not divide evenly, the epoch's first samples are dealt again.
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
        images: number of images in the training split.
        processes: number of processes, each of which gets the same number of images.
        batch_size: images in a batch of one process.
        accumulate: batches whose gradients are summed for one step.

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
        kind: the kind of its targets.
        keys: the keys of the samples; set ``keys.epoch`` to the epoch.
        seed: the run's seed.
        batch_size: samples in a batch of this process.
        workers: number of loader processes; 0 to load in this process.
        views: number of further views of each sample.
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
    """This process's share of a split; across all processes, every sample occurs once.

    ``batch_size * processes`` consecutive samples are dealt out to all processes, so that every process has the same
    number of batches and none is empty. If fewer samples than processes remain at the end, they join the previous
    batch.

    The seeds of samples do not depend on the run's seed, so runs of a study are compared on the same views and the same
    masks. A sample's seed depends only on its index in the split, whichever other samples are chosen.

    Args:
        samples: the split.
        kind: the kind of its targets.
        split: its name.
        batch_size: samples in a batch of this process.
        workers: number of loader processes; 0 to load in this process.
        process: the index of this process.
        processes: the number of processes.
        views: number of further views of each sample, under the training transform.
        chosen: indices of the samples to load; all if not given.

    Raises:
        ReorderKitError: if there are fewer samples than processes, or views are requested that the set cannot give.
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
    """One batch of chosen samples of a split, with random numbers that do not depend on the run's seed."""
    keyed = KeyedSamples(samples, split, EVALUATION_SEED, views)
    return collate(keyed.__getitems__([SampleKey(0, index) for index in chosen]), kind, views)


def require_samples(samples: int, split: str, processes: int) -> None:
    """Check that a split can be dealt out.

    Raises:
        ReorderKitError: if a process would get no sample.
    """
    if samples < processes:
        if not samples:
            raise ReorderKitError(f"the {split} split has no image")
        raise ReorderKitError(
            f"the {split} split has {samples} images for {processes} processes; each needs at least one",
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
    """Lists of ``size`` batches each; the last may be shorter."""
    iterator = iter(batches)
    while chunk := list(islice(iterator, size)):
        yield chunk
