"""Whether a class is a whole component: all that can be known of it when its plugin is loaded."""

from __future__ import annotations

from typing import Any

from reorder_kit.errors import ReorderKitError, quoted
from reorder_kit.host.plugin_record import is_own, words_of
from reorder_kit.interfaces.class_fact import ClassFact, misfits_of_facts
from reorder_kit.interfaces.component import NAMES_ARE, Component, ComponentOptions, is_name
from reorder_kit.interfaces.deprecation import Deprecation

_OF_ALL_KINDS = {
    "deprecated": ClassFact(
        'Deprecation(instead="...", removed_in="0.3") or None', lambda value: isinstance(value, Deprecation | None)
    )
}


def require_complete(component: Any, interface: type[Component]) -> None:
    """Refuse what is no component of a kind, or an unfinished one.

    Args:
        component: what a plugin registers.
        interface: the class that components of the kind derive from.

    Raises:
        ReorderKitError: saying what is missing or wrong.
    """
    if not (isinstance(component, type) and issubclass(component, interface)):
        raise ReorderKitError(f"{quoted(component)} is not a subclass of {interface.__name__}")
    kind = interface.kind.name
    missing = sorted(getattr(component, "__abstractmethods__", ()))
    if missing:
        raise ReorderKitError(f"{kind} {component.__name__} lacks {', '.join(missing)}")
    name: Any = getattr(component, "name", None)
    if not isinstance(name, str) or not name.strip():
        raise ReorderKitError(f"{kind} {component.__name__} has no name")
    if not is_name(name):
        raise ReorderKitError(f"{kind} {component.__name__} cannot be named {quoted(name)}", NAMES_ARE)
    what = f"{kind} {name!r}"
    for misfit in misfits_of_facts(component, {**_OF_ALL_KINDS, **component.class_facts}):
        raise ReorderKitError(f"{what} {misfit}", f"the docstring of {interface.__name__} says what it means")
    _require_options(component.Options, interface.Options, what)
    if not is_own(component.__module__):  # those of the package are tested, and built at first use
        _require_built(component.Options, what)


def _require_options(options: Any, base: type[ComponentOptions], what: str) -> None:
    if not (isinstance(options, type) and issubclass(options, base)):
        found = options.__name__ if isinstance(options, type) else f"{quoted(options)}, no class"
        raise ReorderKitError(
            f"the Options of {what} do not derive from {base.__name__}: they are {found}",
            f"write class Options({base.__name__})",
        )
    if not options.model_config.get("frozen"):
        raise ReorderKitError(
            f"the Options of {what} can be changed", "leave frozen in their model_config as it is: parts share options"
        )
    if "name" in options.model_fields:
        raise ReorderKitError(
            f"the Options of {what} have a field 'name', which in a recipe is the name of the component", "rename it"
        )


def _require_built(options: type[ComponentOptions], what: str) -> None:
    """Pydantic builds options at their first use, and would find a type that it does not know in the midst of a run."""
    try:
        options.model_rebuild()
    except Exception as error:
        reason = words_of(error).partition("\n")[0]
        raise ReorderKitError(
            f"the Options of {what} cannot be built: {reason}", "give each field a type that pydantic knows"
        ) from error
