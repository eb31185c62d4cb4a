"""Loads the plugin that an entry point names, and checks the version of the plugin API it was written for."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from reorder_kit import __version__
from reorder_kit.errors import ReorderKitError, quoted
from reorder_kit.hookspecs import API_VERSION
from reorder_kit.host.plugin_record import PluginRecord, words_of

DECLARATION = "reorder_kit_api"
"""The variable in which the module of an entry point declares the version it was written for."""


def load_entry_point(entry_point: EntryPoint, record: PluginRecord) -> object:
    """The plugin, if it was written for the plugin API of this package.

    Args:
        entry_point: names a module, or an object in a module.
        record: of the plugin; is given the version that the module declares.

    Raises:
        ReorderKitError: if it cannot be imported, or declares no version, or one that does not fit.
    """
    if entry_point.pattern.match(entry_point.value) is None:
        raise ReorderKitError(
            f"its entry point {quoted(entry_point.value)} does not name a module",
            f'write it as in {entry_point.name} = "my_package.my_module"',
        )
    module = entry_point.module
    try:
        plugin = entry_point.load()
    except (Exception, SystemExit) as error:
        record.api = _declared_in_source(module)
        # An import often fails because the API has changed since.
        misfit = _misfit(record.api, module, record) if record.api else None
        if misfit is not None:
            raise ReorderKitError(f"{misfit.message}: {words_of(error)}", misfit.hint) from error
        raise ReorderKitError(words_of(error), _how_to_see(entry_point)) from error
    declared = getattr(import_module(module), DECLARATION, None)
    record.api = declared if isinstance(declared, str) else ""
    misfit = _misfit(declared, module, record)
    if misfit is not None:
        raise misfit
    return plugin


def _misfit(declared: Any, module: str, record: PluginRecord) -> ReorderKitError | None:
    """Why a plugin written for a version cannot be used; None if it can."""
    if declared is None:
        return ReorderKitError(
            f"{module} does not declare which version of the plugin API it was written for",
            f"{_upgrade(record)}; its authors add the line {_line()} to {module}",
        )
    version = _parsed(declared)
    if version is None:
        return ReorderKitError(
            f"{module} declares {DECLARATION} = {quoted(declared)}, which is not a version",
            f"{_upgrade(record)}; its authors write it as in {_line()}",
        )
    (major, minor), (own_major, own_minor) = version, _parsed(API_VERSION) or (0, 0)
    if major == own_major and minor <= own_minor:
        return None
    reason = f"it was written for plugin API {declared}, and reorder-kit {__version__} has {API_VERSION}"
    if version > (own_major, own_minor):
        return ReorderKitError(reason, "pip install --upgrade reorder-kit")
    return ReorderKitError(reason, _upgrade(record))


def _how_to_see(entry_point: EntryPoint) -> str:
    """A command that fails as the plugin did; a missing attribute does not make the import of its module fail."""
    if not entry_point.attr:
        return f"python -c 'import {entry_point.module}' shows the traceback"
    code = f"from importlib import import_module; import_module('{entry_point.module}').{entry_point.attr}"
    return f'python -c "{code}" shows the traceback'


def _upgrade(record: PluginRecord) -> str:
    """What the user of a plugin can do."""
    return f"pip install --upgrade {record.distribution}; if that is the newest, ask its authors to update it"


def _line() -> str:
    return f'{DECLARATION} = "{API_VERSION}"'


def _parsed(version: Any) -> tuple[int, int] | None:
    """Major and minor."""
    found = re.fullmatch(r"(\d{1,9})\.(\d{1,9})", version, re.ASCII) if isinstance(version, str) else None
    return (int(found[1]), int(found[2])) if found else None


def _declared_in_source(module: str) -> str:
    """The version in the source of a module that cannot be imported; empty if there is none to be read."""
    try:
        spec = find_spec(module)
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8")) if spec and spec.origin else ast.Module([], [])
    except Exception:  # its package is imported to find it, and may raise anything
        return ""
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="reorder_kit_api")], value=ast.Constant(value=str(version))):
                return version
            case ast.AnnAssign(target=ast.Name(id="reorder_kit_api"), value=ast.Constant(value=str(version))):
                return version
    return ""
