"""Descriptions of a component or of a kind, as ``describe`` shows them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from reorder_kit.experiment.recipe_schema import kinds_of_parts, options_schema, resolve
from reorder_kit.host.registry import Registry
from reorder_kit.interfaces import Component
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


def describe_kind(registry: Registry[Any]) -> dict[str, Any]:
    """Describe a kind and list its components."""
    components = ((name, registry.get(name)) for name in registry)
    return {
        "kind": registry.kind.name,
        "doc": _first_line(registry.interface),
        "components": [
            {
                "name": name,
                "doc": _first_line(component),
                "plugin": registry.owner(name),
                "deprecated": str(component.deprecated or ""),
            }
            for name, component in components
        ],
    }


def describe_component(registry: Registry[Any], name: str) -> dict[str, Any]:
    """Describe everything about a component that a recipe author needs.

    Raises:
        ReorderKitError: if there is no such component.
    """
    component = registry.get(name)
    schema = options_schema(component)
    return {
        "kind": registry.kind.name,
        "name": name,
        "doc": inspect.cleandoc(component.__doc__ or ""),
        "module": component.__module__,
        "plugin": registry.owner(name),
        "deprecated": str(component.deprecated or ""),
        "says": component.declares(),
        "options": describe_schema(schema),
    }


def describe_schema(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every option of a JSON Schema in words: its name, type with bounds, default and meaning.

    The fields of a section follow it.
    """
    return list(_options(schema, schema.get("$defs", {})))


def _first_line(component: type[Component]) -> str:
    return inspect.cleandoc(component.__doc__ or "").partition("\n")[0]


def _options(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], path: str = "", above: tuple[int, ...] = ()
) -> Iterator[dict[str, Any]]:
    """One row per option; the fields of a section follow it, with the defaults they have when the section is given.

    In a list of sections, ``*`` stands for the index of a section; in a section of sections, for its name.
    """
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
        listed = [
            section
            for choice in option.get("anyOf", [option])
            for each in ("items", "additionalProperties")
            if "properties" in (section := _schema(choice.get(each), definitions)) and id(section) not in above
        ]
        docs = [section["description"] for section in sections if "description" in section]
        if docs:
            row["doc"] = "\n".join(docs)
        if kinds := sorted(kinds_of_parts(option)):
            row["hint"] = "; ".join(f"{_a(kind)} by name, or a mapping with its name and options" for kind in kinds)
        yield row
        for section in sections:
            yield from _options(section, definitions, f"{row['name']}.", (*above, id(section)))
        for section in listed:
            yield from _options(section, definitions, f"{row['name']}.*.", (*above, id(section)))


def _schema(found: Any, definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The schema that a keyword has; empty if it has none, or only says whether anything is allowed."""
    return resolve(found, definitions) if isinstance(found, dict) else {}


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
    bounds = [f"{sign} {_number(schema[bound])}" for bound, sign in _BOUNDS.items() if bound in schema]
    return " ".join([_TYPES.get(schema.get("type", ""), "anything"), ", ".join(bounds)]).strip()


def _number(value: float) -> str:
    """Whole numbers with all of their digits."""
    return str(value) if isinstance(value, int) else f"{value:g}"
