"""The built-in plugins: a file in the folder of a kind of component, or among the listeners of run events, is one."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator

import reorder_kit
from reorder_kit.interfaces import INTERFACES

FOLDERS = (*(interface.kind.folder for interface in INTERFACES), "events")


def _modules() -> Iterator[str]:
    """Files whose name starts with an underscore are what the others share."""
    for folder in FOLDERS:
        paths = [f"{path}/{folder}" for path in reorder_kit.__path__]
        names = sorted(module.name for module in pkgutil.iter_modules(paths))
        yield from (f"reorder_kit.{folder}.{name}" for name in names if not name.startswith("_"))


MODULES = tuple(_modules())
