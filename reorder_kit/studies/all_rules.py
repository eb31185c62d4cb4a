"""The start ``all-rules`` of a study: every order that a fixed rule gives for its grid."""

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
    """Replace ``all-rules`` by every rule, transposed, flipped and reversed; a study without it is unchanged.

    Args:
        study: the study as read.
        host: the plugins with the orderings.

    Returns:
        The study, and the reasons why rules could not be listed. In that case it has only the first of them, so that
        the rest can be checked.
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
            reason = f"all rows must compare the same orders, but the grids are {sizes}"
            problems = [Problem(_FIELD, reason, "make one study per grid, or name the starts")]
    rules = {name: Variant.model_validate(fixed_section(name, host)) for name in names}
    starts: dict[str, Variant] = {}
    for name, start in study.starts.items():
        starts |= rules if name == ALL_RULES else {name: start}
    problems += [
        Problem(f"starts.{name}", f"has the same name as another order in {ALL_RULES}", "give it another name")
        for name, start in study.starts.items()
        if name in rules and start.section != rules[name].section
    ]
    return study.model_copy(update={"starts": starts}), problems


def _grids(study: Study, host: PluginHost) -> tuple[dict[Grid, str], list[Problem]]:
    """The grids of all models, each with a model that has it. Mistakes in recipes are reported elsewhere."""
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
    # Without any grid, every recipe has a mistake, which is reported elsewhere.
    return grids or {Grid(2, 2): ""}, []
