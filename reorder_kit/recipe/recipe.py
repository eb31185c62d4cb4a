"""Recipes, which describe runs. Every field is defined and checked here, except the options of components."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from reorder_kit.interfaces.numbers import Real, Seed, Size, Whole
from reorder_kit.interfaces.paths import HomePath
from reorder_kit.recipe.settings import OptimizerSettings, ScheduleSettings, Settings, TrainSettings

FORMAT_VERSION = 1
NO_CONTROL = "none"


class ComponentSection(BaseModel):
    """A component by name; all other keys are its options."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(description="name of the component")

    @model_validator(mode="before")
    @classmethod
    def _accept_bare_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, Any]:
        """All other keys."""
        return dict(self.model_extra or {})


class PlantSection(BaseModel):
    """A hidden order by the name of an ordering; all other keys are the ordering's options."""

    model_config = ConfigDict(extra="allow", frozen=True)

    order: str = Field(description="name of the ordering that scrambles the patches")

    @property
    def options(self) -> dict[str, Any]:
        """All other keys."""
        return dict(self.model_extra or {})


class DataSection(ComponentSection):
    """The data source, how its samples are grouped, and what is hidden in them."""

    batch_size: Size = Field(64, description="images per batch in each process")
    workers: Whole = Field(0, ge=0, le=1_024, description="loader processes per training process")
    plant: PlantSection | None = Field(None, description="scramble the patches of every image by a hidden order")
    shuffle_targets: bool = Field(
        False, description="shuffle the targets of training images, as a control: images then carry no signal"
    )


SHORT_FORMS = {"file": "custom", "race": "raced"}
"""Orderings that a start may leave unnamed, by the option that only they have."""


class StartSection(BaseModel):
    """The starting order: a name with options, ``{file: order.json}``, ``{race: FOLDER}``, or ``{prior: name}``."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str | None = Field(None, description="name of an ordering")
    prior: ComponentSection | None = Field(None, description="the prior that chooses among all orderings")

    @model_validator(mode="before")
    @classmethod
    def _accept_short_forms(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and "name" not in value:
            short = next((ordering for key, ordering in SHORT_FORMS.items() if key in value), None)
            return value if short is None else {"name": short, **value}
        return value

    @model_validator(mode="after")
    def _check(self) -> StartSection:
        if (self.name is None) == (self.prior is None):
            raise ValueError("give one of: the name of an ordering, a file, a race, a prior")
        if self.prior is not None and self.model_extra:
            raise ValueError(f"{next(iter(self.model_extra))} is not allowed next to a prior; put options inside it")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The options of the ordering."""
        return dict(self.model_extra or {})


class OrderSection(Settings):
    """The starting order, how it is learned, and the control in its place."""

    start: StartSection = Field(StartSection(name="row"), description="the starting order")
    weights: HomePath | None = Field(
        None, description="run folder whose policy is trained further, instead of a start: its best order is the start"
    )
    keep: Real | None = Field(
        None,
        gt=0,
        le=1,
        description="share of all patches to read: the first slots of the start, rounded, at least 1; null: all",
    )
    learner: ComponentSection | None = Field(None, description="the order-learner; null: keep the start")
    control: str = Field(NO_CONTROL, description="control that replaces what is tested by what cannot work")

    @field_validator("keep")
    @classmethod
    def _keep_all(cls, keep: float | None) -> float | None:
        return None if keep == 1 else keep

    @model_validator(mode="after")
    def _check(self) -> OrderSection:
        if self.weights is not None and self.keep is not None:
            raise ValueError("order.weights reads as many slots as that run; leave out keep")
        if self.weights is not None and "start" in self.model_fields_set:
            raise ValueError("order.weights starts from the best order of that run; leave out start")
        return self


class Recipe(Settings):
    """A complete run."""

    format_version: Literal[1] = Field(description="version of the recipe format")
    name: str = Field(pattern=r"^\w[\w.-]*$", description="name of the run and of its folder")
    seed: Seed = Field(0, description="seed for weights, batches, augmentation and sampled orders")
    data: DataSection
    task: ComponentSection = ComponentSection(name="classification")
    backbone: ComponentSection
    order: OrderSection = OrderSection()
    controls: tuple[str, ...] = Field(
        (),
        max_length=100,
        description="controls to compare with: matched runs, or the run's own model in other orders",
    )
    optimizer: OptimizerSettings = OptimizerSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    train: TrainSettings = TrainSettings()
    trackers: tuple[ComponentSection, ...] = Field(
        (), max_length=20, description="experiment trackers that log the run; they do not affect results"
    )

    @field_validator("trackers")
    @classmethod
    def _check_trackers(cls, trackers: tuple[ComponentSection, ...]) -> tuple[ComponentSection, ...]:
        if len({tracker.name for tracker in trackers}) < len(trackers):
            raise ValueError("a tracker is named twice")
        return trackers

    @field_validator("controls")
    @classmethod
    def _check_controls(cls, controls: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(controls)) < len(controls):
            raise ValueError("a control is named twice")
        return controls
