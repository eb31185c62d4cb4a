"""``reorder-kit export-order``: the order of a run for programs without reorder-kit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reorder_kit.cli._parameters import PlaceOption, RunArgument, as_name, as_path
from reorder_kit.cli._timm_lines import TimmLines, lines_for_model, lines_for_vit, named_model
from reorder_kit.errors import ReorderKitError, writing

if TYPE_CHECKING:
    from reorder_kit.orders.grid import Grid
    from reorder_kit.orders.order_file import OrderFile


def export_order(
    run: RunArgument,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", help="Folder to write to; the run folder if not given.", parser=as_path),
    ] = None,
    timm: Annotated[
        str | None,
        typer.Option(
            "--timm",
            metavar="MODEL",
            help="Print the lines for this timm model, such as vit_small_patch16_224.",
            parser=as_name,
        ),
    ] = None,
    sets: PlaceOption = None,
) -> None:
    """Write the order of a run for plain timm and other programs.

    The files order.json and order.npy hold the row-major index of the patch in each slot. The printed lines make a timm
    model read its patches in this order, after adding their positions, as reorder_kit.wrap(model, order) does. They
    raise an error on a model they do not fit. Without --timm they are for a VisionTransformer of the order's grid. With
    --timm they are for that model, or the command says why it cannot read in another order.

    For a run that orders each image by its content, or orders again before a later block, no lines are printed: its
    files hold the consensus, or the composed order of all blocks. No data is read; --set is checked but has no effect.

    \b
    Example:
      reorder-kit export-order runs/quickstart
      reorder-kit export-order runs/quickstart --timm vit_small_patch16_224
      reorder-kit export-order runs/quickstart --to exported
    """
    from reorder_kit.cli._lookup import find_run, load_host, places_of
    from reorder_kit.experiment.reopening import reopen
    from reorder_kit.orders.npy_file import write_npy
    from reorder_kit.orders.order_file import words_of_spread

    folder = find_run(run)
    if sets:
        reopen(folder, load_host(), places_of(sets))
    stored = folder.read_order()
    # Checked before anything is written: a model that cannot read in the order is an error.
    named = None if timm is None else named_model(timm, _single_images(stored.grid))
    if named is not None:
        named[0].require_all_patches_if_they_overlap(stored.order)
    target = to or folder.path
    json_file, npy_file = target / "order.json", target / "order.npy"
    with writing(target):
        target.mkdir(parents=True, exist_ok=True)
        stored.save(json_file)
        write_npy(npy_file, stored.order.indices.numpy())
    typer.echo(f"wrote {json_file} and {npy_file}: the patch in each of {len(stored.order)} slots, {stored.grid} grid")
    if stored.spread is not None:
        typer.echo(f"This is a consensus; the run itself orders each image: {words_of_spread(stored.spread)}.")
        typer.echo("A model that reads every image in this order is not the run's model.")
    elif folder.read_result().order.reach.slots is None:
        typer.echo("The run orders again before a later block. This is the composed order of all blocks.")
        typer.echo("A model that reads in this order from its first block on is not the run's model.")
    elif stored.grid.frames > 1:
        typer.echo("No lines for timm: its models read single images, not clips.")
    elif named is None:
        _print(lines_for_vit(npy_file, stored.grid, len(stored.order)), stored)
    else:
        _print(lines_for_model(*named, npy_file, len(stored.order)), stored)


def _single_images(grid: Grid) -> Grid:
    if grid.frames > 1:
        raise ReorderKitError(
            f"the order is for clips of {grid.frames} frames, but timm models read single images",
            "leave --timm out to write the files",
        )
    return grid


def _print(lines: TimmLines, stored: OrderFile) -> None:
    typer.echo(f"In plain timm, with {lines.model}:\n\n{lines.text}\n")
    if stored.order.is_full:
        typer.echo("The patch tokens of forward_features are then in this order. To restore row-major order, use")
        typer.echo("tokens[:, extra:][:, order.argsort()].")
    else:
        typer.echo(f"The model then reads {len(stored.order)} of {stored.grid.num_patches} patches.")
