"""Study files: a user's request in YAML, and all mistakes in it at once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticKnownError

from reorder_kit.controls import FixedStart, LearnedStatic, NullReward, RandomFixed, RandomPerBatch
from reorder_kit.errors import Problem, ReorderKitError, did_you_mean, quoted, shortened
from reorder_kit.interfaces import TrainedControl
from reorder_kit.interfaces.numbers import Fraction, Positive, Ratio, Seed
from reorder_kit.recipe.library import read_recipe
from reorder_kit.recipe.problems import problems_of
from reorder_kit.recipe.recipe import SHORT_FORMS
from reorder_kit.recipe.settings import Settings
from reorder_kit.statistics.deciding_test import DecidingTest
from reorder_kit.studies.lengths import FOLDER, USUAL

CONTROLS: Mapping[str, TrainedControl] = {
    control.name: control for control in (LearnedStatic(), NullReward(), RandomFixed(), RandomPerBatch())
}
"""The controls that a study can train, by name; those without a learner replace the order of a backbone itself."""

_DECIDED_BY_STUDY = {
    "format_version": "format_version",
    "name": "name",
    "seed": "seeds",
    "data": "data",
    "backbone": "backbones",
    "order": "starts",
    "controls": "controls",
}
"""Recipe fields that a study replaces, with the study field that replaces each."""

MOST_SEEDS = 1_000
"""The largest number of seeds of a study. More seeds would add no knowledge, and planning so many runs is slow."""

ALL_RULES = "all-rules"
"""The start that stands for every order that a fixed rule gives for the grid."""

_NAME = re.compile(r"\w[\w.-]*")


def _known_control(name: Any) -> Any:
    if name not in CONTROLS:
        raise PydanticKnownError("literal_error", {"expected": " or ".join(map(repr, CONTROLS))})
    return name


StudyControl = Annotated[str, BeforeValidator(_known_control)]


class Variant(BaseModel):
    """A section of the recipe; its ``name`` defaults to the name of the variant."""

    model_config = ConfigDict(extra="allow", frozen=True)

    @property
    def section(self) -> dict[str, Any]:
        """The section as in a recipe."""
        return dict(self.model_extra or {})


class SettingVariant(Variant):
    """A section, and other recipe fields that must be set with it."""

    set: dict[str, Any] = Field({}, description="other fields of the recipe, by dotted path, as with --set")

    @field_validator("set")
    @classmethod
    def _leave_the_grid_alone(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Refuse fields that distinguish rows and seeds: only the study sets them, or rows would not match their
        names.
        """
        for path in fields:
            if path.partition(".")[0] in cls.decided_by_study and path not in cls.may_be_set:
                raise ValueError(f"{shortened(path)} is set by the study itself")
        return fields

    decided_by_study: ClassVar[frozenset[str]] = frozenset({"format_version", "name", "seed", "order", "controls"})
    """Sections that rows cannot set."""
    may_be_set: ClassVar[frozenset[str]] = frozenset({"order.keep"})
    """Fields of these sections that rows can set: how much of its start a backbone reads."""


class LearnerVariant(SettingVariant):
    """A learner, its starts, and other recipe fields that are set when it learns but not for its fixed start."""

    decided_by_study: ClassVar[frozenset[str]] = frozenset(_DECIDED_BY_STUDY)
    may_be_set: ClassVar[frozenset[str]] = frozenset()

    starts: tuple[str, ...] | None = Field(
        None, alias="from", description="names of the starts that it learns from; all if not given"
    )


def _named(value: Any) -> Any:
    """Variants as a mapping with their names; a list of names, or a name instead of a section, is a shorthand."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        if not all(isinstance(name, str) for name in value):
            raise ValueError("a list can only contain names; use a mapping of names to sections for anything else")
        if twice := [name for name, count in Counter(value).items() if count > 1]:
            raise ValueError(f"{twice[0]} is named twice")
        value = dict.fromkeys(value)
    if not isinstance(value, Mapping):
        return value
    return {str(name): _section(str(name), section) for name, section in value.items()}


def _section(name: str, section: Any) -> Any:
    if section is None or isinstance(section, str):
        return {"name": section or name}
    if isinstance(section, Mapping) and not {"name", "file", "prior", "race"} & section.keys():
        return {"name": name, **section}
    return section


def _check_names(variants: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in variants:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{quoted(name)} cannot be the name of a folder: use letters, digits, dots, dashes and underscores"
            )
        if name in CONTROLS or name.startswith(("seed-", FOLDER)):
            raise ValueError(f"{name!r} is already the name of another folder of the study; choose another name")
    return variants


class Study(Settings):
    """A complete study: the grid of its runs, and how they are compared."""

    format_version: Literal[1] = Field(description="version of the format of studies")
    name: str = Field(pattern=r"^\w[\w.-]*$", description="name of the study and of its folder")
    seeds: tuple[Seed, ...] = Field(
        min_length=1,
        max_length=MOST_SEEDS,
        description="seeds of the runs of a row: a list, or a number of seeds counted from 0",
    )
    recipe: dict[str, Any] = Field({}, description="what all runs share: sections of a recipe, or its name or file")
    data: Annotated[dict[str, SettingVariant], BeforeValidator(_named)] = Field(
        {}, description="data by name; the recipe's if not given"
    )
    backbones: Annotated[dict[str, SettingVariant], BeforeValidator(_named)] = Field(
        {}, description="backbones by name; the recipe's if not given"
    )
    starts: Annotated[dict[str, Variant], BeforeValidator(_named)] = Field(
        {},
        description=f"starting orders by name, each also trained as a fixed order; the recipe's if not given; "
        f"{ALL_RULES} stands for every rule with transpose, flip and reverse",
    )
    pool: tuple[str, ...] | None = Field(
        None,
        description="names of the starts from which the best fixed order is chosen; null: those that are rules, not "
        "random ones or those from a file, a prior or a race",
    )
    learners: Annotated[dict[str, LearnerVariant], BeforeValidator(_named)] = Field(
        {}, description="order-learners by name; the recipe's if not given"
    )
    controls: tuple[StudyControl, ...] = Field(tuple(CONTROLS), description="controls to train; all if not given")
    lengths: tuple[Ratio, ...] = Field(
        (USUAL,),
        min_length=1,
        max_length=10,
        description="training lengths at which all runs are repeated, as multiples of the recipe's epochs or steps",
    )
    test: DecidingTest = Field(
        "permutation", description="the test over seeds that decides; the p-value of the other one is also shown"
    )
    margin: Positive | None = Field(
        None,
        description="differences of the headline metric below this count as none; null: the margin of the task",
    )
    alpha: Fraction = Field(0.05, gt=0, description="level of the tests, after correction for their number")

    @field_validator("seeds", mode="before")
    @classmethod
    def _count_seeds(cls, seeds: Any) -> Any:
        if not isinstance(seeds, int) or isinstance(seeds, bool):
            return seeds
        if seeds > MOST_SEEDS:
            raise ValueError(f"a study has at most {MOST_SEEDS:,} seeds, not {quoted(seeds)}")
        return tuple(range(seeds))

    @field_validator("seeds", "controls", "lengths", "pool")
    @classmethod
    def _refuse_twice(cls, values: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        if twice := [value for value, count in Counter(values or ()).items() if count > 1]:
            raise ValueError(f"{twice[0]} is named twice")
        return values

    @field_validator("controls", mode="before")
    @classmethod
    def _explain_fixed_start(cls, controls: Any) -> Any:
        if isinstance(controls, (list, tuple)) and FixedStart.name in controls:
            raise ValueError(f"every start is always trained as a fixed order; leave {FixedStart.name} out")
        return controls

    @field_validator("data", "backbones", "starts", "learners")
    @classmethod
    def _check_names(cls, variants: Any) -> Any:
        return _check_names(variants)

    def as_plain_data(self) -> dict[str, Any]:
        """The study as written into its folder, with all defaults."""
        return self.model_dump(mode="json", by_alias=True)


def read_study(content: Mapping[str, Any], folder: Path) -> tuple[Study | None, list[Problem]]:
    """Check the fields of a study; its sections are checked when its recipes are composed.

    Args:
        content: the study as plain data.
        folder: the folder of its file; the file of its recipe may be given relative to it.

    Returns:
        The study without the invalid parts, if it can be read at all, and the mistakes.
    """
    content, problems = with_recipe(content, folder)
    study, wrong = _readable(content)
    return study, problems + wrong


def _readable(content: Mapping[str, Any]) -> tuple[Study | None, list[Problem]]:
    try:
        return Study.model_validate(content), []
    except ValidationError as error:
        problems = problems_of(error, Study)
        wrong = {detail["loc"][0] for detail in error.errors() if detail["loc"]}
    readable = {field: value for field, value in content.items() if field not in wrong}
    try:
        return Study.model_validate({"format_version": 1, "name": "study", "seeds": 1, **readable}), problems
    except ValidationError:
        return None, problems


def unknown_starts(study: Study) -> list[Problem]:
    """Unknown starts that learners or the pool name."""
    named = {f"learners.{shortened(name)}.from": learner.starts or () for name, learner in study.learners.items()}
    return [
        Problem(field, f"unknown start {quoted(start)}", did_you_mean(start, study.starts))
        for field, starts in {**named, "pool": study.pool or ()}.items()
        for start in starts
        if start not in study.starts
    ]


def unmatched(study: Study) -> list[str]:
    """Fields that are set for a learner but not for its fixed start, and so could cause a difference."""
    return [
        f"{name} sets {', '.join(learner.set)}, but its fixed start does not: a difference may come from that"
        for name, learner in study.learners.items()
        if learner.set
    ]


def with_recipe(content: Mapping[str, Any], folder: Path) -> tuple[dict[str, Any], list[Problem]]:
    """The study with the content of its recipe instead of a name or file, and with the fields it takes from the
    recipe.
    """
    recipe = content.get("recipe", {})
    problems: list[Problem] = []
    if isinstance(recipe, str):
        beside = folder / recipe
        try:
            recipe, _ = read_recipe(str(beside) if beside.is_file() else recipe)
        except ReorderKitError as error:
            recipe, problems = {}, [Problem("recipe", error.message, error.hint)]
    elif isinstance(recipe, Mapping):
        problems = _given_twice(content, recipe)
    if not isinstance(recipe, Mapping):
        return dict(content), problems
    shared = {field: section for field, section in recipe.items() if field not in _DECIDED_BY_STUDY}
    return {**_from_recipe(content, recipe), **content, "recipe": shared}, problems


def _given_twice(content: Mapping[str, Any], recipe: Mapping[str, Any]) -> list[Problem]:
    """Recipe fields written into a study that the study would replace; a named recipe may have them for its own
    runs.
    """
    found = []
    for field, by in _DECIDED_BY_STUDY.items():
        replaced = by in content or field in ("name", "seed", "controls")
        if field in recipe and replaced and field != "format_version":
            found.append(Problem(f"recipe.{field}", f"is set by {by} of the study", "leave it out"))
    return found


def _from_recipe(content: Mapping[str, Any], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What the study takes from its recipe, each section under the name of its component."""
    order = recipe.get("order")
    order = order if isinstance(order, Mapping) else {}
    sections = {
        "data": recipe.get("data"),
        "backbones": recipe.get("backbone"),
        "starts": order.get("start", "row"),
        "learners": order.get("learner"),
    }
    return {field: {_name_of(section): section} for field, section in sections.items() if section is not None}


def _name_of(section: Any) -> str:
    if not isinstance(section, Mapping):
        return str(section)
    if "race" in section:
        return "race"
    prior = section.get("prior")
    short = next((ordering for key, ordering in SHORT_FORMS.items() if key in section), None)
    return short or str(section.get("name", "prior" if prior is None else _name_of(prior)))
