"""Checks of what the parts of a run return: their declared facts, and the data that they open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from reorder_kit.data.checked_samples import CheckedSamples
from reorder_kit.errors import ComponentError
from reorder_kit.host.plugin_record import is_own
from reorder_kit.interfaces import (
    SPLITS,
    Backbone,
    BackboneFacts,
    Control,
    DataSource,
    DataSplits,
    HasTargets,
    ImageShape,
    OrderLearner,
    Phases,
    SampleSet,
    TargetKind,
    Trials,
)
from reorder_kit.model.policy_checks import is_count
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order


def checked_facts(backbone: type[Backbone], facts: Any) -> BackboneFacts:
    """The checked facts of a backbone.

    Raises:
        ComponentError: if they are not facts, or have no patch, width or block.
    """
    kind, name = backbone.kind.name, backbone.name
    if not isinstance(facts, BackboneFacts):
        raise ComponentError(kind, name, f"facts returned a {type(facts).__name__}", "return BackboneFacts")
    if not isinstance(facts.grid, Grid):
        raise ComponentError(kind, name, f"its grid is a {type(facts.grid).__name__}", "return a Grid")
    widths = [("dim", facts.dim), *(("the dim of a level", level.dim) for level in facts.levels)]
    for what, value in [*widths, ("depth", facts.depth)]:
        if not is_count(value) or value < 1:
            raise ComponentError(kind, name, f"{what} is {value!r}", "it must be a whole number from 1")
    return facts


def checked_phases(learner: OrderLearner, epochs: float) -> Phases:
    """The checked phases of a learner.

    Raises:
        ComponentError: if they are invalid.
    """
    phases: Any = learner.phases(epochs)
    kind, name = learner.kind.name, learner.name
    if not isinstance(phases, Phases):
        raise ComponentError(kind, name, f"phases returned a {type(phases).__name__}", "return Phases")
    for what in ("warmup_epochs", "search_epochs"):
        value: Any = getattr(phases, what)
        if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            raise ComponentError(kind, name, f"{what} of its phases is {value!r}", "give epochs, 0 or more")
    trials: Any = phases.trials
    if trials is not None and (not isinstance(trials, Trials) or not is_count(trials.seeds) or trials.seeds < 2):
        raise ComponentError(kind, name, f"trials of its phases are {trials!r}", "give Trials with two seeds or more")
    if trials is not None and trials.steps is not None and (not is_count(trials.steps) or trials.steps < 1):
        raise ComponentError(kind, name, f"trials of its phases have {trials.steps!r} steps", "give 1 or more")
    return phases


def checked_start(control: Control, start: Any, grid: Grid) -> Order | None:
    """The order that a control starts from; None for the recipe's start.

    Raises:
        ComponentError: if it is not a single full order of the grid.
    """
    if start is None:
        return None
    if isinstance(start, Order) and start.is_static and start.is_full and start.num_patches == grid.num_patches:
        return start
    reason = f"its start is {start!r}" if isinstance(start, Order) else f"its start is a {type(start).__name__}"
    raise ComponentError("control", control.name, reason, f"give one order of all {grid.num_patches} patches")


def checked_splits(source: DataSource, splits: Any, kind: TargetKind) -> DataSplits:
    """The checked splits of a source. For a plugin's source, every sample is checked as it is read; built-in sources
    are covered by tests.

    Args:
        source: the source.
        splits: what it returned.
        kind: the kind of the run's targets.

    Raises:
        ComponentError: if it returned something else, or contradicts what it declared about its images.
    """
    if isinstance(splits, DataSplits) and is_own(type(source).__module__):
        return splits
    if not isinstance(splits, DataSplits):
        raise _wrong(source, f"open returned a {type(splits).__name__}", "return DataSplits")
    image: Any = splits.image
    if not isinstance(image, ImageShape) or not all(is_count(size) and size > 0 for size in image.axes):
        raise _wrong(source, f"the shape of its images is {image!r}", "give an ImageShape")
    if source.image not in (None, image):
        raise _wrong(source, f"its images are {image}, but it declared {source.image} before it was opened")
    if not _are_names(splits.classes) or (kind.tells_classes and not len(splits.classes)):
        raise _wrong(source, f"its classes are {splits.classes!r:.80}", "give their names, at least one")
    for split in SPLITS:
        _require_samples(source, split, getattr(splits, split))
    train, validation, test = (
        _tried(CheckedSamples(getattr(splits, split), split, source, image, kind, splits.classes)) for split in SPLITS
    )
    return DataSplits(image, splits.classes, train, validation, test, findings=splits.findings)


def _require_samples(source: DataSource, split: str, samples: Any) -> None:
    if not isinstance(samples, SampleSet):
        reason = f"its {split} split is a {type(samples).__name__}"
        raise _wrong(source, reason, "give an object with __len__ and __getitem__")
    if not len(samples):
        raise _wrong(source, f"the {split} split has no images")


def _tried(samples: CheckedSamples) -> CheckedSamples:
    """The samples, after reading the first one: otherwise test samples would first be read after all training."""
    with torch.random.fork_rng(devices=[]):
        samples[0]
    return samples


def refuse_wrong_targets(source: DataSource, splits: DataSplits) -> None:
    """Before training, check every target of a plugin's source that knows them without decoding images.

    Args:
        source: the source.
        splits: as the run reads them.

    Raises:
        ComponentError: if a target is invalid or has an unknown class.
    """
    if is_own(type(source).__module__):
        return
    for samples in (splits.train, splits.validation, splits.test):
        if isinstance(samples, HasTargets):
            for index in range(len(samples)):
                samples.target(index)


def _are_names(classes: Any) -> bool:
    return isinstance(classes, Sequence) and not isinstance(classes, str) and all(isinstance(e, str) for e in classes)


def _wrong(source: DataSource, reason: str, hint: str | None = None) -> ComponentError:
    return ComponentError(source.kind.name, source.name, reason, hint)
