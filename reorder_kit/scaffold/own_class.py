"""Whether the class of a new plugin has its name to itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from reorder_kit.errors import ReorderKitError
from reorder_kit.scaffold.new_plugin import NewPlugin


def require_own_class(plugin: NewPlugin, files: Mapping[str, str]) -> None:
    """Refuse a name whose class has the name of something else in a module of the package.

    Args:
        plugin: with the name.
        files: contents by path; those that are not Python are skipped.

    Raises:
        ReorderKitError: if a module imports or defines something else of that name.
    """
    for path, source in files.items():
        if not path.endswith(".py"):
            continue
        names = [name for statement in ast.parse(source).body for name in _names(statement)]
        if names.count(plugin.class_name) > 1:
            raise ReorderKitError(
                f"a plugin cannot be named {plugin.name!r}: its class would be {plugin.class_name}, which means "
                f"something else in {path}",
                "choose another name",
            )


def _names(statement: ast.stmt) -> Iterator[str]:
    """What a statement at the top of a module gives a name to."""
    match statement:
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            yield from (alias.asname or alias.name for alias in aliases)
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
            yield name
        case ast.Assign(targets=targets):
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
