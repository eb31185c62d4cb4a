"""A run reduced to a few steps, to check that it runs at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reorder_kit.data.wrapped_samples import WrappedSamples
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.interfaces import DataSource, DataSplits, ImageShape, Phases, PixelScale, SampleSet

STEPS_PER_EPOCH = 2
EPOCHS = 2


def few_steps(experiment: Experiment) -> Experiment:
    """The same run with two epochs of two steps: one epoch of search, and one in the learned order."""
    recipe = experiment.recipe
    images = STEPS_PER_EPOCH * recipe.train.accumulate * recipe.data.batch_size
    train = recipe.train.model_copy(update={"epochs": EPOCHS, "steps": None})
    phases = experiment.phases(recipe.train.epochs)
    trials = None if phases.trials is None else replace(phases.trials, steps=STEPS_PER_EPOCH)
    return replace(
        experiment,
        recipe=recipe.model_copy(update={"train": train}),
        data_source=_FirstImages(experiment.data_source, images),
        trackers=(),
        shortened=Phases(warmup_epochs=0.0, search_epochs=1.0, retrains=phases.retrains, trials=trials),
    )


class _FirstImages(DataSource):
    """A data source with only the first images of each split."""

    def __init__(self, source: DataSource, images: int) -> None:
        super().__init__(source.options, source.target_kind)
        self.name, self.target_kinds = source.name, source.target_kinds  # type: ignore[misc]
        self._source, self._images = source, images

    @property
    def image(self) -> ImageShape | None:
        return self._source.image

    @property
    def pixel_scale(self) -> PixelScale | None:
        return self._source.pixel_scale

    def open(self, seed: int) -> DataSplits:
        splits = self._source.open(seed)
        parts: dict[str, Any] = {
            name: _First(getattr(splits, name), self._images) for name in ("train", "validation", "test")
        }
        return replace(splits, **parts)

    def hidden_order(self) -> Any:
        return self._source.hidden_order()


class _First(WrappedSamples):
    """The first samples of a sample set."""

    def __init__(self, samples: SampleSet, count: int) -> None:
        super().__init__(samples)
        self._count = count

    def __len__(self) -> int:
        return min(self._count, len(self._samples))
