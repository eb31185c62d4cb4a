"""``reorder-kit export-order``: the order of a run for programs that do not know reorder-kit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reorder_kit.cli._parameters import PlaceOption, RunArgument, as_path
from reorder_kit.errors import writing

TIMM_LINES = (
    'order, extra = torch.from_numpy(numpy.load("{file}")), model.num_prefix_tokens',
    "model.norm_pre.register_forward_hook(lambda module, inputs, tokens: "
    "torch.cat([tokens[:, :extra], tokens[:, extra:][:, order]], dim=1))",
)


def export_order(
    run: RunArgument,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", help="Where to; into the run folder if not given.", parser=as_path),
    ] = None,
    sets: PlaceOption = None,
) -> None:
    """Write the order of a run for plain timm and others.

    The files order.json and order.npy hold, for each slot, the row-major index of its patch. The two printed lines put
    the patches of a timm VisionTransformer in this order, after their positions were added: they give what
    reorder_kit.wrap(model, order) gives. A run that orders each image by what it shows, or orders again before a later
    block, has no such lines: its files hold a consensus, or the composed order of all blocks. It reads no data; --set
    is checked as elsewhere, and changes nothing.

    \b
    Example:
      reorder-kit export-order runs/quickstart
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
    target = to or folder.path
    json_file, npy_file = target / "order.json", target / "order.npy"
    with writing(target):
        target.mkdir(parents=True, exist_ok=True)
        stored.save(json_file)
        write_npy(npy_file, stored.order.indices.numpy())
    typer.echo(f"wrote {json_file} and {npy_file}: the patch in each of {len(stored.order)} slots, {stored.grid} grid")
    if stored.spread is not None:
        typer.echo(f"This is a consensus, and no order of the run: {words_of_spread(stored.spread)}.")
        typer.echo("A model that reads every image in it is another model than the run's.")
        return
    if folder.read_result().order.reach.slots is None:
        typer.echo("The run orders again before a later block; this is the composed order of all blocks.")
        typer.echo("A model that reads in it from its first block on is another model than the run's.")
        return
    typer.echo("In plain timm, with import numpy, torch and a VisionTransformer `model` of this grid:\n")
    for line in TIMM_LINES:
        typer.echo(line.format(file=npy_file))
