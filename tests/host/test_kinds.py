"""Kinds of components: declared by their interfaces, and listed in one place."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import Field

import reorder_kit
from reorder_kit import hookimpl
from reorder_kit.cli._description import describe_component, describe_kind
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.recipe_schema import options_schema, recipe_schema
from reorder_kit.host import plugin_host
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import INTERFACES, Component, ComponentOptions, Kind, Ordering, OrderingOptions, Part

PACKAGE = Path(reorder_kit.__file__).parent


class Bookmark(Component, ABC):
    """A kind that is unknown to the package."""

    kind = Kind("book-mark", "book-marks")

    @classmethod
    def declares(cls):
        return {"colour": "red"}

    @abstractmethod
    def page(self):
        """Where it is."""


class Dogear(Bookmark):
    """A folded corner."""

    name = "dog-ear"

    class Options(ComponentOptions):
        corner: str = Field("upper", description="which one")

    def page(self):
        return 1


class Marked(Ordering):
    """An ordering with a part of that kind."""

    name = "marked"

    class Options(OrderingOptions):
        mark: Part[Bookmark] = Field(Part.named("dog-ear"), description="what marks it")

    def cells(self, height, width):
        return []


@pytest.fixture
def host(monkeypatch):
    """A host for a package with one more kind."""
    monkeypatch.setattr(plugin_host, "INTERFACES", (*INTERFACES, Bookmark))
    return PluginHost(third_party=False)


def test_a_kind_more_is_registered_found_and_described(host):
    plugin = SimpleNamespace(register_book_marks=hookimpl(lambda: [Dogear]))
    record = host.add(plugin, "marks")
    assert (record.reason, record.provides, record.hooks) == ("", ["book-mark dog-ear"], [])
    registry = host.registry_of(Bookmark)
    assert registry.get("dog-ear") is Dogear
    assert all(host.find_registry(name) is registry for name in ("book-mark", "book-marks", "book_mark", "book_marks"))
    assert describe_component(registry, "dog-ear")["kind"] == "book-mark"
    assert describe_component(registry, "dog-ear")["says"] == {"colour": "red"}
    assert describe_kind(registry) == {
        "kind": "book-mark",
        "doc": "A kind that is unknown to the package.",
        "components": [{"name": "dog-ear", "doc": "A folded corner.", "plugin": "plugin 'marks'", "deprecated": ""}],
    }


def test_a_component_of_a_kind_more_can_be_part_of_another_one(host):
    both = {"register_book_marks": lambda: [Dogear], "register_orderings": lambda: [Marked]}
    host.add(SimpleNamespace(**{name: hookimpl(hook) for name, hook in both.items()}), "marks")
    assert options_schema(Marked)["properties"]["mark"]["x-reorder-kit-part"] == "book-mark"
    ((dogear, alone),) = [recipe_schema(host)["$defs"]["part.book-mark"]["oneOf"]]
    assert dogear["properties"].keys() == {"name", "corner"}
    assert alone == {"enum": ["dog-ear"]}
    options = Marked.Options.model_validate({"mark": {"name": "dog-ear", "corner": "lower"}}, context={"host": host})
    assert options.mark == Part.of(Dogear, corner="lower")


def test_a_component_of_another_kind_is_refused_under_the_name_of_the_kind(host):
    record = host.add(SimpleNamespace(register_book_marks=hookimpl(lambda: [Marked])), "marks")
    assert record.reason.endswith("is not a subclass of Bookmark")
    assert host.add(SimpleNamespace(register_book_mark=hookimpl(lambda: [Dogear])), "misspelt").reason == (
        "there is no hook 'register_book_mark'\n  hint: did you mean 'register_book_marks'?"
    )


def test_an_unknown_kind_gets_the_closest_as_a_hint():
    with pytest.raises(ReorderKitError, match="no kind of component 'order_learnr'") as caught:
        PluginHost(third_party=False).find_registry("order_learnr")
    assert caught.value.hint == "did you mean 'order-learner'?"


def test_run_events_are_what_is_specified_and_no_registration():
    assert set(PluginHost(third_party=False).run_events) == {
        "run_started",
        "step_finished",
        "order_changed",
        "epoch_finished",
        "run_finished",
        "predictions_made",
    }


def test_no_other_file_of_the_package_lists_the_kinds():
    words = [(interface.__name__, interface.kind.folder) for interface in INTERFACES]
    listing = {
        file.relative_to(PACKAGE).as_posix()
        for file in PACKAGE.rglob("*.py")
        for text in [file.read_text()]
        if all(re.search(rf"\b({interface}|{folder})\b", text) for interface, folder in words)
    }
    # The host has attributes for the kinds that recipes name, possibly all.
    assert listing - {"host/plugin_host.py"} == {"interfaces/__init__.py"}
