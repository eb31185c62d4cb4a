"""``reorder-kit prior``: which ordering a prior would start from."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reorder_kit.cli._output import console, print_json, table
from reorder_kit.cli._parameters import JsonOption, RecipeArgument, SetOption
from reorder_kit.errors import ReorderKitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reorder_kit.compose import Experiment
    from reorder_kit.grid import Grid
    from reorder_kit.interfaces import Prior
    from reorder_kit.patch_order import Order
    from reorder_kit.plugin_manager import PluginHost
    from reorder_kit.study.prior_ranking import Ranking

DEFAULT_PRIOR = "lzma"


def prior(
    recipe: RecipeArgument,
    name: Annotated[
        str | None,
        typer.Option("--prior", metavar="NAME", help=f"The prior; the recipe's if not given, or else {DEFAULT_PRIOR}."),
    ] = None,
    orderings: Annotated[
        list[str] | None,
        typer.Option(
            "--orderings",
            metavar="ORDERING",
            help="An ordering by name, an order file, a run folder, or all. Repeatable; all if none is named.",
        ),
    ] = None,
    images: Annotated[
        int, typer.Option("--images", min=2, help="Training images to look at, chosen at random by the recipe's seed.")
    ] = 2000,
    sets: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rank orderings by how a prior scores them.

    For images and patches of a recipe; nothing is trained. Every score is a mean over images with its 95 % bootstrap
    interval, and so is what an ordering lies behind the best on the same images: where that holds 0, the two are not
    distinguishable. Intervals are of one ordering each: among many, one in twenty misses. Options of the prior are
    fields of order.start.prior.

    \b
    Example:
      reorder-kit prior quickstart
      reorder-kit prior vit_reinforce --orderings row --orderings hilbert --images 200 --json
      reorder-kit prior quickstart --set 'order.start={prior: {name: lzma, levels: 8, tokens: bigram}}'
    """
    from reorder_kit.cli._lookup import load_host
    from reorder_kit.study.prior_ranking import rank_orderings
    from reorder_kit.training_patches import TrainingPatches

    # Whatever plugins and libraries print is no part of the result.
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        host = load_host()
        experiment, scorer = _compose(recipe, sets or (), name, host)
        splits = experiment.open_data()
        grid = experiment.grid_of(splits.image)
        orders = _orders(orderings or ["all"], experiment, grid, host)
        patches = TrainingPatches(splits, grid, experiment.recipe.seed, images)
        ranking = rank_orderings(scorer, patches, orders, experiment.recipe.seed)
    if as_json:
        print_json(_as_dict(experiment, scorer, grid, ranking))
    else:
        _print(recipe, scorer, grid, ranking, unreadable=len(patches) - ranking.images)


def _compose(recipe: str, sets: Iterable[str], name: str | None, host: PluginHost) -> tuple[Experiment, Prior]:
    """The recipe, started by the prior that is asked for; options it gives to that one are kept."""
    from reorder_kit.compose import compose
    from reorder_kit.interfaces import Prior
    from reorder_kit.recipe import override, parse_assignment
    from reorder_kit.recipe_library import read_recipe

    content, source = read_recipe(recipe)
    content = override(content, map(parse_assignment, sets))
    given = _prior_of(content)
    if name is None and given is None:
        name = DEFAULT_PRIOR
    if name is not None and name != given:
        host.priors.get(name)  # refuses a name that is none, with the closest one
        content = override(content, [("order.start", {"prior": name})])
    experiment = compose(content, host, source)
    if not isinstance(experiment.start, Prior):
        raise TypeError("a recipe that names a prior starts with it")
    return experiment, experiment.start


def _prior_of(content: Mapping[str, Any]) -> Any:
    """The name of the recipe's prior; None if it starts from an ordering."""
    found: Any = content
    for key in ("order", "start", "prior"):
        found = found.get(key) if isinstance(found, dict) else None
    return found.get("name") if isinstance(found, dict) else found


def _orders(names: Iterable[str], experiment: Experiment, grid: Grid, host: PluginHost) -> dict[str, Order]:
    from reorder_kit.cli._lookup import find_order

    orders: dict[str, Order] = {}
    for name in names:
        if name == "all":
            orders |= {each: ordering.order(grid) for each, ordering in experiment.candidates.items()}
            continue
        order = find_order(name, host, grid).order
        if not order.is_full:
            hint = "compare orders that hold every patch"
            raise ReorderKitError(f"{name}: a partial order is small because it leaves patches out", hint)
        orders[name] = order
    return orders


def _as_dict(experiment: Experiment, scorer: Prior, grid: Grid, ranking: Ranking) -> dict[str, Any]:
    return {
        "name": experiment.recipe.name,
        "prior": {"name": scorer.name, **scorer.options.model_dump(mode="json")},
        "measure": scorer.measure,
        "grid": [grid.height, grid.width],
        "images": ranking.images,
        "best": ranking.best.name,
        "verdict": ranking.verdict(),
        "orderings": [ordering.as_dict() for ordering in ranking.orderings],
    }


def _print(recipe: str, scorer: Prior, grid: Grid, ranking: Ranking, unreadable: int) -> None:
    out = console()
    out.print(f"{scorer.name} on {ranking.images} training images of {recipe}, {grid} patches; 95 % intervals.")
    if unreadable:
        out.print(f"{unreadable} further images could not be read.")
    rows = table("", scorer.measure, "behind the best", "")
    for ordering in ranking.orderings:
        is_best = ordering is ranking.best
        noise = "within noise" if ordering.is_within_noise and not is_best else ""
        rows.add_row(ordering.name, str(ordering.score), "" if is_best else str(ordering.behind), noise)
    out.print()
    out.print(rows)
    out.print()
    out.print(ranking.verdict(), soft_wrap=True)
