"""``all-rules`` among the starts of a study: every order that a fixed rule gives for its grid."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from reorder_kit.errors import Problem, ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.fixed_orders import fixed_orders, fixed_section
from reorder_kit.experiment.misfits import known_facts
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orders.grid import Grid
from reorder_kit.studies.cells import Cell, RowKey, recipe_of
from reorder_kit.studies.study_file import ALL_RULES, Study, Variant

_FIELD = f"starts.{ALL_RULES}"


def with_all_rules(study: Study, host: PluginHost) -> tuple[Study, list[Problem]]:
    """The study with every rule, transposed, flipped and reversed, in place of ``all-rules``; unchanged without it.

    Args:
        study: as it was read.
        host: whose orderings.

    Returns:
        The study, and why rules could not be listed. Then it has the first of them alone, so that the rest of it can
        be checked.
    """
    if ALL_RULES not in study.starts:
        return study, []
    grids, problems = _grids(study, host)
    if len(grids) == 1:
        names = [*fixed_orders(host, next(iter(grids)))]
    else:
        names = ["row"]
        if not problems:
            sizes = " and ".join(f"{grid} of {name}" for grid, name in grids.items())
            reason = f"the same orders are compared in all rows, and the grids are {sizes}"
            problems = [Problem(_FIELD, reason, "make a study of each grid, or name the starts")]
    rules = {name: Variant.model_validate(fixed_section(name, host)) for name in names}
    starts: dict[str, Variant] = {}
    for name, start in study.starts.items():
        starts |= rules if name == ALL_RULES else {name: start}
    problems += [
        Problem(f"starts.{name}", f"is the name of another order among {ALL_RULES}", "give it another name")
        for name, start in study.starts.items()
        if name in rules and start.section != rules[name].section
    ]
    return study.model_copy(update={"starts": starts}), problems


def _grids(study: Study, host: PluginHost) -> tuple[dict[Grid, str], list[Problem]]:
    """The grids of all models, each with one that has it. A recipe with mistakes is left to those who list them."""
    plain = study.model_copy(update={"starts": {"row": Variant.model_validate({"name": "row"})}})
    grids: dict[Grid, str] = {}
    for data, backbone in product(study.data, study.backbones):
        cell = Cell(RowKey(data, backbone, "row"), study.seeds[0])
        try:
            facts = known_facts(compose(recipe_of(plain, cell, host, Path(study.name)), host, study.name))
        except ReorderKitError:
            continue
        if facts is None:
            reason = f"the grid of {backbone} on {data} is not known before the data is opened"
            return {}, [Problem(_FIELD, reason, "name the starts")]
        grids.setdefault(facts.grid, backbone)
    # Without any grid every recipe has a mistake, which is told.
    return grids or {Grid(2, 2): ""}, []
