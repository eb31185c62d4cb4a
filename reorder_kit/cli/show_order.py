"""``reorder-kit show-order``: display an order."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reorder_kit.cli._completion import complete_order
from reorder_kit.cli._output import print_json, print_to_stderr, terminal_columns
from reorder_kit.cli._parameters import JsonOption, as_name, as_path
from reorder_kit.errors import writing


def show_order(
    ordering: Annotated[
        str,
        typer.Argument(
            metavar="ORDERING",
            help="An ordering by name, an order file, or a run folder.",
            parser=as_name,
            autocompletion=complete_order,
        ),
    ],
    grid: Annotated[
        str | None,
        typer.Option("--grid", metavar="HxW", help="Patches down and across, as in 14x14; FxHxW with frames."),
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="An option of the ordering; the value is YAML. Repeatable."),
    ] = None,
    keep: Annotated[
        float | None,
        typer.Option(
            "--keep",
            metavar="SHARE",
            help="Show only the share that order.keep would keep, such as 0.25.",
            min=0,
            max=1,
        ),
    ] = None,
    png: Annotated[
        Path | None, typer.Option("--png", metavar="FILE", help="Also draw it into this file.", parser=as_path)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show an order in the terminal, as PNG or as JSON.

    A recipe reads the JSON with order.start: {file: order.json}. An order file and a run folder know their grid; an
    ordering needs --grid. For a run whose order depends on the image, the consensus and the orders of some images are
    shown. In the terminal, a grid that does not fit is shown in blocks of patches; --png and --json show every patch.

    \b
    Example:
      reorder-kit show-order hilbert --grid 14x14
      reorder-kit show-order spiral --grid 6x9 --set reverse=true --png spiral.png
      reorder-kit show-order strided --grid 8x8 --keep 0.25
      reorder-kit show-order morton --grid 4x4 --json > order.json
      reorder-kit show-order runs/quickstart
    """
    from reorder_kit.cli._lookup import load_host, warn_of_deprecated
    from reorder_kit.experiment.find_order import find_order
    from reorder_kit.figures.terminal import order_as_text
    from reorder_kit.orders.grid import Grid
    from reorder_kit.orders.order import Order
    from reorder_kit.orders.order_file import words_of_spread
    from reorder_kit.recipe.overrides import override, parse_assignment

    if png is not None:
        from reorder_kit.figures.picture_file import require_picture_file

        require_picture_file(png)
    options = override({}, map(parse_assignment, sets or ()))
    host = load_host()
    warn_of_deprecated(host, "ordering", [ordering])
    found = find_order(ordering, host, Grid.parse(grid) if grid else None, options)
    if keep is not None:
        found = found.kept(keep)
    if png is not None:
        from reorder_kit.figures.order_path import draw_order

        with writing(png):
            title = found.name if found.spread is None else f"{found.name}: consensus of the images' orders"
            draw_order(found.order, found.grid, png, title=f"{title} on {found.grid}")
        print_to_stderr(f"wrote {png}")
    if as_json:
        print_json(found.as_dict())
        return
    neighbors = f"{100 * found.order.adjacency(found.grid):.0f}% of its steps lead to a neighbor"
    similarity = ""
    if found.order.is_full:
        similarity = f", Kendall tau to row order {found.order.kendall_tau(Order.identity(len(found.order))):.2f}"
    if found.spread is not None:
        typer.echo(f"{found.name} has no single order: {words_of_spread(found.spread)}. The consensus:\n")
    typer.echo(f"{found.name} on a {found.grid} grid: {neighbors}{similarity}\n")
    columns = terminal_columns()
    typer.echo(order_as_text(found.order, found.grid, columns))
    for example in found.examples:
        typer.echo(f"\nThe order of one image:\n\n{order_as_text(example, found.grid, columns)}")
