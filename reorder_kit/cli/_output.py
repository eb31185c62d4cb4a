"""Where a command writes: results to standard output, everything else to standard error."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TextIO

import typer

from reorder_kit.cli._colors import colored, has_colors

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDTH_WITHOUT_TERMINAL = 120
COLUMNS_WITHOUT_TERMINAL, _FEWEST_COLUMNS = 80, 20
_MOST_DIGITS = 10
_results: ContextVar[TextIO | None] = ContextVar("results", default=None)


def process() -> int:
    """The number of this process under torchrun; 0 for a process alone, or where the number is none."""
    rank = os.environ.get("RANK", "")
    return int(rank) if rank.isascii() and rank.isdecimal() and len(rank) < _MOST_DIGITS else 0


def is_main_process() -> bool:
    """Whether this process is the one that speaks."""
    return process() == 0


def print_json(content: Any) -> None:
    """Write JSON to standard output, also within :func:`results_alone`."""
    typer.echo(json.dumps(content, indent=2), file=_results.get())


@contextmanager
def results_alone() -> Iterator[None]:
    """Keep standard output for JSON: whatever plugins and libraries print goes to standard error."""
    before = _results.set(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _results.reset(before)


def print_to_stderr(text: str) -> None:
    """Write what is no result; where standard error takes no more, nobody would see a complaint about it either.

    On a terminal the first word of an error or a warning, and that of its hint, has a color.
    """
    has_color = has_colors(sys.stderr)
    with suppress(OSError):
        typer.echo(colored(text) if has_color else text, err=True, color=has_color)


@contextmanager
def standard_output() -> Iterator[None]:
    """Say in words that standard output takes no more, and end with 2; with 1, silently, where nobody reads it.

    What a command has written elsewhere, as a run into its folder, is there.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        if not stdout_takes_no_more():  # it was about another file
            raise
        # What is left in the buffer would be tried once more at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.EPIPE:  # as with `| head`
            sys.exit(1)
        print_to_stderr(f"error: standard output: cannot be written: {error.strerror}")
        sys.exit(2)


def stdout_takes_no_more() -> bool:
    """Whether standard output is full, or nobody reads it any more; to be asked after something could not be written.

    If it does take more, that is an empty line.
    """
    output = _results.get() or sys.stdout
    try:
        output.write("\n")  # what could not be written is not always tried again
        output.flush()
    except OSError:
        return True
    return False


def terminal_columns() -> int:
    """How many characters a line of the terminal has; 80 where there is none."""
    return max(_FEWEST_COLUMNS, shutil.get_terminal_size((COLUMNS_WITHOUT_TERMINAL, 24)).columns)


def console(stderr: bool = False) -> Console:
    """A console that prints text as it is. Without a terminal there is no color, and room for wide tables."""
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            """Raise the error: rich itself would end the process here, and :func:`standard_output` does it later."""
            raise

    stream = sys.stderr if stderr else sys.stdout
    is_free = not stream.isatty() and "COLUMNS" not in os.environ
    width = WIDTH_WITHOUT_TERMINAL if is_free else None
    return Plain(stderr=stderr, width=width, markup=False, highlight=False, emoji=False)


def table(*columns: str) -> Table:
    """A table without a frame."""
    from rich.table import Table

    plain = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for column in columns:
        plain.add_column(column, overflow="fold")
    return plain
