"""``reorder-kit new-plugin``: a package for a new plugin, complete with tests."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from reorder_kit.cli._completion import complete_plugin_kind
from reorder_kit.cli._parameters import as_name, as_path


def new_plugin(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="A kind of component, such as ordering or order-learner; or listener, for a plugin that follows runs.",
            parser=as_name,
            autocompletion=complete_plugin_kind,
        ),
    ],
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="How recipes will name it, as in my-walk.", parser=as_name)
    ],
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            metavar="FOLDER",
            help="The folder of the package, not there yet; reorder-kit-NAME if not given.",
            parser=as_path,
        ),
    ] = None,
) -> None:
    """Write a package for a new plugin.

    A whole package with a small component of that kind that works: it can be installed, and passes its tests, ruff and
    mypy --strict. Replace what the component does, and keep the rest.

    \b
    Example:
      reorder-kit new-plugin ordering my-walk
      reorder-kit new-plugin listener best-epoch --folder ~/plugins/best-epoch
    """
    from reorder_kit.cli._lookup import load_host
    from reorder_kit.scaffold.plan_plugin import plan_plugin
    from reorder_kit.scaffold.write_package import try_it, write_package

    plugin = plan_plugin(kind, name, load_host())
    folder = Path(plugin.distribution) if folder is None else folder
    for file in write_package(plugin, folder):
        typer.echo(f"wrote {file}")
    typer.echo()
    typer.echo("Next:")
    commands = [
        f"cd {shlex.quote(str(folder))}",
        "pip install --editable '.[test]'",
        "python -m pytest",
        "reorder-kit list-plugins",
        try_it(plugin),
    ]
    for command in commands:
        typer.echo(f"  {command}")
