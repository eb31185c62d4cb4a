"""``reorder-kit prior``: the start that a prior chooses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reorder_kit.cli._completion import complete_order, complete_prior
from reorder_kit.cli._output import console, print_json, print_to_stderr, table
from reorder_kit.cli._parameters import MOST_STEPS, JsonOption, RecipeArgument, SetOption, as_name, as_path
from reorder_kit.errors import ReorderKitError
from reorder_kit.writable import require_writable_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reorder_kit.analysis.ranked_recipe import RankedRecipe
    from reorder_kit.training.ranked_patches import RankedPatches


def prior(
    recipe: RecipeArgument,
    name: Annotated[
        str | None,
        typer.Option(
            "--prior",
            metavar="NAME",
            help="The prior; the recipe's own if not given, or lzma if it has none.",
            autocompletion=complete_prior,
        ),
    ] = None,
    orderings: Annotated[
        list[str] | None,
        typer.Option(
            "--orderings",
            metavar="ORDERING",
            help="An ordering by name, an order file, a run folder, or all. Repeatable; all if none is named.",
            parser=as_name,
            autocompletion=complete_order,
        ),
    ] = None,
    images: Annotated[
        int | None,
        typer.Option(
            "--images",
            min=2,
            max=MOST_STEPS,
            help="Number of training images, chosen at random by the recipe's seed; 2000 if not given.",
        ),
    ] = None,
    png: Annotated[
        Path | None,
        typer.Option(
            "--png",
            metavar="FILE",
            help="Draw what each patch adds, for a prior that ranks patches.",
            parser=as_path,
        ),
    ] = None,
    vq: Annotated[
        Path | None,
        typer.Option("--vq", metavar="FILE", help="Use the codes of this VQ-VAE instead of pixels.", parser=as_path),
    ] = None,
    fit: Annotated[
        bool, typer.Option("--fit-vq", help="Train a VQ-VAE on these images first, and use its codes.")
    ] = False,
    vq_out: Annotated[
        Path | None,
        typer.Option(
            "--vq-out",
            metavar="FILE",
            help="File for the trained VQ-VAE; tokenizers/RECIPE.safetensors if not given, numbered if that exists.",
            parser=as_path,
        ),
    ] = None,
    vq_codes: Annotated[
        int | None, typer.Option("--vq-codes", help="Number of codes in its codebook; 64 if not given.")
    ] = None,
    vq_side: Annotated[
        int | None, typer.Option("--vq-side", help="Number of codes along each side of a patch; 1 if not given.")
    ] = None,
    vq_steps: Annotated[
        int | None,
        typer.Option("--vq-steps", min=1, max=MOST_STEPS, help="Number of its training steps; 500 if not given."),
    ] = None,
    sets: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rank orderings or patches by a prior.

    Uses the images and patches of a recipe, and trains no model to score orderings. Each score is a mean over images
    with its 95% bootstrap interval. So is the distance of an ordering behind the best on the same images: if its
    interval contains 0, the two are not distinguishable. Each interval is for a single ordering: among many, about one
    in twenty misses. Options of the prior are fields of order.start.prior.

    Priors that rank patches, such as informed, show how much each patch tells about the target, the slot it starts in,
    and how influence is spread over the slots, for which small models are trained for 150 steps. Orderings are compared
    with that start by a closed-form score: how well a regression predicts held-out images if it sees each patch as well
    as the model does. This is a first estimate: only trained runs show whether the start is better.

    Patches are represented by their pixels, or by the codes of a VQ-VAE, which --fit-vq trains. A recipe uses its file
    with order.start: {prior: {name: lzma, tokenizer: {name: vq-vae, file: FILE}}}.

    \b
    Example:
      reorder-kit prior quickstart
      reorder-kit prior vit_reinforce --orderings row --orderings hilbert --images 200 --json
      reorder-kit prior quickstart --set 'order.start={prior: {name: lzma, tokens: bigram}}'
      reorder-kit prior quickstart --fit-vq --vq-out digits.safetensors
      reorder-kit prior quickstart --vq digits.safetensors --prior conditional-entropy
      reorder-kit prior quickstart --prior informed --png informed.png
    """
    given = {"--vq-out": vq_out, "--vq-codes": vq_codes, "--vq-side": vq_side, "--vq-steps": vq_steps}
    _refuse_what_does_nothing(fit, vq, given)
    if vq_out is not None:
        require_writable_file(vq_out)
    if png is not None:
        from reorder_kit.figures.picture_file import require_picture_file

        require_picture_file(png)
    from reorder_kit.analysis.fitted_vq import VqRequest
    from reorder_kit.analysis.ranked_recipe import RankedRecipe, ScoredStart, rank_recipe, ranks_patches, with_prior
    from reorder_kit.cli._lookup import load_host, recipe_content, warn_of_deprecated, warn_of_parts
    from reorder_kit.cli._ranked_patches import IMAGES, draw, print_patches, rank_patches_of

    host = load_host()
    warn_of_deprecated(host, "ordering", orderings or ())
    content = with_prior(recipe_content(recipe, sets), name, host)
    found: RankedRecipe | RankedPatches
    if ranks_patches(content, host):
        _refuse_codes(fit, vq)
        found = patches = rank_patches_of(content, recipe, orderings or ["all"], images, host)
        if png is not None:
            draw(patches, png)
    else:
        _refuse_picture(png)
        scored = ScoredStart.compose(content, host, recipe)
        warn_of_parts(scored.experiment)
        scored = scored if vq is None else scored.with_vq(vq, host)
        request = VqRequest(vq_out, vq_codes, vq_side, vq_steps) if fit else None
        found = rank_recipe(scored, orderings or ["all"], images or IMAGES, request, host, print_to_stderr)
    if as_json:
        print_json(found.as_dict())
    elif isinstance(found, RankedRecipe):
        _print(recipe, found)
    else:
        print_patches(recipe, found)


def _refuse_codes(fit: bool, vq: Path | None) -> None:
    if fit or vq is not None:
        raise ReorderKitError("a prior that ranks patches uses pixels, not tokens, so a VQ-VAE has no effect")


def _refuse_picture(png: Path | None) -> None:
    if png is not None:
        raise ReorderKitError(
            "--png shows what each patch adds, but this prior ranks orderings", "give --prior informed, or leave it out"
        )


def _refuse_what_does_nothing(fit: bool, vq: Path | None, given: Mapping[str, Any]) -> None:
    if fit and vq is not None:
        raise ReorderKitError("--vq names a VQ-VAE, and --fit-vq trains one", "leave one of the two out")
    idle = [option for option, value in given.items() if value is not None]
    if idle and not fit:
        raise ReorderKitError(f"{idle[0]} has no effect without --fit-vq")


def _print(recipe: str, ranked: RankedRecipe) -> None:
    out = console()
    ranking, scored = ranked.ranking, ranked.scored
    if ranked.fitted is not None:
        out.print(f"The VQ-VAE in {ranked.fitted.file}: {ranked.fitted.figures}.", soft_wrap=True)
    tokens = "" if scored.tokens is None else f" of {scored.tokens} tokens"
    images = f"{ranking.images} training images of {recipe}, {ranked.grid} patches"
    out.print(f"{scored.start.name}{tokens} on {images}; 95% intervals.")
    if ranked.unreadable:
        out.print(f"{ranked.unreadable} more images could not be read.")
    rows = table("", ranked.measure, "behind the best", "")
    for ordering in ranking.orderings:
        is_best = ordering is ranking.best
        noise = "within noise" if ordering.is_within_noise and not is_best else ""
        rows.add_row(ordering.name, str(ordering.score), "" if is_best else str(ordering.behind), noise)
    out.print()
    out.print(rows)
    out.print()
    out.print(ranking.verdict(), soft_wrap=True)
