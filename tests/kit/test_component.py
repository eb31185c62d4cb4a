"""Rules for components of every kind, each with a component that breaks it."""

from __future__ import annotations

import pydantic
import pytest
from pydantic import Field

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import ComponentOptions, Ordering, OrderingOptions
from reorder_kit.testing import ordering_case
from reorder_kit.testing.component import (
    COMPONENT_RULES,
    ComponentCase,
    describes_every_option,
    reads_its_options_as_it_writes_them,
    refuses_options_it_does_not_have,
    says_what_it_is,
)
from wrong import assert_caught


class Rows(Ordering):
    """Row by row."""

    name = "rows"

    def cells(self, height, width):
        return ((row, column) for row in range(height) for column in range(width))


class Undocumented(Rows):
    name = "undocumented"


class Shouting(Rows):
    """A name that no recipe has."""

    name = "Big Rows"


class Nameless(Ordering):
    """It has no name."""

    cells = Rows.cells


class Bare(Rows):
    """An option without a description."""

    class Options(OrderingOptions):
        step: int = 1


class Inner(pydantic.BaseModel):
    depth: int = Field(1, description="described, but misspelled ones are taken")


class Nested(Rows):
    """Nested options that accept misspelled names."""

    class Options(OrderingOptions):
        inner: Inner = Field(Inner(), description="of an option")


class BareInner(ComponentOptions):
    depth: int = 1


class Deep(Rows):
    """Options in an optional list, without a description."""

    class Options(OrderingOptions):
        inner: tuple[BareInner, ...] | None = Field(None, description="of several options")


class Loose(Rows):
    """Options that do not derive from the package's class."""

    Options = Inner


class Tolerant(Rows):
    """It accepts anything."""

    class Options(OrderingOptions):
        model_config = pydantic.ConfigDict(extra="ignore")


class Forgetful(Rows):
    """It writes a different number from the one it was given."""

    class Options(OrderingOptions):
        step: int = Field(1, description="what is added up")

        @pydantic.field_serializer("step")
        def _write(self, step):
            return step + 1


WRONG = [
    (says_what_it_is, Undocumented, "no docstring"),
    (says_what_it_is, Shouting, "'Big Rows'"),
    (says_what_it_is, Nameless, "name is None"),
    (describes_every_option, Bare, "step of Options lacks a description"),
    (describes_every_option, Deep, "depth of BareInner lacks a description"),
    (refuses_options_it_does_not_have, Tolerant, "no_such_option is accepted"),
    (refuses_options_it_does_not_have, Nested, "Inner does not forbid extra options"),
    (reads_its_options_as_it_writes_them, Forgetful, "'step': 3"),
]


@pytest.mark.parametrize(("rule", "component", "seen"), WRONG, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_wrong_component_is_caught(rule, component, seen):
    assert_caught(rule, ordering_case(component), seen)


def test_every_rule_has_a_wrong_component_and_lets_a_right_one_pass():
    assert {rule for rule, *_ in WRONG} == set(COMPONENT_RULES)
    for rule in COMPONENT_RULES:
        rule(ordering_case(Rows, {"flip": "both"}))


def test_options_that_are_none_of_the_package_are_caught():
    case = ComponentCase(Loose, Inner())
    assert_caught(describes_every_option, case, "Inner does not derive from ComponentOptions")


class Tree(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    branches: tuple[Tree, ...] = Field((), description="trees again")


class Sizes(pydantic.RootModel[dict[str, Tree]]):
    pass


class Trees(Rows):
    """Recursive options; they need not derive from ComponentOptions."""

    class Options(OrderingOptions):
        tree: Tree = Field(Tree(), description="of trees")
        sizes: Sizes | None = Field(None, description="trees by name")


@pytest.mark.parametrize("rule", COMPONENT_RULES, ids=str)
def test_options_may_hold_models_of_any_depth(rule):
    rule(ordering_case(Trees, {"tree": {"branches": [{}, {"branches": [{}]}]}}))


def test_the_message_names_the_component_and_its_options():
    assert str(ordering_case(Rows)) == "Rows"
    assert "Rows with {'flip': 'both'}" in str(ordering_case(Rows, {"flip": "both"}))


def test_options_that_no_recipe_could_give_are_refused():
    with pytest.raises(ReorderKitError, match="Rows refuses the options"):
        ordering_case(Rows, {"flop": 1})
    assert ordering_case(Rows, Rows.Options(reverse=True)).options == OrderingOptions(reverse=True)
    assert isinstance(ordering_case(Rows).options, ComponentOptions)
