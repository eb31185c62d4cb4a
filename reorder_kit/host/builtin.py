"""The built-in plugins: every file in the folder of a kind of component, or of listeners to run events."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator

import reorder_kit
from reorder_kit.interfaces import INTERFACES

FOLDERS = (*(interface.kind.folder for interface in INTERFACES), "events")


def _modules() -> Iterator[str]:
    """The modules of built-in plugins, without files that start with an underscore, which hold shared code."""
    for folder in FOLDERS:
        paths = [f"{path}/{folder}" for path in reorder_kit.__path__]
        names = sorted(module.name for module in pkgutil.iter_modules(paths))
        yield from (f"reorder_kit.{folder}.{name}" for name in names if not name.startswith("_"))


MODULES = tuple(_modules())
