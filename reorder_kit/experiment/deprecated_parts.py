"""The parts of a run that a release will remove."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.start_by_prior import StartByPrior
from reorder_kit.interfaces import Component, Part


def deprecated_parts(experiment: Experiment) -> list[str]:
    """A sentence for each, which begins with the field that names it."""
    start: Any = experiment.start
    named: dict[str, Any] = {
        "data": experiment.data_source,
        "data.plant": experiment.plant,
        "task": experiment.task,
        "backbone": Part(experiment.backbone, experiment.backbone_options),
        "order.start.prior" if isinstance(start, StartByPrior) else "order.start": getattr(start, "prior", start),
        "order.learner": experiment.learner,
        **{f"trackers.{number}": tracker for number, tracker in enumerate(experiment.trackers)},
    }
    return [f"{field}: {words}" for field, part in named.items() for words in dict.fromkeys(_deprecations(part))]


def _deprecations(part: Any) -> Iterator[str]:
    """Of a component, and of the components that are options of it."""
    if isinstance(part, Component):
        yield from filter(None, [part.deprecation()])
        yield from _deprecations(getattr(part, "options", None))
    elif isinstance(part, Part):
        component = part.chosen
        yield from filter(None, [] if isinstance(component, str) else [component.deprecation()])
        yield from _deprecations(part.options)
    elif isinstance(part, BaseModel):
        for _, value in part:
            yield from _deprecations(value)
    elif isinstance(part, Mapping):
        for value in part.values():
            yield from _deprecations(value)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from _deprecations(value)
