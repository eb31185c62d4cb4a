"""Every command with its arguments and options: what ``--help`` says."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer

from reorder_kit.cli.main import app
from site_pages.markdown import block, plain, table

_INTRODUCTION = """`reorder-kit COMMAND --help` says the same in the terminal. [The command line](../command-line.md)
shows each command at work, with exit codes and environment variables.
"""


def command_pages() -> dict[str, str]:
    """The page, by source."""
    whole = typer.main.get_command(app)
    context = whole.context_class(whole, info_name="reorder-kit")
    parts = [
        f"# Commands\n\n{_INTRODUCTION}",
        *(text for each in _commands(whole, context) for text in _command(*each)),
    ]
    return {"reference/commands.md": "\n".join(parts)}


def _commands(group: Any, context: Any) -> Iterator[tuple[Any, Any]]:
    """Commands with their contexts. Typer's own classes, and click's, have no type in common."""
    if not hasattr(group, "commands"):
        yield group, context
        return
    for name in group.list_commands(context):
        command = group.commands[name]
        yield from _commands(command, command.context_class(command, info_name=name, parent=context))


def _command(command: Any, context: Any) -> Iterator[str]:
    yield f"## {context.command_path.removeprefix('reorder-kit ')}\n"
    words, _, example = inspect.cleandoc(command.help or "").partition("\b\nExample:\n")
    yield f"{plain(words.strip())}\n"
    yield block(f"{context.command_path} {' '.join(command.collect_usage_pieces(context))}")
    if example:
        yield f"For example:\n\n{block(inspect.cleandoc(example), 'console')}"
    parameters = (parameter.get_help_record(context) for parameter in command.get_params(context))
    rows = [[f"`{names}`", plain(meaning)] for names, meaning in filter(None, parameters)]
    yield table(["argument or option", "meaning"], rows)
