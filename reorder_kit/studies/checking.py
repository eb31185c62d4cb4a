"""Find every mistake in a study before training; mistakes in its recipes are reported at the study's fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from reorder_kit.errors import Problem, RecipeError
from reorder_kit.experiment.doubts import doubts_of_parts
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.validate import validate
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.statistics.headline import Headline
from reorder_kit.studies.all_rules import with_all_rules
from reorder_kit.studies.cells import Cell, RowKey, recipe_of, rows_of
from reorder_kit.studies.study_file import SettingVariant, Study, read_study, unknown_starts

MOST_ROWS = 1_000
"""The largest number of rows of a study: each is checked before anything is trained."""
MOST_RUNS = 20_000
"""The largest number of runs of a study: each is looked up whenever it is planned or continued."""


@dataclass(frozen=True)
class CheckedStudy:
    """A study whose recipes are all valid.

    Args:
        study: the study.
        headline: the metric of all its runs.
        margin: the study's margin, or that of its task.
        on_gpu: whether some of its runs use a GPU if available.
        warnings: a sentence for each component that a release will remove, and for each backbone option that changes
            nothing or does not fit the data; it begins with the field of the study.
    """

    study: Study
    headline: Headline
    margin: float
    on_gpu: bool
    warnings: tuple[str, ...]


def check_study(content: Mapping[str, Any], host: PluginHost, source: str, folder: Path) -> CheckedStudy:
    """Check a study and one recipe of each row.

    Args:
        content: the study as plain data.
        host: the available plugins.
        source: name of the study in messages.
        folder: the folder of its file.

    Raises:
        RecipeError: with every mistake.
    """
    study, problems = read_study(content, folder)
    headlines: dict[Headline, str] = {}
    margins: dict[float, str] = {}
    on_gpu = False
    warnings: dict[str, None] = {}
    if study is not None:
        study, unlisted = with_all_rules(study, host)
        problems += [*unlisted, *unknown_starts(study)]
        mistaken = {problem.path.partition(".")[0] for problem in problems}
        problems += [
            Problem(field, "is missing", "set it here or in the recipe")
            for field in ("data", "backbones", "starts")
            if not getattr(study, field) and field not in mistaken
        ]
        rows = list(islice(rows_of(study, host), MOST_ROWS + 1))
        problems += _too_many(len(rows), len(study.seeds))
        for row in rows if len(rows) <= MOST_ROWS else ():
            try:
                recipe = recipe_of(study, Cell(row, study.seeds[0]), host, Path(study.name))
                experiment = validate(recipe, host, source)
            except RecipeError as error:
                problems += _at_fields_of_study(study, row, error)
            else:
                task = experiment.task
                warnings |= dict.fromkeys(_warnings(study, row, experiment))
                headlines[Headline(task.headline, task.higher_is_better)] = row.data
                margins[task.margin] = row.data
                on_gpu = on_gpu or experiment.recipe.train.device != "cpu"
    if len(headlines) > 1:
        listed = " and ".join(f"{headline} of {data}" for headline, data in headlines.items())
        problems.append(Problem("data", f"the rows of a study share one headline metric, not {listed}"))
    elif len(margins) > 1 and study is not None and study.margin is None:
        listed = " and ".join(f"{margin:g} of {data}" for margin, data in margins.items())
        problems.append(Problem("margin", f"the tasks have different margins, {listed}", "set the one to use"))
    if problems or study is None:
        raise RecipeError(list(dict.fromkeys(problems)), source)
    margin = next(iter(margins)) if study.margin is None else study.margin
    return CheckedStudy(study, next(iter(headlines)), margin, on_gpu, tuple(warnings))


def _too_many(rows: int, seeds: int) -> list[Problem]:
    if rows > MOST_ROWS:
        return [Problem("", f"the study has more than {MOST_ROWS:,} rows", "split it into several studies")]
    if rows * seeds > MOST_RUNS:
        reason = f"{rows} rows of {seeds} seeds are {rows * seeds:,} runs, but a study has at most {MOST_RUNS:,}"
        return [Problem("seeds", reason, "use fewer seeds, or split it into several studies")]
    return []


def _at_fields_of_study(study: Study, row: RowKey, error: RecipeError) -> Iterator[Problem]:
    for problem in error.problems:
        yield replace(problem, path=_field_of_study(study, row, problem.path))


def _warnings(study: Study, row: RowKey, experiment: Experiment) -> Iterator[str]:
    for sentence in doubts_of_parts(experiment):
        field, _, words = sentence.partition(": ")
        place = _field_of_study(study, row, field)
        # What data needs may depend on the backbone, which can set it.
        yield f"{place} of backbones.{row.backbone}: {words}" if field == "data" else f"{place}: {words}"


def _field_of_study(study: Study, row: RowKey, path: str) -> str:
    """The field of the study that sets a field of a row's recipe.

    Controls have no options, so a mistake in their recipe comes from the start or the learner.
    """
    if path == "lengths":
        return path
    variants: list[tuple[str, str, SettingVariant]] = [
        ("backbones", row.backbone, study.backbones[row.backbone]),
        ("data", row.data, study.data[row.data]),
    ]
    if row.learner is not None:
        variants.insert(0, ("learners", row.learner, study.learners[row.learner]))
    for field, name, variant in variants:
        for key in variant.set:
            if path == key or path.startswith(f"{key}."):
                return f"{field}.{name}.set.{path}"
    places = {"data": ("data", row.data), "backbone": ("backbones", row.backbone), "order.start": ("starts", row.start)}
    if row.learner is not None:
        places["order.learner"] = ("learners", row.learner)
    for section, (field, name) in places.items():
        if path == section or path.startswith(f"{section}."):
            return f"{field}.{name}{path.removeprefix(section)}"
    return f"recipe.{path}"
