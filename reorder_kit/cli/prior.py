"""``reorder-kit prior``: which ordering a prior would start from."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from reorder_kit.cli._output import console, print_json, table
from reorder_kit.cli._parameters import JsonOption, RecipeArgument, SetOption
from reorder_kit.errors import ReorderKitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reorder_kit.analysis.prior_ranking import Ranking
    from reorder_kit.cli._fit_vq import FittedVq
    from reorder_kit.experiment.experiment import Experiment
    from reorder_kit.experiment.start_by_prior import StartByPrior
    from reorder_kit.host.plugin_host import PluginHost
    from reorder_kit.interfaces import ScoringPrior
    from reorder_kit.orders.grid import Grid
    from reorder_kit.orders.order import Order

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
    vq: Annotated[
        Path | None,
        typer.Option("--vq", metavar="FILE", help="Look at the codes of this VQ-VAE instead of at pixels."),
    ] = None,
    fit: Annotated[
        bool, typer.Option("--fit-vq", help="Train a VQ-VAE on these images first, and look at its codes.")
    ] = False,
    vq_out: Annotated[
        Path | None,
        typer.Option(
            "--vq-out",
            metavar="FILE",
            help="Where to write it; tokenizers/RECIPE.safetensors if not given, with a number if that is taken.",
        ),
    ] = None,
    vq_codes: Annotated[int | None, typer.Option("--vq-codes", help="Codes of its codebook; 64 if not given.")] = None,
    vq_side: Annotated[
        int | None, typer.Option("--vq-side", help="Codes along either side of a patch; 1 if not given.")
    ] = None,
    vq_steps: Annotated[
        int | None, typer.Option("--vq-steps", min=1, help="Steps of its training; 500 if not given.")
    ] = None,
    sets: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rank orderings by how a prior scores them.

    For images and patches of a recipe; no model is trained. Every score is a mean over images with its 95 % bootstrap
    interval, and so is what an ordering lies behind the best on the same images: where that holds 0, the two are not
    distinguishable. Intervals are of one ordering each: among many, one in twenty misses. Options of the prior are
    fields of order.start.prior.

    Patches are told by their pixels, or by the codes of a VQ-VAE, which --fit-vq trains. A recipe uses its file with
    order.start: {prior: {name: lzma, tokenizer: {name: vq-vae, file: FILE}}}.

    \b
    Example:
      reorder-kit prior quickstart
      reorder-kit prior vit_reinforce --orderings row --orderings hilbert --images 200 --json
      reorder-kit prior quickstart --set 'order.start={prior: {name: lzma, tokens: bigram}}'
      reorder-kit prior quickstart --fit-vq --vq-out digits.safetensors
      reorder-kit prior quickstart --vq digits.safetensors --prior conditional-entropy
    """
    given = {"--vq-out": vq_out, "--vq-codes": vq_codes, "--vq-side": vq_side, "--vq-steps": vq_steps}
    _refuse_what_does_nothing(fit, vq, given)
    from reorder_kit.analysis.prior_ranking import rank_orderings
    from reorder_kit.cli._lookup import load_host
    from reorder_kit.data.training_patches import TrainingPatches

    # Whatever plugins and libraries print is no part of the result.
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        host = load_host()
        content, source = _with_prior(recipe, sets or (), name, host)
        experiment, start = _compose(content, host, source)
        if vq is not None:
            experiment, start = _compose(_with_vq(content, start, vq), host, source)
        splits = experiment.open_data()
        grid, seed = experiment.facts(splits.image).grid, experiment.recipe.seed
        fitted: FittedVq | None = None
        if fit:
            from reorder_kit.cli._fit_vq import VqRequest, fit_vq

            _with_vq(content, start, Path())  # refuses a prior that has no use for it, before a minute of training
            request = VqRequest(vq_out, vq_codes, vq_side, vq_steps)
            fitted = fit_vq(request, experiment.recipe.name, splits, grid, seed, images)
            experiment, start = _compose(_with_vq(content, start, fitted.file), host, source)
        scorer = cast("ScoringPrior", start.build(splits.image, grid))  # any other was refused
        orders = _orders(orderings or ["all"], start, grid, host)
        patches = TrainingPatches(splits, grid, seed, images)
        ranking = rank_orderings(scorer, patches, orders, seed)
    if as_json:
        print_json(_as_dict(experiment.recipe.name, start, scorer, grid, ranking, fitted))
    else:
        _print(recipe, start, scorer, grid, ranking, fitted, unreadable=len(patches) - ranking.images)


def _refuse_what_does_nothing(fit: bool, vq: Path | None, given: Mapping[str, Any]) -> None:
    if fit and vq is not None:
        raise ReorderKitError("--vq names a VQ-VAE, and --fit-vq trains one", "leave one of the two out")
    idle = [option for option, value in given.items() if value is not None]
    if idle and not fit:
        raise ReorderKitError(f"{idle[0]} does nothing without --fit-vq")


def _with_prior(recipe: str, sets: Iterable[str], name: str | None, host: PluginHost) -> tuple[dict[str, Any], str]:
    """The recipe, started by the prior that is asked for; options it gives to that one are kept. And its source."""
    from reorder_kit.recipe.library import read_recipe
    from reorder_kit.recipe.recipe import override, parse_assignment

    content, source = read_recipe(recipe)
    content = override(content, map(parse_assignment, sets))
    given = _prior_of(content)
    if name is None and given is None:
        name = DEFAULT_PRIOR
    if name is not None and name != given:
        host.priors.get(name)  # refuses a name that is none, with the closest one
        content = override(content, [("order.start", {"prior": name})])
    return content, source


def _with_vq(content: Mapping[str, Any], start: StartByPrior, file: Path) -> dict[str, Any]:
    from reorder_kit.recipe.recipe import override

    option = _tokenizer_option(start)
    if option is None:
        raise ReorderKitError(f"{start.name} looks at pixels, not at tokens, so a VQ-VAE does nothing for it")
    return override(content, [(f"order.start.prior.{option}", {"name": "vq-vae", "file": str(file)})])


def _tokenizer_option(start: StartByPrior) -> str | None:
    """The option of the prior that says whose tokens it looks at; None if it looks at pixels."""
    from reorder_kit.interfaces import Part, Tokenizer

    fields = start.prior.component.Options.model_fields.items()
    return next(
        (name for name, field in fields if Part[Tokenizer] in (field.annotation, *get_args(field.annotation))), None
    )


def _compose(content: Mapping[str, Any], host: PluginHost, source: str) -> tuple[Experiment, StartByPrior]:
    from reorder_kit.experiment.compose import compose
    from reorder_kit.experiment.start_by_prior import StartByPrior
    from reorder_kit.interfaces import ScoringPrior

    experiment = compose(content, host, source)
    if not isinstance(experiment.start, StartByPrior):
        raise TypeError("a recipe that names a prior starts with it")
    if not issubclass(experiment.start.prior.component, ScoringPrior):
        reason = f"{experiment.start.name} scores no orderings: it gives an order of its own, so nothing can be ranked"
        raise ReorderKitError(reason, "see the order that it gives in orders/ of a run that starts from it")
    return experiment, experiment.start


def _prior_of(content: Mapping[str, Any]) -> Any:
    """The name of the recipe's prior; None if it starts from an ordering."""
    found: Any = content
    for key in ("order", "start", "prior"):
        found = found.get(key) if isinstance(found, dict) else None
    return found.get("name") if isinstance(found, dict) else found


def _orders(names: Iterable[str], start: StartByPrior, grid: Grid, host: PluginHost) -> dict[str, Order]:
    from reorder_kit.cli._lookup import find_order

    orders: dict[str, Order] = {}
    for name in names:
        if name == "all":
            orders |= start.orders(grid)
            continue
        order = find_order(name, host, grid).order
        if not order.is_full:
            hint = "compare orders that hold every patch"
            raise ReorderKitError(f"{name}: a partial order is small because it leaves patches out", hint)
        orders[name] = order
    return orders


def _as_dict(
    name: str, start: StartByPrior, scorer: ScoringPrior, grid: Grid, ranking: Ranking, fitted: FittedVq | None
) -> dict[str, Any]:
    return {
        "name": name,
        "prior": start.prior.as_dict(),
        "measure": scorer.measure,
        "grid": [grid.height, grid.width],
        "images": ranking.images,
        "best": ranking.best.name,
        "verdict": ranking.verdict(),
        "orderings": [ordering.as_dict() for ordering in ranking.orderings],
        **({} if fitted is None else {"vq": fitted.as_dict()}),
    }


def _print(
    recipe: str,
    start: StartByPrior,
    scorer: ScoringPrior,
    grid: Grid,
    ranking: Ranking,
    fitted: FittedVq | None,
    unreadable: int,
) -> None:
    out = console()
    if fitted is not None:
        out.print(f"The VQ-VAE in {fitted.file}: {fitted.figures}.", soft_wrap=True)
    option = _tokenizer_option(start)
    tokens = f" of {start.prior.as_dict()[option]['name']} tokens" if option else ""
    out.print(f"{start.name}{tokens} on {ranking.images} training images of {recipe}, {grid} patches; 95 % intervals.")
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
