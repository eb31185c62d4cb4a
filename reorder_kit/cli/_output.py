"""Output of commands: results go to standard output, everything else to standard error."""

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
    """The rank of this process under torchrun; 0 for a single process or an invalid rank."""
    rank = os.environ.get("RANK", "")
    return int(rank) if rank.isascii() and rank.isdecimal() and len(rank) < _MOST_DIGITS else 0


def is_main_process() -> bool:
    """Whether this process prints output."""
    return process() == 0


def print_json(content: Any) -> None:
    """Write JSON to standard output, even inside :func:`results_alone`."""
    typer.echo(json.dumps(content, indent=2), file=_results.get())


@contextmanager
def results_alone() -> Iterator[None]:
    """Reserve standard output for JSON: output of plugins and libraries goes to standard error."""
    before = _results.set(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _results.reset(before)


def print_to_stderr(text: str) -> None:
    """Write a message that is not a result. Errors of standard error itself are ignored: there is no place to report
    them.

    On a terminal, the first word of an error, a warning or a hint is colored.
    """
    has_color = has_colors(sys.stderr)
    with suppress(OSError):
        typer.echo(colored(text) if has_color else text, err=True, color=has_color)


@contextmanager
def standard_output() -> Iterator[None]:
    """Exit with 2 and a message if standard output cannot be written; silently with 1 if the reader closed the pipe.

    Files that the command has written, such as a run folder, are kept.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        if not stdout_takes_no_more():  # the error concerned another file
            raise
        # Python would try to flush the rest of the buffer again when the process exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.EPIPE:  # as with `| head`
            sys.exit(1)
        print_to_stderr(f"error: cannot write to standard output: {error.strerror}")
        sys.exit(2)


def stdout_takes_no_more() -> bool:
    """Whether standard output is full or its reader is gone; call this after a write failed.

    If standard output still works, this prints an empty line.
    """
    output = _results.get() or sys.stdout
    try:
        output.write("\n")  # a failed write is not always retried
        output.flush()
    except OSError:
        return True
    return False


def terminal_columns() -> int:
    """The width of the terminal in characters; 80 without a terminal."""
    return max(_FEWEST_COLUMNS, shutil.get_terminal_size((COLUMNS_WITHOUT_TERMINAL, 24)).columns)


def console(stderr: bool = False) -> Console:
    """A console that prints text unchanged. Without a terminal it uses no color and leaves room for wide tables."""
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            """Raise the error: rich would end the process here, but :func:`standard_output` does that later."""
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
