"""All parts of a run, checked and built as far as possible without data."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from pydantic import BaseModel

from reorder_kit.data.scrambled_images import require_whole_patches, scramble
from reorder_kit.data.shuffled_targets import shuffle_targets
from reorder_kit.data.training_split import TrainingSplit
from reorder_kit.errors import ComponentError, ReorderKitError
from reorder_kit.experiment.local_data import local_source, naming_downloads
from reorder_kit.experiment.order_of_run import order_of_run
from reorder_kit.experiment.part_checks import checked_facts, checked_phases, checked_splits, checked_start
from reorder_kit.experiment.start_by_prior import StartByPrior
from reorder_kit.interfaces import (
    Backbone,
    BackboneFacts,
    ComponentOptions,
    Control,
    DataSource,
    DataSplits,
    Finding,
    ImageShape,
    Influence,
    InRunControl,
    LearnerContext,
    Ordering,
    OrderLearner,
    Part,
    Phases,
    Policy,
    PriorContext,
    RecordedSplits,
    TargetKind,
    Task,
    Tracker,
    Trials,
)
from reorder_kit.interfaces.part import reads_file
from reorder_kit.model.fixed_policies import FixedOrder
from reorder_kit.model.policy_checks import check_policy
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.slots_read import slots_kept
from reorder_kit.recipe.recipe import Recipe
from reorder_kit.runs.result import ChosenByPrior

MOST_TRIED_PATCHES = 4_096
"""The most patches for which a policy is built only to inspect it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Experiment:
    """The parts of a run.

    Args:
        recipe: the recipe, with all defaults.
        data_source: the source of the images.
        kind: the kind of the batches' targets, possibly without any of the source's targets.
        plant: the ordering that gives the hidden order for scrambling images; None to leave images unchanged.
        task: the task to learn.
        backbone: the class of the backbone.
        backbone_options: its options.
        start: the ordering or prior that gives the starting order.
        learner: the order-learner; None keeps the start.
        control: the control that replaces the thing under test in the run itself, if there is one.
        beside: the controls that the run is compared with.
        shortened: phases in place of the learner's own, for a trial of a few steps.
        kept: the order that a search before the run chose, which the policy keeps; None if the start or the learner
            determines the order.
        trackers: the trackers that log the run.
        may_download: whether opening the data may download missing files, and write into the folders that the recipe
            names; False for other people's recipes.
    """

    recipe: Recipe
    data_source: DataSource
    kind: TargetKind
    plant: Ordering | None
    task: Task
    backbone: type[Backbone]
    backbone_options: ComponentOptions
    start: Ordering | StartByPrior
    learner: OrderLearner | None
    control: InRunControl | None
    beside: tuple[Control, ...]
    trackers: tuple[Part[Tracker], ...] = ()
    shortened: Phases | None = None
    kept: Order | None = None
    may_download: bool = True

    @property
    def learns(self) -> bool:
        """Whether the run learns its order."""
        return self.learner is not None and (self.control is None or self.control.keeps_learner)

    @property
    def trials(self) -> Trials | None:
        """The trials that judge the learned order before the run trains in it; None if there are none."""
        return self.phases(1.0).trials

    def settled(self, order: Order) -> Experiment:
        """The run after its search: it learns no order, and reads in a fixed one from the first step.

        Args:
            order: the learned one, or the start.
        """
        return replace(self, learner=None, kept=order)

    def build_backbone(self, image: ImageShape) -> Backbone:
        """The backbone for images of a shape."""
        with self._backbone_named():
            return self.backbone(self.backbone_options, image)

    def facts(self, image: ImageShape) -> BackboneFacts:
        """The backbone's facts for images of a shape, without building it.

        Raises:
            ReorderKitError: if the backbone cannot be built for such images.
        """
        with self._backbone_named():
            return checked_facts(self.backbone, self.backbone.facts(self.backbone_options, image))

    @contextmanager
    def _backbone_named(self) -> Iterator[None]:
        try:
            yield
        except ComponentError:
            raise
        except ReorderKitError as error:
            raise ReorderKitError(f"backbone {self.backbone.name!r}: {error.message}", error.hint) from None

    def without_downloads(self) -> Experiment:
        """The same experiment without downloading weights, which a checkpoint will replace."""
        train = self.recipe.train.model_copy(update={"weights": None})
        order = self.recipe.order.model_copy(update={"weights": None})
        recipe = self.recipe.model_copy(update={"train": train, "order": order})
        return replace(self, recipe=recipe, backbone_options=self.backbone.without_downloads(self.backbone_options))

    def open_data(self, recorded: RecordedSplits | None = None) -> DataSplits:
        """The images as the model sees them, scrambled or with shuffled targets if the recipe says so.

        Args:
            recorded: the images of a run that is reopened; None for a new run.

        Raises:
            ReorderKitError: if the data is missing, or images cannot be cut into the backbone's patches.
        """
        source = self.data_source if self.may_download else local_source(self.data_source)
        with naming_downloads(self.data_source, source):
            source = source.recalling(recorded)
            splits = checked_splits(source, source.open(self.recipe.seed), self.kind)
        warn_of(splits.findings)
        if self.recipe.data.shuffle_targets:
            splits = shuffle_targets(splits, self.recipe.seed)
        if self.plant is None:
            return splits
        grid = self.facts(splits.image).grid
        hidden = self.check_plant(splits.image, grid)
        return splits if hidden is None else scramble(splits, grid, hidden)

    def check_plant(self, image: ImageShape, grid: Grid) -> Order | None:
        """The hidden order for scrambling images of this shape; None if images are not scrambled.

        Raises:
            ReorderKitError: if images of this shape cannot be scrambled.
        """
        hidden = self.planted_order(grid)
        if hidden is None:
            return None
        if not hidden.is_full:
            raise ReorderKitError(
                f"data.plant: the order leaves out {grid.num_patches - hidden.num_slots} of {grid.num_patches} patches",
                "use an order of all patches",
            )
        require_whole_patches(image, grid)
        return hidden

    def planted_order(self, grid: Grid) -> Order | None:
        """The hidden order by which the images are scrambled and which its inverse undoes; None without scrambling."""
        return None if self.plant is None else self.plant.order(grid)

    def starting_order(self, grid: Grid, splits: DataSplits, influence: Influence) -> Order:
        """The run's starting order.

        Args:
            grid: the grid of patches.
            splits: opened data, for a prior.
            influence: how much each slot counts, for a prior.

        Raises:
            ReorderKitError: if a prior cannot give an order, or the run that gives it has a different grid.
        """
        known = self.known_start(splits.image, grid)
        if known is not None:
            return known
        assert isinstance(self.start, StartByPrior)
        return self.start.start(self.prior_context(grid, splits, influence))

    def prior_context(self, grid: Grid, splits: DataSplits, influence: Influence) -> PriorContext:
        """The context for the prior that gives the start."""
        assert isinstance(self.start, StartByPrior)
        training = TrainingSplit(splits, self.recipe.seed, self.kind)
        candidates, slots = self.start.orders(grid), self.num_slots(grid)
        return PriorContext(grid, splits.image, self.recipe.seed, candidates, training, influence, slots)

    def num_slots(self, grid: Grid) -> int:
        """The number of slots that ``order.keep`` leaves of a full start."""
        keep = self.recipe.order.keep
        return grid.num_patches if keep is None else slots_kept(keep, grid.num_patches)

    def known_start(self, image: ImageShape, grid: Grid) -> Order | None:
        """The starting order, if it does not depend on data; a prior, which does, is only built as a check.

        A control's start has as many slots as the start that it replaces.

        Raises:
            ReorderKitError: if the grid has no such order, or the prior cannot be built.
        """
        own, replaced = self._own_start(image, grid), self._replaced_start(grid)
        if replaced is None:
            return own
        return replaced.first(self.num_slots(grid) if own is None else own.num_slots)

    def _own_start(self, image: ImageShape, grid: Grid) -> Order | None:
        """The recipe's start, regardless of any control; None for a prior."""
        if self.recipe.order.weights is not None:
            return order_of_run(self.recipe.order.weights, grid)
        if isinstance(self.start, Ordering):
            return self._kept(self.start.order(grid))
        self.start.build(image, grid)
        self.start.orders(grid)
        return None

    def _kept(self, start: Order) -> Order:
        """The part of a start that ``order.keep`` leaves: a share of all patches, even if the start leaves some out."""
        keep = self.recipe.order.keep
        if keep is None:
            return start
        slots = slots_kept(keep, start.num_patches)
        if slots > start.num_slots:
            raise ReorderKitError(
                f"order.keep asks for {slots} of {start.num_patches} patches, but the start holds {start.num_slots}",
                "leave out order.keep to read those, or keep fewer",
            )
        return start.first(slots)

    @property
    def start_is_in_file(self) -> bool:
        """Whether the starting order, or a part of the prior that gives it, is read from a file."""
        if self.recipe.order.weights is not None:
            return True
        return reads_file(self.start.options if isinstance(self.start, Ordering) else self.start.prior.options)

    def check_start(self, start: Order, facts: BackboneFacts) -> None:
        """Refuse a start that leaves patches out if the backbone or the learner needs every patch.

        Raises:
            ReorderKitError: saying which of the two needs it.
        """
        if start.is_full:
            return
        left_out = f"the starting order leaves out {start.num_patches - start.num_slots} of {start.num_patches} patches"
        for reason, hint in self.needs_of_every_patch(facts):
            raise ReorderKitError(f"{left_out}, but {reason}", f"start from a full order{hint}")

    def needs_of_every_patch(self, facts: BackboneFacts | None) -> Iterator[tuple[str, str]]:
        """Reasons why patches cannot be left out, and remedies other than a full order.

        Args:
            facts: the backbone's facts; None if unknown.
        """
        if facts is not None and len(facts.levels) > 1:
            yield "a hierarchical backbone merges neighbors", ""
        if self.learner is not None and self.learns and not self.learner.takes_partial_start:
            yield f"{self.learner.name} orders all of them", ", or do not learn an order"

    def prior_of(self, start: Order, grid: Grid) -> ChosenByPrior | None:
        """The prior that gave this start, with the ordering that it chose, if any; None without a prior."""
        if not isinstance(self.start, StartByPrior) or self._replaced_start(grid) is not None:
            return None
        return ChosenByPrior(name=self.start.name, chosen=self.start.chosen(start, grid))

    def _replaced_start(self, grid: Grid) -> Order | None:
        control = self.control
        return None if control is None else checked_start(control, control.starting_order(grid, self.recipe.seed), grid)

    def phases(self, epochs: float) -> Phases:
        """When a run of this many epochs searches; never if no learner proposes its orders."""
        if self.learner is None or not self.learns:
            return Phases(0.0, 0.0)
        return checked_phases(self.learner, epochs) if self.shortened is None else self.shortened

    def build_policy(self, start: Order, facts: BackboneFacts, classes: Sequence[str]) -> Policy:
        """The policy that proposes orders.

        Args:
            start: the order that it starts from.
            facts: the backbone's facts.
            classes: names of the classes.
        """
        replaced = None if self.control is None else self.control.policy(start)
        if self.control is not None and replaced is not None:
            return check_policy(replaced, "control", self.control.name)
        if self.learner is None:
            return FixedOrder(self.kept or start)
        finest = facts.levels[0]
        context = LearnerContext(start, finest.grid, finest.dim, facts.depth, self.kind, classes)
        policy = check_policy(self.learner.build_policy(context), self.learner.kind.name, self.learner.name)
        policy.may_leave_out = policy.may_leave_out or not start.is_full
        return policy

    def trial_policy(self, facts: BackboneFacts, classes: Sequence[str]) -> Policy:
        """The policy as it would start from row-major order, to inspect its attributes.

        A few patches stand in for a large grid, because some policies keep a number for each pair of patches.
        """
        finest = facts.levels[0]
        if finest.grid.num_patches > MOST_TRIED_PATCHES:
            facts = BackboneFacts(Grid(4, 4), finest.dim, facts.depth)
        start = Order.identity(facts.grid.num_patches)
        if not any(self.needs_of_every_patch(facts)):
            start = start.first(self.num_slots(facts.grid))
        with torch.random.fork_rng(devices=[]):
            return self.build_policy(start, facts, classes)

    def check(self, facts: BackboneFacts, classes: Sequence[str]) -> None:
        """Refuse a backbone, a policy and a task that do not fit each other.

        When a recipe is validated without its data, the classes are placeholders.

        Args:
            facts: the backbone's facts.
            classes: names of the classes.

        Raises:
            ReorderKitError: saying what does not fit.
        """
        policy = self.trial_policy(facts, classes)
        blocks = policy.blocks
        if not blocks or blocks[0] != 0 or list(blocks) != sorted(set(blocks)) or blocks[-1] >= facts.depth:
            raise ReorderKitError(
                f"the learner orders before the blocks {list(blocks)}, but the backbone has {facts.depth} blocks",
                "blocks must start with 0 and ascend; give the backbone more depth, or use another learner",
            )
        if blocks[-1] >= facts.first_merge:
            raise ReorderKitError(
                f"the learner orders before block {blocks[-1]}, but the backbone merges patches before block "
                f"{facts.first_merge}",
                "order before the first merge",
            )
        if len(facts.levels) > 1 and policy.mixes:
            raise ReorderKitError(
                "a hierarchical backbone merges neighbors, so no slot may hold a mixture of patches",
                "use the learner's straight_through option, or a learner that draws hard orders",
            )
        self.task.check(facts, policy)

    def resolved(self) -> dict[str, Any]:
        """The recipe as plain data, with every default written out."""
        content = self.recipe.model_dump(mode="json")
        content["data"] |= _dump(self.data_source.options)
        if self.plant is not None:
            content["data"]["plant"] = {"order": self.plant.name, **_dump(self.plant.options)}
        content["task"] |= _dump(self.task.options)
        content["backbone"] |= _dump(self.backbone_options)
        if self.recipe.order.weights is not None:
            del content["order"]["start"]
        elif isinstance(self.start, Ordering):
            content["order"]["start"] = {"name": self.start.name, **_dump(self.start.options)}
        else:
            content["order"]["start"] = {"prior": self.start.prior.as_dict()}
        if self.learner is not None:
            content["order"]["learner"] = {"name": self.learner.name, **_dump(self.learner.options)}
        content["trackers"] = [tracker.as_dict() for tracker in self.trackers]
        return content


def warn_of(findings: Iterable[Finding]) -> None:
    """Warn about what was found in the data."""
    for finding in findings:
        _log.warning("data: %s", finding)


def _dump(options: BaseModel) -> dict[str, Any]:
    return options.model_dump(mode="json")
