"""`reorder-kit describe`: a description of a component."""

from __future__ import annotations

import json
import re

import pytest

from reorder_kit.interfaces import Prior

PLUGIN = """
from typing import Literal
from pydantic import Field
from reorder_kit import hookimpl
from reorder_kit.interfaces import ComponentOptions, ScoringPrior

class Inner(ComponentOptions):
    \"\"\"Where to look.\"\"\"

    corner: Literal["top", "bottom"] = Field("top", description="which end")
    inner: "Inner | None" = Field(None, description="a section within itself")

class Guess(ScoringPrior):
    \"\"\"Prefer what comes first.

    Without looking [at anything].
    \"\"\"

    name = "guess"

    class Options(ComponentOptions):
        seed: int = Field(ge=0, lt=10, description="of the guess, [whole]")
        inner: Inner = Field(Inner(corner="bottom"), description="where")
        size: tuple[int, float] | None = Field(None, description="two figures")
        names: list[str] = Field([], description="some words")

    def score(self, patches, orders):
        return dict.fromkeys(orders, 0.0)

@hookimpl
def register_priors():
    return [Guess]
"""


@pytest.fixture
def guess(cli, install):
    install("guess-dist", {"guessing": "guess_plugin"}, {"guess_plugin": PLUGIN})
    return json.loads(cli("describe", "prior", "guess", "--json").stdout)


def test_it_says_where_a_component_comes_from(guess):
    assert guess["kind"] == "prior"
    assert guess["module"] == "guess_plugin"
    assert guess["plugin"] == "plugin 'guessing' of guess-dist"
    assert guess["doc"] == "Prefer what comes first.\n\nWithout looking [at anything]."


def test_it_gives_types_bounds_defaults_and_meanings(guess):
    options = {option["name"]: option for option in guess["options"]}
    assert options["seed"] == {
        "name": "seed",
        "type": "whole number >= 0, < 10",
        "required": True,
        "default": None,
        "description": "of the guess, [whole]",
    }
    assert options["size"]["type"] == "[whole number, number] | null"
    assert options["names"]["type"] == "list of text"
    assert options["names"]["default"] == []


def test_it_expands_sections_with_the_defaults_of_section_and_fields(guess):
    options = {option["name"]: option for option in guess["options"]}
    assert options["inner"]["default"] == {"corner": "bottom", "inner": None}
    assert options["inner"]["doc"] == "Where to look."
    assert options["inner.corner"]["type"] == "top | bottom"
    assert options["inner.corner"]["default"] == "top"
    assert set(options) == {"seed", "inner", "inner.corner", "inner.inner", "size", "names"}


def test_text_shows_the_same_without_taking_brackets_for_markup(cli, guess):
    shown = cli("describe", "prior", "guess").stdout
    assert "Without looking [at anything]." in shown
    assert "of the guess, [whole]" in shown
    (seed,) = [line for line in shown.splitlines() if line.startswith("seed ")]
    assert re.search(r"whole number >= 0, < 10 +\(required\)", seed)
    assert all(character.isprintable() or character == "\n" for character in shown)


def test_a_learner_says_whether_it_uses_the_reward(cli):
    says = {
        name: json.loads(cli("describe", "order-learner", name, "--json").stdout)["says"]
        for name in ("reinforce", "softsort")
    }
    assert says == {"reinforce": {"uses the reward": "yes"}, "softsort": {"uses the reward": "no"}}


def test_temperature_schedules_are_expanded(cli):
    options = json.loads(cli("describe", "order-learner", "softsort", "--json").stdout)["options"]
    found = {option["name"]: option for option in options}
    assert found["temperature"]["default"]["shape"] == "exponential"
    assert found["temperature.shape"]["type"] == "constant | linear | exponential | triangular | plateau"
    assert found["temperature"]["doc"]


def test_a_backbone_says_what_it_needs_and_what_reaches_its_readout(cli):
    says = json.loads(cli("describe", "backbone", "vit", "--json").stdout)["says"]
    assert says["needs"] == "order"
    assert says["facts"].startswith("Blind to the order")
    assert says["reach"]
    assert "window 0" in json.loads(cli("describe", "backbone", "local", "--json").stdout)["says"]["facts"]
    says = json.loads(cli("describe", "backbone", "recurrent", "--json").stdout)["says"]
    assert says["needs"] == "only the patches"


def test_every_registered_component_can_be_described(cli):
    plugins = json.loads(cli("list-plugins", "--json").stdout)
    provided = [component.split() for plugin in plugins for component in plugin["provides"]]
    assert len(provided) >= 15
    for kind, name in provided:
        done = cli("describe", kind, name)
        assert done.exit_code == 0, (kind, name, done.output)
        assert done.stdout.startswith(f"{kind} {name}\n")


def test_a_kind_alone_is_described_with_its_components(cli, guess):
    kind = json.loads(cli("describe", "priors", "--json").stdout)
    assert kind["kind"] == "prior"
    assert kind["doc"] == Prior.__doc__.partition("\n")[0]
    listed = {"name": "guess", "doc": "Prefer what comes first.", "plugin": guess["plugin"], "deprecated": ""}
    assert listed in kind["components"]
    shown = cli("describe", "prior").stdout
    assert all(component["name"] in shown and component["doc"][:40] in shown for component in kind["components"])


@pytest.mark.parametrize("kind", ["order-learner", "order-learners", "order_learner", "order_learners"])
def test_a_kind_is_understood_in_any_spelling(cli, kind):
    assert cli("describe", kind, "reinforce").exit_code == 0


@pytest.mark.parametrize(
    ("kind", "name", "hint"),
    [("orderng", "row", "did you mean 'ordering'?"), ("ordering", "hilbrt", "did you mean 'hilbert'?")],
)
def test_an_unknown_kind_or_name_gets_a_suggestion(cli, kind, name, hint):
    done = cli("describe", kind, name)
    assert (done.exit_code, done.stdout) == (2, "")
    assert hint in done.stderr
