"""Component names, read from the source files of plugins without importing them.

Shell completion must be fast, and importing a plugin means importing torch. Computed names are not found and not
offered.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_GROUP = "reorder_kit"
_KIND = re.compile(r'^    kind = Kind\("([^"]+)", "([^"]+)"\)$', re.M)


def kinds() -> dict[str, str]:
    """The name of each kind of component, mapped to its plural."""
    files = sorted((_PACKAGE / "interfaces").glob("*.py"))
    return dict(pair for file in files for pair in _KIND.findall(file.read_text(encoding="utf-8")))


def component_names(kind: str) -> list[str]:
    """The names of the installed components of a kind, given in any spelling; empty for an unknown kind."""
    asked = kind.replace("_", "-")
    plural = next((many for one, many in kinds().items() if asked in (one, many)), None)
    if plural is None:
        return []
    folder = plural.replace("-", "_")
    files = [*(_PACKAGE / folder).glob("[!_]*.py"), *_files_of_others()]
    return sorted({name for file in files for name in _names_in(file, f"register_{folder}")})


def _files_of_others() -> Iterator[Path]:
    """The source files that installed packages declare as plugins."""
    for point in entry_points(group=_GROUP):
        package, *inside = point.module.split(".")
        try:
            spec = find_spec(package)  # imports nothing, because a top-level package has no parent
        except (ImportError, ValueError):
            continue
        if spec is None:
            continue
        if not inside:
            candidates = [Path(spec.origin or "")]
        else:
            stems = [Path(place, *inside) for place in spec.submodule_search_locations or ()]
            candidates = [file for stem in stems for file in (stem.with_suffix(".py"), stem / "__init__.py")]
        yield from (file for file in candidates if file.is_file())


def _names_in(file: Path, hook: str) -> Iterator[str]:
    """The literal names of the classes that a hook in a file returns."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return
    handed = {
        node.id
        for function in tree.body
        if isinstance(function, ast.FunctionDef) and function.name == hook
        for node in ast.walk(function)
        if isinstance(node, ast.Name)
    }
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef) and statement.name in handed:
            yield from _own_name(statement)


def _own_name(component: ast.ClassDef) -> Iterator[str]:
    for statement in component.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="name")], value=ast.Constant(value=str(name))):
                yield name
            case ast.AnnAssign(target=ast.Name(id="name"), value=ast.Constant(value=str(name))):
                yield name
