"""The JSON Schema of a recipe, with the options of all components, for completion and checks in editors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from pydantic import PydanticUserError

from reorder_kit.controls import BUILT_IN, controls_of
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.host.registry import Registry
from reorder_kit.interfaces import Component, Control, InRunControl
from reorder_kit.interfaces.part import KIND_KEYWORD
from reorder_kit.recipe.recipe import NO_CONTROL, SHORT_FORMS, DataSection, Recipe

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = "#/$defs/"

Schema = dict[str, Any]


def recipe_schema(host: PluginHost) -> Schema:
    """The schema of a recipe, with one alternative per component, selected by name.

    It leaves out what only a component can check, such as mutually exclusive options.

    Args:
        host: provides the components.
    """
    schema = Recipe.model_json_schema()
    definitions = schema["$defs"]
    data_fields = DataSection.model_json_schema()["properties"]
    del data_fields["name"]
    for generic in ("ComponentSection", "DataSection", "StartSection"):
        del definitions[generic]
    definitions["PlantSection"] = {"oneOf": list(_components(host.orderings, definitions, key="order"))}
    fields = schema["properties"]
    fields["data"] = _section(host.data_sources, definitions, data_fields)
    fields["task"] = {**_section(host.tasks, definitions), "default": fields["task"]["default"]}
    fields["backbone"] = _section(host.backbones, definitions)
    order = definitions["OrderSection"]["properties"]
    order["start"] = {**_start(host, definitions), "default": "row"}
    known = _controls(host)
    order["control"]["enum"] = [
        NO_CONTROL,
        *(name for name, control in known.items() if isinstance(control, InRunControl)),
    ]
    fields["controls"]["items"]["enum"] = list(known)
    trackers = _alternatives(host.trackers, definitions)
    fields["trackers"]["items"] = {"oneOf": trackers or [{"not": {}}]}
    order["learner"] = {**_section(host.order_learners, definitions, nullable=True), "default": None}
    _define_parts(schema, host)
    return {"$schema": DIALECT, **_with_references(schema), "title": "reorder-kit recipe"}


def _controls(host: PluginHost) -> dict[str, Control]:
    """The built-in controls and those of all tasks."""
    known = dict(BUILT_IN)
    for name in host.tasks:
        with suppress(Exception):  # a task that needs options, or whose controls are wrong
            known |= controls_of(host.tasks.get(name)())
    return known


def options_schema(component: type[Component], prefix: str = "") -> Schema:
    """The JSON Schema of a component's options.

    Args:
        component: the component.
        prefix: prefix of the names in ``$defs``.
    """
    try:
        schema: Schema = component.Options.model_json_schema(ref_template=f"{_REFERENCE}{prefix}{{model}}")
    except PydanticUserError:  # a plugin's own type without a schema
        return {"type": "object", "properties": {}}
    if "$defs" in schema:
        schema["$defs"] = {f"{prefix}{name}": definition for name, definition in schema["$defs"].items()}
    return schema


def resolve(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """The target of a reference; anything else is returned unchanged."""
    return definitions[schema["$ref"].removeprefix(_REFERENCE)] if "$ref" in schema else schema


def kinds_of_parts(schema: Any) -> set[str]:
    """The kinds of components that are parts of a schema, directly or in lists and sections."""
    if isinstance(schema, list):
        return set().union(*map(kinds_of_parts, schema))
    if not isinstance(schema, dict):
        return set()
    here = {schema[KIND_KEYWORD]} if KIND_KEYWORD in schema else set()
    return here.union(*map(kinds_of_parts, schema.values()))


def _define_parts(schema: Schema, host: PluginHost) -> None:
    """Add a definition for each kind of component in use; components may contain others, even of their own kind."""
    registries = {registry.kind.name: registry for registry in host.registries.values()}
    defined: set[str] = set()
    while missing := kinds_of_parts(schema) - defined:
        for kind in sorted(missing):
            alternatives = _alternatives(registries[kind], schema["$defs"])
            schema["$defs"][f"part.{kind}"] = {"oneOf": alternatives or [{"not": {}}]}
        defined |= missing


def _with_references(schema: Any) -> Any:
    """The same schema, with references to those definitions."""
    if isinstance(schema, list):
        return list(map(_with_references, schema))
    if not isinstance(schema, dict):
        return schema
    found = {key: _with_references(value) for key, value in schema.items() if key != KIND_KEYWORD}
    return {"$ref": f"{_REFERENCE}part.{schema[KIND_KEYWORD]}", **found} if KIND_KEYWORD in schema else found


def _section(
    registry: Registry[Any], definitions: Schema, fields: Mapping[str, Schema] | None = None, nullable: bool = False
) -> Schema:
    alternatives = _alternatives(registry, definitions, fields)
    return {"oneOf": [*alternatives, {"type": "null"}] if nullable else alternatives}


def _alternatives(
    registry: Registry[Any], definitions: Schema, fields: Mapping[str, Schema] | None = None
) -> list[Schema]:
    """One alternative per component with its options, then one for names without options."""
    components = list(_components(registry, definitions, fields))
    bare_names = [each["properties"]["name"]["const"] for each in components if each["required"] == ["name"]]
    return [*components, {"enum": bare_names}] if bare_names else components


def _components(
    registry: Registry[Any], definitions: Schema, fields: Mapping[str, Schema] | None = None, key: str = "name"
) -> Iterator[Schema]:
    """One section per component: its name under a key, and its options."""
    for name in registry:
        component = registry.get(name)
        options = options_schema(component, prefix=f"{registry.kind.name}.{name}.")
        definitions |= options.pop("$defs", {})
        required = options.pop("required", [])
        yield {
            **options,
            "title": f"{registry.kind.name} {name}",
            "description": (component.__doc__ or "").strip().partition("\n")[0],
            "properties": {key: {"const": name}, **options["properties"], **(fields or {})},
            "required": [key, *required],
        }


def _start(host: PluginHost, definitions: Schema) -> Schema:
    alternatives = _alternatives(host.orderings, definitions)
    for alternative in alternatives:
        name = str(alternative.get("title")).removeprefix("ordering ")
        if name in SHORT_FORMS.values():  # a file is enough: `start: {file: order.json}`
            alternative["required"].remove("name")
    if len(host.priors):
        prior = _section(host.priors, definitions)
        alternatives.append(
            {"type": "object", "properties": {"prior": prior}, "required": ["prior"], "additionalProperties": False}
        )
    return {"oneOf": alternatives}
