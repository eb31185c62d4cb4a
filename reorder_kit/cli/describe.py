"""``reorder-kit describe``: the components of a kind, or one component with its options and facts."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reorder_kit.cli._completion import complete_component, complete_kind
from reorder_kit.cli._output import console, print_json, table
from reorder_kit.cli._parameters import JsonOption, as_name

if TYPE_CHECKING:
    from rich.console import Console


def describe(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="backbone, ordering, order-learner, task, ...",
            parser=as_name,
            autocompletion=complete_kind,
        ),
    ],
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="The component, as a recipe names it; all of the kind are listed if not given.",
            autocompletion=complete_component,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Explain a component and its options, or list the components of a kind.

    Shows what the component is, its options in a recipe, and the plugin it comes from.

    \b
    Example:
      reorder-kit describe ordering
      reorder-kit describe ordering hilbert
      reorder-kit describe order-learner reinforce
      reorder-kit describe backbone local --json
    """
    from reorder_kit.cli._description import describe_component, describe_kind
    from reorder_kit.cli._lookup import load_host

    registry = load_host().find_registry(kind)
    if name is None:
        description, show = describe_kind(registry), _print_kind
    else:
        description, show = describe_component(registry, name), _print_description
    if as_json:
        print_json(description)
    else:
        show(console(), description)


def _print_kind(out: Console, description: dict[str, Any]) -> None:
    out.print(f"{description['kind']}: {description['doc']}", soft_wrap=True)
    out.print()
    components = table("name", "description")
    for component in description["components"]:
        doc = f"(deprecated) {component['doc']}" if component["deprecated"] else component["doc"]
        components.add_row(component["name"], doc)
    out.print(components)


def _print_description(out: Console, description: dict[str, Any]) -> None:
    out.print(f"{description['kind']} {description['name']}", style="bold")
    out.print(f"from {description['module']}, {description['plugin']}", soft_wrap=True)
    if description["deprecated"]:
        out.print(f"It {description['deprecated']}.", soft_wrap=True)
    out.print()
    out.print(description["doc"], soft_wrap=True)
    out.print()
    if description["says"]:
        says = table("declared facts", "")
        for fact, value in description["says"].items():
            says.add_row(fact, value)
        out.print(says)
        out.print()
    if not description["options"]:
        out.print("It has no options.")
        return
    out.print("Options, with type and default:", style="bold")
    for option in description["options"]:
        default = "(required)" if option["required"] else f"({_in_yaml(option['default'])})"
        words = f"{option['name']}  {option['type']}  {default}"
        out.print(_wrapped(words, out.width, "", "        "), soft_wrap=True)
        out.print(_wrapped(option["description"], out.width, "    ", "    "), soft_wrap=True)
    for option in description["options"]:
        if "hint" in option:
            out.print()
            out.print(f"{option['name']}: {option['hint']}; reorder-kit list-plugins lists them.", soft_wrap=True)
        if "doc" in option:
            out.print()
            out.print(f"{option['name']}: {option['doc']}", soft_wrap=True)
            out.print(f"If a recipe sets only some fields of {option['name']}, the others keep the defaults listed.")


def _wrapped(text: str, columns: int, first: str, later: str) -> str:
    """Wrap at spaces only: a name wider than the terminal stays whole."""
    return textwrap.fill(
        text, columns, initial_indent=first, subsequent_indent=later, break_long_words=False, break_on_hyphens=False
    )


def _in_yaml(value: Any) -> str:
    from reorder_kit.recipe.write_yaml import yaml_in_line

    return yaml_in_line(value)
