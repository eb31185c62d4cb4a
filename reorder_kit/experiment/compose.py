"""Turns a recipe into typed parts, or lists all its mistakes.

Only this file sees a recipe's component sections; components receive their own, checked options.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from pydantic import ValidationError

from reorder_kit.controls import NamedControls, controls_of, misfits_of_controls, named_controls
from reorder_kit.errors import ComponentError, Problem, RecipeError, ReorderKitError
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.misfits import (
    misfits_of_keep,
    misfits_of_orders,
    misfits_of_parts,
    misfits_of_phases,
    misfits_of_plant,
    misfits_of_trials,
    misfits_of_weights,
    trial_policy,
)
from reorder_kit.experiment.start_by_prior import StartByPrior, candidates_of
from reorder_kit.host.plugin_errors import names_plugins
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.host.registry import Registry
from reorder_kit.interfaces import (
    NONE,
    ComponentOptions,
    DataSource,
    Ordering,
    OrderLearner,
    Part,
    TargetKind,
    Task,
    Tracker,
)
from reorder_kit.recipe.problems import problems_of
from reorder_kit.recipe.recipe import ComponentSection, DataSection, PlantSection, Recipe, StartSection

NO_TRACKER = "trackers come with plugins, such as reorder-kit-trackers"


@names_plugins
def compose(content: Mapping[str, Any], host: PluginHost, source: str) -> Experiment:
    """Check a recipe's content, and build what can be built without data.

    Everything that a run refuses before it looks at its data is refused here. The recipes of its controls are composed
    by :func:`~reorder_kit.experiment.beside.compose_beside`. Files named in the recipe are not read, because they may
    be written later.

    Args:
        content: the recipe as plain data.
        host: the available plugins.
        source: the recipe's name in messages.

    Raises:
        RecipeError: with every mistake.
    """
    problems: list[Problem] = []
    try:
        recipe: Recipe | None = Recipe.model_validate(content)
    except ValidationError as error:
        problems += problems_of(error, Recipe)
        recipe = _readable_part(content, error)
    parts = _Parts(content, host, problems)
    data = parts.component(DataSection, host.data_sources, "data")
    plant = parts.plant()
    task = parts.task()
    backbone = parts.component(ComponentSection, host.backbones, "backbone")
    start = parts.start()
    learner = parts.learner(task)
    data_source, kind = _source_with_kind(*data, task, problems) if data else (None, NONE)
    controls = _controls(content, task, problems)
    trackers = parts.trackers()
    if recipe is None or not (data_source and task and backbone and start):
        raise RecipeError(problems, source)
    experiment = Experiment(
        recipe=recipe,
        data_source=data_source,
        kind=kind,
        plant=plant,
        task=task,
        backbone=backbone[0],
        backbone_options=backbone[1],
        start=start,
        learner=learner,
        control=controls.own,
        beside=controls.beside,
        trackers=trackers,
    )
    if (recipe.order.learner is None) == (learner is None):
        policy = trial_policy(experiment)
        problems += misfits_of_controls(controls, learner, policy, kind)
        problems += misfits_of_weights(experiment)
        problems += misfits_of_phases(experiment)
        problems += misfits_of_keep(experiment)
        problems += misfits_of_trials(experiment, policy)
        problems += [] if problems else misfits_of_parts(experiment)
        problems += [] if problems else misfits_of_orders(experiment)
    if plant:
        problems += misfits_of_plant(experiment)
    if (controls.own or recipe.data.shuffle_targets) and controls.beside:
        reason = "a run that is itself a control cannot have controls"
        problems.append(Problem("controls", reason, "remove one of the two"))
    if problems:
        raise RecipeError(problems, source)
    return experiment


def _controls(content: Mapping[str, Any], task: Task | None, problems: list[Problem]) -> NamedControls:
    """The controls that the recipe names; none if its task, which may add controls, is unknown."""
    if task is None:
        return NamedControls(None, ())
    try:
        return named_controls(content, controls_of(task), problems)
    except ComponentError:
        raise
    except ReorderKitError as error:
        problems.append(Problem("task.name", error.message, error.hint))
        return NamedControls(None, ())


def _source_with_kind(
    source: type[DataSource], options: ComponentOptions, task: Task | None, problems: list[Problem]
) -> tuple[DataSource, TargetKind]:
    """The source with the first of the task's target kinds that it offers. Every source can leave out targets."""
    if task is None:
        return source(options), NONE
    kind = next((kind for kind in task.target_kinds if kind in source.target_kinds or kind == NONE), None)
    if kind is None:
        needs = f"{task.name} needs targets of the kind {' or '.join(map(str, task.target_kinds))}"
        offers = " and ".join(map(str, source.target_kinds))
        problems.append(Problem("task.name", f"{needs}, but data source {source.name} has {offers}"))
    if kind is None or kind not in source.target_kinds:
        return source(options), NONE
    return source(options, kind), kind


def _readable_part(content: Mapping[str, Any], error: ValidationError) -> Recipe | None:
    """The recipe without its invalid fields, so that the others can be checked."""
    wrong = {detail["loc"][0] for detail in error.errors() if detail["loc"]}
    try:
        return Recipe.model_validate({field: value for field, value in content.items() if field not in wrong})
    except ValidationError:
        return None


def _has_library(tracker: type[Tracker]) -> bool:
    return not tracker.library or find_spec(tracker.library) is not None


class _Parts:
    """Looks up the components of a recipe, even if other fields are wrong, and records every mistake."""

    def __init__(self, content: Mapping[str, Any], host: PluginHost, problems: list[Problem]) -> None:
        self._content, self._host, self._problems = content, host, problems

    def component(
        self, model: type[ComponentSection], registry: Registry[Any], *keys: str, default: str | None = None
    ) -> tuple[type[Any], ComponentOptions] | None:
        section = self._section(model, keys, default)
        return None if section is None else self._checked(section, registry, ".".join(keys))

    def task(self) -> Task | None:
        chosen = self.component(ComponentSection, self._host.tasks, "task", default="classification")
        return chosen[0](chosen[1]) if chosen else None

    def learner(self, task: Task | None) -> OrderLearner | None:
        chosen = self.component(ComponentSection, self._host.order_learners, "order", "learner")
        learner: OrderLearner | None = chosen[0](chosen[1]) if chosen else None
        if learner is None or task is None:
            return learner
        adapted: Any = learner.adapted_to(task)
        if not isinstance(adapted, OrderLearner):
            reason = f"adapted_to returned a {type(adapted).__name__}"
            raise ComponentError(learner.kind.name, learner.name, reason, "return an order-learner")
        return adapted

    def plant(self) -> Ordering | None:
        section = self._section(PlantSection, ("data", "plant"), None)
        if section is None:
            return None
        named = ComponentSection.model_validate({"name": section.order, **section.options})
        ordering = self._checked(named, self._host.orderings, "data.plant", key="order")
        return ordering[0](ordering[1]) if ordering else None

    def start(self) -> Ordering | StartByPrior | None:
        section = self._section(StartSection, ("order", "start"), "row")
        if section is None:
            return None
        if section.prior is not None:
            prior = self._checked(section.prior, self._host.priors, "order.start.prior")
            return StartByPrior(Part(*prior), candidates_of(self._host)) if prior else None
        named = ComponentSection.model_validate({"name": section.name, **section.options})
        ordering = self._checked(named, self._host.orderings, "order.start")
        return ordering[0](ordering[1]) if ordering else None

    def trackers(self) -> tuple[Part[Tracker], ...]:
        found, given = [], self._content.get("trackers")
        for number, value in enumerate(given if isinstance(given, (list, tuple)) else ()):
            with suppress(ValidationError):  # recorded when the whole recipe was validated
                section = ComponentSection.model_validate(value)
                chosen = self._checked(section, self._host.trackers, f"trackers.{number}", hint=NO_TRACKER)
                if chosen and _has_library(chosen[0]):
                    found.append(Part(*chosen))
                elif chosen:
                    needs = f"tracker {section.name!r} needs {chosen[0].library}, which is not installed"
                    self._problems.append(Problem(f"trackers.{number}.name", needs, chosen[0].install or None))
        return tuple(found)

    def _section(self, model: type[Any], keys: tuple[str, ...], default: str | None) -> Any:
        value: Any = self._content
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        value = default if value is None else value
        if value is None:
            return None
        try:
            return model.model_validate(value)
        except ValidationError as error:
            return self._rest(model, value, error)

    def _rest(self, model: type[Any], value: Any, error: ValidationError) -> Any:
        """The section without its invalid fields, which were recorded when the whole recipe was validated."""
        wrong = {detail["loc"][0] for detail in error.errors() if detail["loc"]}
        if not (isinstance(value, Mapping) and wrong & value.keys()):
            return None
        try:
            return model.model_validate({key: field for key, field in value.items() if key not in wrong})
        except ValidationError:
            return None

    def _checked(
        self, section: ComponentSection, registry: Registry[Any], path: str, key: str = "name", hint: str | None = None
    ) -> tuple[type[Any], ComponentOptions] | None:
        try:
            component = registry.get(section.name)
        except ReorderKitError as error:
            known = "write null for none" if section.name == "none" else error.hint
            is_close = hint is None or (known or "").startswith("did you mean")
            self._problems.append(Problem(f"{path}.{key}", error.message, known if is_close else hint))
            return None
        try:
            return component, component.Options.model_validate(section.options, context={"host": self._host})
        except ValidationError as error:
            self._problems.extend(problems_of(error, component.Options, path))
            return None
