"""The grid of a study: its rows, and the runs of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Any

from reorder_kit.controls import LearnedStatic
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.recipe.overrides import override
from reorder_kit.studies.lengths import USUAL, folder_of, lengthened
from reorder_kit.studies.results import Origin
from reorder_kit.studies.start_origin import origin_of
from reorder_kit.studies.study_file import CONTROLS, Study


@dataclass(frozen=True)
class RowKey:
    """A row of a study: the same run with every seed.

    Args:
        data: name of the data in the study.
        backbone: name of the backbone in the study.
        start: name of the starting order in the study.
        learner: name of the learner in the study; None if the start is used as it is.
        control: the control; None for the thing under test.
        length: training length as a multiple of the recipe's.
        origin: where the starting order comes from.
    """

    data: str
    backbone: str
    start: str
    learner: str | None = None
    control: str | None = None
    length: float = USUAL
    origin: Origin = "rule"

    @property
    def parts(self) -> tuple[str, ...]:
        """The names that are not None."""
        names = (self.data, self.backbone, folder_of(self.length), self.start, self.learner, self.control)
        return tuple(name for name in names if name is not None)


@dataclass(frozen=True)
class Cell:
    """A run of a study.

    Args:
        row: the row it belongs to.
        seed: seed of weights, batches and all other random numbers, including random starts; the same for all rows.
    """

    row: RowKey
    seed: int

    @property
    def path(self) -> PurePosixPath:
        """The run folder, relative to the study's."""
        return PurePosixPath("cells", *self.row.parts, f"seed-{self.seed}")

    @property
    def after(self) -> Cell | None:
        """The run whose order this one trains in from scratch; None if it depends on no other run."""
        row = self.row
        if row.control != LearnedStatic.name:
            return None
        return Cell(replace(row, control=None), self.seed)

    def __str__(self) -> str:
        return f"{'/'.join(self.row.parts)}/seed-{self.seed}"


def rows_of(study: Study, host: PluginHost) -> Iterator[RowKey]:
    """Every row: the fixed starts, the learners with their controls, and random orders.

    The fixed start is a row of its own that learners share, so it is trained once. Random orders have no start. They
    are filed under the study's first start, in which a model trained in random orders is evaluated.
    """
    of_learners = [control for control in study.controls if "learner" in CONTROLS[control].needs]
    origins = {name: origin_of(start.section, host) for name, start in study.starts.items()}
    for data, backbone, length in product(study.data, study.backbones, study.lengths):
        fixed = [RowKey(data, backbone, name, length=length, origin=origin) for name, origin in origins.items()]
        for row in fixed:
            yield row
            for learner, variant in study.learners.items():
                if variant.starts is None or row.start in variant.starts:
                    learned = replace(row, learner=learner)
                    yield learned
                    for control in of_learners:
                        if not is_left_out(study, learner, control, host):
                            yield replace(learned, control=control)
        for row in fixed[:1]:
            for control in study.controls:
                if control not in of_learners:
                    yield replace(row, control=control)


def cells_of(study: Study, host: PluginHost) -> list[Cell]:
    """Every run, seed by seed, so that a stopped study has about the same number of runs in each row."""
    rows = list(rows_of(study, host))
    return [Cell(row, seed) for seed in study.seeds for row in rows]


def pool_of(study: Study, host: PluginHost) -> tuple[str, ...]:
    """The starts from which the best fixed order is chosen: those that the study names, or else all rules."""
    if study.pool is not None:
        return study.pool
    return tuple(name for name, start in study.starts.items() if origin_of(start.section, host) == "rule")


def is_left_out(study: Study, learner: str, control: str, host: PluginHost) -> bool:
    """Whether a control does not apply to a learner, such as a noise reward to one that uses no reward."""
    name = str(study.learners[learner].section.get("name"))
    known = name in host.order_learners
    return "reward" in CONTROLS[control].needs and known and not host.order_learners.get(name).uses_reward


def recipe_of(study: Study, cell: Cell, host: PluginHost, folder: Path) -> dict[str, Any]:
    """The recipe of a run.

    Args:
        study: the study.
        cell: the run.
        host: the plugins, which know the random orderings.
        folder: the folder of the study.

    Raises:
        RecipeError: if the length of the row is not a whole number of epochs or steps.
    """
    row = cell.row
    data, backbone = study.data[row.data], study.backbones[row.backbone]
    order: dict[str, Any] = {"start": _start(study.starts[row.start].section, cell.seed, host), "learner": None}
    learner = None if row.learner is None else study.learners[row.learner]
    if learner is not None:
        order["learner"] = learner.section
    content = {
        **study.recipe,
        "format_version": 1,
        "name": "-".join([study.name, *row.parts, f"seed-{cell.seed}"]),
        "seed": cell.seed,
        "data": data.section,
        "backbone": backbone.section,
        "order": order,
        "controls": [],
    }
    # A learned order is trained from scratch exactly like its start, so that only the order differs.
    of_learner = () if learner is None or row.control == LearnedStatic.name else learner.set.items()
    content = override(content, [*data.set.items(), *backbone.set.items(), *of_learner])
    if row.control is not None:
        learned_order = "" if cell.after is None else str(folder / cell.after.path / "order.json")
        content = CONTROLS[row.control].recipe(content, learned_order)
    return lengthened(content, row.length)


def _start(section: Mapping[str, Any], seed: int, host: PluginHost) -> dict[str, Any]:
    """A random start draws a different order for each seed unless it names a seed."""
    name = str(section.get("name"))
    drawn = host.orderings.get(name).drawn_with(seed) if name in host.orderings else {}
    return {**section, **{option: value for option, value in drawn.items() if option not in section}}
