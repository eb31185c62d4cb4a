"""The command line: its commands and its entry point."""

from __future__ import annotations

import gc
import io
import os
import sys
from typing import Annotated, TextIO

import typer

from reorder_kit import __version__
from reorder_kit.cli._errors import Command, QuickCommand, QuickJsonCommand
from reorder_kit.cli._help import Group
from reorder_kit.cli._output import standard_output
from reorder_kit.cli.bench import planted
from reorder_kit.cli.describe import describe
from reorder_kit.cli.doctor import doctor
from reorder_kit.cli.evaluate import evaluate
from reorder_kit.cli.export_order import export_order
from reorder_kit.cli.list_plugins import list_plugins
from reorder_kit.cli.new_plugin import new_plugin
from reorder_kit.cli.predict import predict
from reorder_kit.cli.prior import prior
from reorder_kit.cli.race import race
from reorder_kit.cli.recipes import copy_recipes, list_recipes
from reorder_kit.cli.report import report
from reorder_kit.cli.run import run
from reorder_kit.cli.saliency import saliency
from reorder_kit.cli.schema import schema
from reorder_kit.cli.show_order import show_order
from reorder_kit.cli.study import study
from reorder_kit.cli.transfer import transfer
from reorder_kit.cli.validate import validate

app = typer.Typer(
    cls=Group,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
recipes = typer.Typer(cls=Group, rich_markup_mode=None, no_args_is_help=True)
bench = typer.Typer(cls=Group, rich_markup_mode=None, no_args_is_help=True)

app.command(cls=Command)(run)
app.command(cls=QuickCommand)(validate)
app.command(cls=Command)(evaluate)
app.command(cls=Command)(predict)
app.command(cls=QuickCommand)(show_order)
app.command(cls=QuickCommand)(export_order)
app.command(cls=Command)(prior)
app.command(cls=Command)(race)
app.command(cls=Command)(study)
app.command(cls=Command)(report)
app.command(cls=Command)(saliency)
app.command(cls=Command)(transfer)
app.command(cls=QuickCommand)(describe)
app.command(cls=QuickCommand)(list_plugins)
app.command(cls=QuickCommand)(new_plugin)
app.command(cls=QuickJsonCommand)(schema)
app.command(cls=Command)(doctor)
app.add_typer(recipes, name="recipes", help="List or copy the shipped recipes.")
recipes.command("list", cls=Command)(list_recipes)
recipes.command("copy", cls=Command)(copy_recipes)
app.add_typer(bench, name="bench", help="Test order-learners on benchmarks with known answers.")
bench.command("planted", cls=Command)(planted)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"reorder-kit {__version__}")
        raise typer.Exit


@app.callback()
def command_line(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Measure, learn and trust the order of image patches in sequence models.

    \b
    Example:
      reorder-kit run quickstart
    """


def main() -> None:
    """Run the command line.

    The exit code is 0, 2 after an error, or, if the command was stopped, 130 (Ctrl-C) or 143 (SIGTERM).
    """
    # A stream that was closed before the start is None.
    sys.stdout, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A picture of an order must not fail where the terminal lacks a character.
            stream.reconfigure(errors="replace")
    try:
        with standard_output():
            app(prog_name="reorder-kit")
    finally:
        gc.freeze()  # or the interpreter would collect garbage among all of torch's objects again as it exits


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123
