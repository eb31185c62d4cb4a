"""What fits together: turns a recipe into typed parts, or lists everything that is wrong with it.

Only this file sees a recipe's component sections; components get their own options, already checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import torch
from pydantic import BaseModel, ValidationError

from reorder_kit.errors import Problem, RecipeError, ReorderKitError
from reorder_kit.fixed_policies import FixedOrder, RandomPerBatch
from reorder_kit.grid import Grid
from reorder_kit.interfaces import (
    Backbone,
    ComponentOptions,
    DataSource,
    DataSplits,
    ImageShape,
    LearnerContext,
    Ordering,
    OrderLearner,
    Phases,
    Policy,
    Task,
    TokenPrior,
)
from reorder_kit.patch_order import Order
from reorder_kit.plugin_manager import PluginHost
from reorder_kit.recipe import (
    DEFAULT_TOKENIZER,
    ComponentSection,
    DataSection,
    PlantSection,
    PriorSection,
    Recipe,
    StartSection,
    problems_of,
)
from reorder_kit.registry import Registry
from reorder_kit.scrambled_images import scramble
from reorder_kit.shuffled_targets import shuffle_targets
from reorder_kit.start_by_prior import StartByPrior


@dataclass(frozen=True)
class Experiment:
    """Every part of a run, checked and built as far as that is possible without data.

    Args:
        recipe: what was asked, with all defaults.
        data_source: where images come from.
        plant: what gives the hidden order that scrambles every image; None leaves them as they are.
        task: what is to be learned.
        backbone: the class of the backbone.
        backbone_options: its options.
        start: what gives the starting order.
        learner: what learns the order; None keeps the start.
    """

    recipe: Recipe
    data_source: DataSource
    plant: Ordering | None
    task: Task
    backbone: type[Backbone]
    backbone_options: ComponentOptions
    start: Ordering | StartByPrior
    learner: OrderLearner | None

    def build_backbone(self, image: ImageShape) -> Backbone:
        """The backbone for images of a shape."""
        try:
            return self.backbone(self.backbone_options, image)
        except ReorderKitError as error:
            raise ReorderKitError(f"backbone {self.backbone.name!r}: {error.message}", error.hint) from None

    def without_pretrained_weights(self) -> Experiment:
        """The same, but no weights are fetched from elsewhere: a checkpoint will replace them."""
        recipe = self.recipe
        if recipe.train.weights is not None:
            recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update={"weights": None})})
        options = self.backbone_options
        if "pretrained" in type(options).model_fields:
            options = options.model_copy(update={"pretrained": False})
        return replace(self, recipe=recipe, backbone_options=options)

    def open_data(self) -> DataSplits:
        """The images as the model sees them, scrambled or with each other's targets where the recipe says so.

        Raises:
            ReorderKitError: if the data is not there, or images cannot be cut into the backbone's patches.
        """
        splits = self.data_source.open(self.recipe.seed)
        if self.recipe.data.shuffle_targets:
            splits = shuffle_targets(splits, self.recipe.seed)
        if self.plant is None:
            return splits
        grid = self.grid_of(splits.image)
        return scramble(splits, grid, self.plant.order(grid))

    def grid_of(self, image: ImageShape) -> Grid:
        """The grid of patches that the backbone cuts an image into."""
        # It is known when a backbone is built; this one is for nothing else.
        with torch.random.fork_rng(devices=[]):
            return self.without_pretrained_weights().build_backbone(image).grid

    def planted_order(self, grid: Grid) -> Order | None:
        """The hidden order that the images were scrambled by; its inverse undoes it. None if they were not."""
        return None if self.plant is None else self.plant.order(grid)

    def starting_order(self, grid: Grid, splits: DataSplits) -> Order:
        """The order that the run starts from; of orderings that a prior scores the same, the first by name."""
        if self.recipe.order.control == "random-fixed":
            return _random_order(grid, self.recipe.seed)
        if isinstance(self.start, Ordering):
            return self.start.order(grid)
        return self.start.choose(splits, grid, self.recipe.seed)

    def chosen_by_prior(self, start: Order, grid: Grid) -> str | None:
        """The ordering that a prior chose when it gave this start; None if no prior was asked."""
        if not isinstance(self.start, StartByPrior) or self.recipe.order.control == "random-fixed":
            return None
        return self.start.chosen(start, grid)

    def phases(self, epochs: float) -> Phases:
        """When a run of that many epochs searches; never where no learner proposes its orders."""
        return _phases(self.recipe, self.learner, epochs)

    def build_policy(self, context: LearnerContext) -> Policy:
        """The policy that proposes orders."""
        if self.recipe.order.control == "random-per-batch":
            return RandomPerBatch(context.start)
        if self.learner is None or self.recipe.order.control == "random-fixed":
            return FixedOrder(context.start)
        return self.learner.build_policy(context)

    def resolved(self) -> dict[str, Any]:
        """The recipe as plain data, with every default written out."""
        content = self.recipe.model_dump(mode="json")
        content["data"] |= _dump(self.data_source.options)
        if self.plant is not None:
            content["data"]["plant"] = {"order": self.plant.name, **_dump(self.plant.options)}
        content["task"] |= _dump(self.task.options)
        content["backbone"] |= _dump(self.backbone_options)
        if isinstance(self.start, Ordering):
            content["order"]["start"] = {"name": self.start.name, **_dump(self.start.options)}
        else:
            content["order"]["start"] = {"prior": self.start.as_dict()}
        if self.learner is not None:
            content["order"]["learner"] = {"name": self.learner.name, **_dump(self.learner.options)}
        return content


def compose(content: Mapping[str, Any], host: PluginHost, source: str) -> Experiment:
    """Check a recipe's content and build what can be built without data.

    Args:
        content: the recipe as plain data.
        host: the plugins there are.
        source: what to call the recipe in messages.

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
    task = parts.component(ComponentSection, host.tasks, "task", default="classification")
    backbone = parts.component(ComponentSection, host.backbones, "backbone")
    chosen_learner = parts.component(ComponentSection, host.order_learners, "order", "learner")
    start = parts.start()
    learner = chosen_learner[0](chosen_learner[1]) if chosen_learner else None
    if learner and task:
        learner = learner.adapted_to(task[0](task[1]))
    data_source = _build_source(*data, task[0] if task else None) if data else None
    if data and task:
        problems += _misfits_of_task(data[0], task[0], learner)
    if data_source and plant:
        problems += _misfits_of_plant(data_source)
    if recipe and (recipe.order.learner is None) == (learner is None):
        problems += _misfits_of_controls(recipe, learner)
        problems += _misfits_of_phases(recipe, learner)
    if problems or recipe is None or not (data_source and task and backbone and start):
        raise RecipeError(problems, source)
    return Experiment(
        recipe=recipe,
        data_source=data_source,
        plant=plant,
        task=task[0](task[1]),
        backbone=backbone[0],
        backbone_options=backbone[1],
        start=start,
        learner=learner,
    )


def _readable_part(content: Mapping[str, Any], error: ValidationError) -> Recipe | None:
    """The recipe without its wrong fields, for what can be said of the others."""
    wrong = {detail["loc"][0] for detail in error.errors() if detail["loc"]}
    try:
        return Recipe.model_validate({field: value for field, value in content.items() if field not in wrong})
    except ValidationError:
        return None


class _Parts:
    """Looks up the components of a recipe, even where other fields of it are wrong, and notes every mistake."""

    def __init__(self, content: Mapping[str, Any], host: PluginHost, problems: list[Problem]) -> None:
        self._content, self._host, self._problems = content, host, problems

    def component(
        self, model: type[ComponentSection], registry: Registry[Any], *keys: str, default: str | None = None
    ) -> tuple[type[Any], ComponentOptions] | None:
        section = self._section(model, keys, default)
        return None if section is None else self._checked(section, registry, ".".join(keys))

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
            return self._start_by_prior(section.prior)
        named = ComponentSection.model_validate({"name": section.name, **section.options})
        ordering = self._checked(named, self._host.orderings, "order.start")
        return ordering[0](ordering[1]) if ordering else None

    def _start_by_prior(self, section: PriorSection) -> StartByPrior | None:
        path = "order.start.prior"
        prior = self._checked(section, self._host.priors, path)
        reads_tokens = prior is not None and issubclass(prior[0], TokenPrior)
        named = section.tokenizer or ComponentSection(name=DEFAULT_TOKENIZER)
        tokenizer = self._checked(named, self._host.tokenizers, f"{path}.tokenizer") if reads_tokens else None
        if prior and section.tokenizer and not reads_tokens:
            self._problems.append(Problem(f"{path}.tokenizer", f"{section.name} looks at pixels, not at tokens"))
        if prior is None or (reads_tokens and tokenizer is None):
            return None
        return StartByPrior(*prior, tokenizer, _candidates(self._host))

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
        """The section without its wrong fields, which were noted when the whole recipe was validated."""
        wrong = {detail["loc"][0] for detail in error.errors() if detail["loc"]}
        if not (isinstance(value, Mapping) and wrong & value.keys()):
            return None
        try:
            return model.model_validate({key: field for key, field in value.items() if key not in wrong})
        except ValidationError:
            return None

    def _checked(
        self, section: ComponentSection, registry: Registry[Any], path: str, key: str = "name"
    ) -> tuple[type[Any], ComponentOptions] | None:
        try:
            component = registry.get(section.name)
        except ReorderKitError as error:
            hint = "write null for none" if section.name == "none" else error.hint
            self._problems.append(Problem(f"{path}.{key}", error.message, hint))
            return None
        try:
            return component, component.Options.model_validate(section.options)
        except ValidationError as error:
            self._problems.extend(problems_of(error, component.Options, path))
            return None


def _build_source(source: type[DataSource], options: ComponentOptions, task: type[Task] | None) -> DataSource:
    """The source with the targets that the task needs, if it has them."""
    offered = task is not None and task.target_kind in source.target_kinds
    return source(options, task.target_kind) if task and offered else source(options)


def _misfits_of_task(data: type[DataSource], task: type[Task], learner: OrderLearner | None) -> list[Problem]:
    found = []
    if task.target_kind not in data.target_kinds:
        needs = f"{task.name} needs targets of the kind {task.target_kind}"
        found.append(
            Problem("task.name", f"{needs}, but data source {data.name} has {' and '.join(data.target_kinds)}")
        )
    if learner is not None and task.is_autoregressive and _mixes(learner):
        hint = "use its straight-through option, or a learner that draws hard orders"
        found.append(Problem("order.learner.name", f"{learner.name} would leak later patches to {task.name}", hint))
    return found


def _mixes(learner: OrderLearner) -> bool:
    """Whether a slot may hold a mixture of patches while it searches, as a policy of any start tells."""
    with torch.random.fork_rng(devices=[]):
        return learner.build_policy(LearnerContext(Order.identity(4), Grid(2, 2), 1, 1, "none", ())).mixes


def _misfits_of_plant(data: DataSource) -> list[Problem]:
    if data.target_kind in ("boxes", "mask"):
        reason = f"the images of {data.name} would be scrambled, but not their targets of the kind {data.target_kind}"
        return [Problem("data.plant", reason)]
    if data.hidden_order() is not None:
        return [Problem("data.plant", f"{data.name} hides an order of its own", "leave one of the two out")]
    return []


def _misfits_of_controls(recipe: Recipe, learner: OrderLearner | None) -> list[Problem]:
    own = recipe.order.control
    found = [
        Problem(path, *reason)
        for path, control in [("order.control", own), *(("controls", name) for name in recipe.controls)]
        if (reason := _misfit_of_control(control, learner))
    ]
    if (own != "none" or recipe.data.shuffle_targets) and recipe.controls:
        found.append(Problem("controls", "a run that is a control itself has none beside it", "remove one of the two"))
    return found


def _misfits_of_phases(recipe: Recipe, learner: OrderLearner | None) -> list[Problem]:
    epochs = recipe.train.epochs
    misfit = _phases(recipe, learner, epochs).misfit(epochs)
    hint = "shorten the warm-up or the search, or raise train.epochs"
    return [] if misfit is None else [Problem("order.learner", misfit, hint)]


def _phases(recipe: Recipe, learner: OrderLearner | None, epochs: float) -> Phases:
    if learner is None or recipe.order.control in ("random-fixed", "random-per-batch"):
        return Phases(0.0, 0.0)
    return learner.phases(epochs)


def _misfit_of_control(control: str, learner: OrderLearner | None) -> tuple[str, str] | None:
    if control in ("fixed-start", "learned-static") and learner is None:
        return f"{control} needs a learner to be compared with", "name one in order.learner, or leave the control out"
    if control == "null-reward" and (learner is None or not learner.uses_reward):
        name = "none" if learner is None else learner.name
        return f"null-reward needs a learner that learns from the reward; the learner is {name}", "use reinforce"
    return None


def control_content(content: Mapping[str, Any], control: str, learned_order: str) -> dict[str, Any]:
    """The recipe of a run trained beside another: the same schedule and seed, and one thing changed.

    Args:
        content: the resolved recipe of the run.
        control: which one.
        learned_order: path of the run's final order.
    """
    order: dict[str, Any] = dict(content["order"])
    data: dict[str, Any] = dict(content["data"])
    match control:
        case "fixed-start":
            order |= {"learner": None}
        case "learned-static":
            order |= {"learner": None, "start": {"file": learned_order}}
        case "null-reward":
            order |= {"control": control}
        case "shuffled-targets":
            data |= {"shuffle_targets": True}
        case _:
            order |= {"learner": None, "control": control}
    return {**content, "data": data, "order": order, "controls": []}


def _candidates(host: PluginHost) -> dict[str, Ordering]:
    """Every ordering that can be built without options: those a prior can choose from."""
    usable = {}
    for name in host.orderings:
        with suppress(Exception):  # what a plugin raises must not stop the others
            usable[name] = host.orderings.get(name)()
    return usable


def _random_order(grid: Grid, seed: int) -> Order:
    return Order(torch.randperm(grid.num_patches, generator=torch.Generator().manual_seed(seed)))


def _dump(options: BaseModel) -> dict[str, Any]:
    return options.model_dump(mode="json")
