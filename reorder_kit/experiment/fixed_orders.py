"""All orders that fixed rules give: the pool that a learned order has to beat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from reorder_kit.errors import ReorderKitError, did_you_mean
from reorder_kit.experiment.start_by_prior import candidates_of
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import Ordering
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

_FLIPS = {"": "none", "-flip": "horizontal", "-flip-vertical": "vertical", "-flip-both": "both"}


def fixed_orders(host: PluginHost, grid: Grid, flips: bool = True) -> dict[str, Order]:
    """The distinct orders of every deterministic rule that needs no options, in all its variants.

    A name consists of the rule and its changes, as in ``hilbert-transpose-flip-reverse``: ``-flip`` mirrors left and
    right, ``-flip-vertical`` top and bottom, ``-flip-both`` both. Equal orders are named after the one with the fewest
    changes; on ties, after ``row``, else after the rule that the host lists first. :func:`fixed_section` gives the
    recipe section that starts from such an order.

    Args:
        host: provides the orderings. Those that draw at random, read a file or leave patches out are skipped.
        grid: the grid of patches.
        flips: whether to include mirrored variants.

    Returns:
        Orders by name, plain rules first.
    """
    rules = _rules(host)
    found: dict[Order, str] = {}
    for suffix, options in _variants(flips):
        for name, rule in rules.items():
            section = {"name": name, **options}
            if _section(name + suffix, rules) != section:  # a plugin's rule is named like this variant
                continue
            order = type(rule)(rule.options.model_copy(update=options)).order(grid)
            if order.is_full:
                found.setdefault(order, name + suffix)
    return {name: order for order, name in found.items()}


def fixed_section(name: str, host: PluginHost) -> dict[str, Any]:
    """The section ``order.start`` for an order of :func:`fixed_orders`.

    Args:
        name: the name of the order, such as ``row-reverse``.
        host: provides the orderings.

    Raises:
        ReorderKitError: if no order has this name.
    """
    rules = _rules(host)
    section = _section(name, rules)
    if section is None:
        raise ReorderKitError(f"unknown fixed order {name!r}", did_you_mean(name, rules))
    return section


def _rules(host: PluginHost) -> dict[str, Ordering]:
    rules = {name: rule for name, rule in candidates_of(host).items() if not rule.drawn_with(0)}
    return dict(sorted(rules.items(), key=lambda item: item[0] != "row"))


def _variants(flips: bool) -> list[tuple[str, dict[str, Any]]]:
    """Suffixes and options, with the fewest changes first."""
    mirrored = _FLIPS if flips else {"": "none"}
    variants = []
    for flip, transpose, reverse in product(mirrored, ("", "-transpose"), ("", "-reverse")):
        options: dict[str, Any] = {"transpose": True} if transpose else {}
        options |= {"flip": _FLIPS[flip]} if flip else {}
        options |= {"reverse": True} if reverse else {}
        variants.append((transpose + flip + reverse, options))
    return sorted(variants, key=lambda variant: len(variant[1]))


def _section(name: str, rules: Mapping[str, Ordering]) -> dict[str, Any] | None:
    """The section for a name; if it can start with two rules, the longer name is used."""
    return max(_readings(name, rules), key=lambda section: len(section["name"]), default=None)


def _readings(name: str, rules: Mapping[str, Ordering]) -> Iterator[dict[str, Any]]:
    for suffix, options in _variants(flips=True):
        rule = name.removesuffix(suffix)
        if rule + suffix == name and rule in rules:
            yield {"name": rule, **options}
