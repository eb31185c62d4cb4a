"""A run cut down to a few steps, to see whether it runs at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reorder_kit.compose import Experiment
from reorder_kit.interfaces import DataSource, DataSplits, ImageShape, SampleSet
from reorder_kit.wrapped_samples import WrappedSamples

STEPS_PER_EPOCH = 2
EPOCHS = 2


def few_steps(experiment: Experiment) -> Experiment:
    """The same run of two epochs of two steps: an epoch of search, and one in the order found."""
    recipe, learner = experiment.recipe, experiment.learner
    images = STEPS_PER_EPOCH * recipe.train.accumulate * recipe.data.batch_size
    if learner is not None:
        # Not every learner has phases; those that have call them so.
        fields = type(learner.options).model_fields
        phases = {"warmup_epochs": 0, "search_epochs": 1}
        update = {name: value for name, value in phases.items() if name in fields}
        learner = type(learner)(learner.options.model_copy(update=update))
    return replace(
        experiment,
        recipe=recipe.model_copy(update={"train": recipe.train.model_copy(update={"epochs": EPOCHS})}),
        data_source=_FirstImages(experiment.data_source, images),
        learner=learner,
    )


class _FirstImages(DataSource):
    """A data source that ends after some images."""

    def __init__(self, source: DataSource, images: int) -> None:
        super().__init__(source.options, source.target_kind)
        self.name, self.target_kinds = source.name, source.target_kinds  # type: ignore[misc]
        self._source, self._images = source, images

    @property
    def image(self) -> ImageShape | None:
        return self._source.image

    def open(self, seed: int) -> DataSplits:
        splits = self._source.open(seed)
        parts: dict[str, Any] = {
            name: _First(getattr(splits, name), self._images) for name in ("train", "validation", "test")
        }
        return replace(splits, **parts)

    def hidden_order(self) -> Any:
        return self._source.hidden_order()


class _First(WrappedSamples):
    """The first samples of a set."""

    def __init__(self, samples: SampleSet, count: int) -> None:
        super().__init__(samples)
        self._count = count

    def __len__(self) -> int:
        return min(self._count, len(self._samples))
