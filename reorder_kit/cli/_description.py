"""A component in words: what ``describe`` shows."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reorder_kit.experiment.recipe_schema import kinds_of_parts, options_schema, resolve
from reorder_kit.host.registry import Registry
from reorder_kit.interfaces import Backbone, Component, DataSource, OrderLearner, Prior, ScoringPrior, TargetKind, Task
from reorder_kit.interfaces.part import KIND_KEYWORD

_TYPES = {
    "integer": "whole number",
    "number": "number",
    "boolean": "true | false",
    "string": "text",
    "null": "null",
    "array": "list",
    "object": "section",
}
_BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def describe_component(registry: Registry[Any], name: str) -> dict[str, Any]:
    """Everything about a component that a recipe's author needs.

    Raises:
        ReorderKitError: if there is no such component.
    """
    component = registry.get(name)
    schema = options_schema(component)
    return {
        "kind": registry.kind,
        "name": name,
        "doc": inspect.cleandoc(component.__doc__ or ""),
        "module": component.__module__,
        "plugin": registry.owner(name),
        "says": _says(component),
        "options": list(_options(schema, schema.get("$defs", {}))),
    }


def _says(component: type[Component]) -> dict[str, str]:
    """What a component declares beside its options."""
    if issubclass(component, Backbone):
        return {
            "needs": ", ".join(sorted(component.needs)) or "nothing but the patches",
            "facts": inspect.cleandoc(component.facts.__doc__ or ""),
            "reach": inspect.cleandoc(component.reach.__doc__ or ""),
        }
    if issubclass(component, OrderLearner):
        return {"uses the reward": _yes_or_no(component.uses_reward)}
    if issubclass(component, ScoringPrior):
        return {"starts from": "the ordering with the highest score", "measure": component.measure}
    if issubclass(component, Prior):
        return {"starts from": "an order of its own"}
    if issubclass(component, Task):
        # A task that wraps another one has these only once it is built.
        known = {"target_kinds", "headline"} <= {name for each in component.__mro__ for name in vars(each)}
        if not known:
            return {"target kinds": "depend on its options"}
        return {
            "target kinds": _names(component.target_kinds),
            "headline": f"{component.headline}, {'higher' if component.higher_is_better else 'lower'} is better",
            "dense": _yes_or_no(component.is_dense),
        }
    return {"target kinds": _names(component.target_kinds)} if issubclass(component, DataSource) else {}


def _names(kinds: Iterable[TargetKind]) -> str:
    return ", ".join(map(str, kinds))


def _yes_or_no(fact: bool) -> str:
    return "yes" if fact else "no"


def _options(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], path: str = "", above: tuple[int, ...] = ()
) -> Iterator[dict[str, Any]]:
    """A row for each option; the fields of a section follow it, with the defaults they have where it is given."""
    for key, option in schema.get("properties", {}).items():
        row = {
            "name": f"{path}{key}",
            "type": _type(option, definitions),
            "required": key in schema.get("required", ()),
            "default": option.get("default"),
            "description": option.get("description", ""),
        }
        sections = [
            section
            for choice in option.get("anyOf", [option])
            if "properties" in (section := resolve(choice, definitions)) and id(section) not in above
        ]
        docs = [section["description"] for section in sections if "description" in section]
        if docs:
            row["doc"] = "\n".join(docs)
        if kinds := sorted(kinds_of_parts(option)):
            row["hint"] = "; ".join(
                f"{_a(kind)} by its name, or a mapping with its name and its options" for kind in kinds
            )
        yield row
        for section in sections:
            yield from _options(section, definitions, f"{row['name']}.", (*above, id(section)))


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _type(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    schema = resolve(dict(schema), definitions)
    if KIND_KEYWORD in schema:
        return str(schema[KIND_KEYWORD])
    for alternatives in ("anyOf", "oneOf"):
        if alternatives in schema:
            return " | ".join(dict.fromkeys(_type(choice, definitions) for choice in schema[alternatives]))
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if "prefixItems" in schema:
        return f"[{', '.join(_type(item, definitions) for item in schema['prefixItems'])}]"
    if "items" in schema:
        return f"list of {_type(schema['items'], definitions)}"
    if schema.get("format") == "path":
        return "path"
    bounds = [f"{sign} {schema[bound]:g}" for bound, sign in _BOUNDS.items() if bound in schema]
    return " ".join([_TYPES.get(schema.get("type", ""), "anything"), ", ".join(bounds)]).strip()
