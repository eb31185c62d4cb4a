"""Components as options of others: looked up, checked, shown, and built."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import Field, ValidationError

from reorder_kit.cli._description import describe_component
from reorder_kit.errors import RecipeError, ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.recipe_schema import recipe_schema
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import (
    CLASS,
    ComponentOptions,
    ImageShape,
    LearnerContext,
    Ordering,
    OrderingOptions,
    OrderLearner,
    Part,
    Tokenizer,
)
from reorder_kit.interfaces.part import kind_of
from reorder_kit.model.fixed_policies import FixedOrder
from reorder_kit.orderings.hilbert import Hilbert
from reorder_kit.orderings.random import Random
from reorder_kit.orderings.row import Row
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.testing import host_with
from reorder_kit.tokenizers.pixels import Pixels


class Backward(Ordering):
    """Another ordering, backward."""

    name = "backward"

    class Options(OrderingOptions):
        of: Part[Ordering] = Field("row", description="the ordering")

    def cells(self, height, width):
        walk = self.options.of.build().order(Grid(height, width)).indices.tolist()
        return [divmod(patch, width) for patch in reversed(walk)]


class Path(OrderLearner):
    """Moves from the start through some orders to a last one."""

    name = "path"
    uses_reward = False
    is_rule = True

    class Options(ComponentOptions):
        through: list[Part[Ordering]] = Field([Part.of(Hilbert)], description="stations")
        last: Part[Ordering] | None = Field(None, description="the end; null: the start")
        teacher: Part[OrderLearner] | None = Field(None, description="whom to follow")

    def build_policy(self, context):
        return FixedOrder(self.options.through[-1].build().order(context.grid))


@pytest.fixture
def host():
    return host_with(Backward, Path)


def recipe(**learner):
    return {
        "format_version": 1,
        "name": "trial",
        "data": "digits",
        "backbone": {"name": "local", "patch_size": 2},
        "order": {"learner": {"name": "path", **learner}},
    }


def problems(host, **learner):
    with pytest.raises(RecipeError) as caught:
        compose(recipe(**learner), host, "trial")
    return list(map(str, caught.value.problems))


# In Python


def test_a_part_is_built_with_its_options_and_what_else_its_kind_takes():
    assert Part(Row, Row.Options()).build().order(Grid(2, 2)) == Order.identity(4)
    assert Part.of(Row, reverse=True).build().order(Grid(1, 3)).indices.tolist() == [2, 1, 0]
    tokenizer = Part.of(Pixels, levels=3).build(ImageShape(1, 2, 4), Grid(1, 2))
    assert (tokenizer.vocabulary, tokenizer.tile) == (3, (1, 2, 2))


def test_parts_are_values():
    part, same, other = Part.of(Random, seed=3), Part.of(Random, seed=3), Part.of(Random, seed=4)
    assert part == same != other
    assert hash(part) == hash(same)
    assert part != Part.of(Row)
    assert Part.named("random", seed=3) == Part.named("random", seed=3) != Part.named("random", seed=4)
    assert hash(Part.named("random", seed=3)) == hash(Part.named("random", seed=3))
    with pytest.raises(AttributeError):
        part.options = other.options
    for again in (copy.deepcopy(part), pickle.loads(pickle.dumps(part))):
        assert again == part
        assert again.build().order(Grid(3, 3)) == part.build().order(Grid(3, 3))


def test_options_with_parts_are_values_too():
    options = Backward.Options(of=Part.of(Random, seed=3))
    assert options == Backward.Options(of=Part.of(Random, seed=3)) != Backward.Options()
    assert len({options, copy.deepcopy(options), pickle.loads(pickle.dumps(options))}) == 1


def test_without_a_host_a_name_stays_a_name_and_says_so_when_it_is_built():
    for options in (Backward.Options(), Backward.Options(of={"name": "row", "reverse": True})):
        assert options.of.name == "row"
        with pytest.raises(ReorderKitError, match="'row' is only a name, which no plugin host has looked up") as caught:
            Backward(options).order(Grid(2, 2))
        assert "Part.of(" in caught.value.hint
    assert Backward.Options(of={"name": "row", "reverse": True}).model_dump()["of"] == {"name": "row", "reverse": True}


def test_a_part_of_another_kind_is_refused(host):
    for context in (None, {"host": host}):
        with pytest.raises(ValidationError, match="pixels is no ordering"):
            Backward.Options.model_validate({"of": Part.of(Pixels)}, context=context)


@pytest.mark.parametrize("default", ["spiral", Part.named("spiral"), {"name": "spiral"}])
def test_a_default_is_looked_up_like_any_other(host, default):
    class Options(ComponentOptions):
        rule: Part[Ordering] = default
        rules: tuple[Part[Ordering], ...] = (default,)

    options = Options.model_validate({}, context={"host": host})
    spiral = host.orderings.get("spiral")
    assert options.rule == options.rules[0] == Part.of(spiral)
    Options.model_json_schema()


def test_every_interface_has_a_registry_whose_kind_it_names(host):
    for registry in host.registries.values():
        assert host.registry_of(registry.interface) is registry
        assert kind_of(registry.interface) == registry.kind.name
    with pytest.raises(TypeError, match=r"write Part\[Ordering\]"):
        host.registry_of(Row)


# In recipes


def test_a_learner_gets_its_parts(host):
    stations = ["spiral", {"name": "backward", "of": {"name": "random", "seed": 3}}]
    learner = compose(recipe(through=stations), host, "trial").learner
    grid = Grid(2, 3)
    policy = learner.build_policy(LearnerContext(Order.identity(6), grid, 4, 1, CLASS, ["one"]))
    assert policy.best_order().indices.tolist() == Random(Random.Options(seed=3)).order(grid).indices.tolist()[::-1]
    assert learner.options.last is None


def test_the_resolved_recipe_holds_every_option_of_every_part_and_composes_to_itself(host):
    stations = ["spiral", {"name": "backward", "of": {"name": "random", "seed": 3}}]
    first = compose(recipe(through=stations, teacher="softsort"), host, "trial").resolved()
    usual = {"transpose": False, "flip": "none", "reverse": False}
    assert first["order"]["learner"]["through"] == [
        {"name": "spiral", **usual},
        {"name": "backward", **usual, "of": {"name": "random", **usual, "seed": 3}},
    ]
    assert first["order"]["learner"]["last"] is None
    assert first["order"]["learner"]["teacher"]["temperature"].keys() == {"shape", "initial", "final"}
    assert compose(yaml.safe_load(yaml.safe_dump(first)), host, "resolved").resolved() == first
    defaults = compose(recipe(), host, "trial").resolved()["order"]["learner"]
    assert defaults["through"] == [{"name": "hilbert", **usual}]


def test_the_usual_part_of_an_ordering_is_looked_up_where_it_is_a_candidate_or_asked_for_by_name(host):
    content = recipe() | {"order": {"start": {"prior": "lzma"}}}
    backward = compose(content, host, "trial").start.orders(Grid(1, 3))["backward"]
    assert backward.indices.tolist() == [2, 1, 0]


def test_mistakes_in_parts_are_all_listed_with_their_paths(host):
    through = [
        "rwo",
        {"name": "random", "sed": 3},
        {"name": "backward", "of": {"name": "backward", "of": {"name": "hilbert", "revers": True}}},
        {"name": "backward", "of": "hilbrt"},
        {"seed": 3},
        7,
    ]
    found = problems(host, through=through, last={"name": "random", "seed": "x"}, teacher="sofsort")
    path = "order.learner"
    assert found == [
        f"{path}.through.0.name: there is no ordering 'rwo' (did you mean 'row'?)",
        f"{path}.through.1.sed: there is no such field (did you mean 'seed'?)",
        f"{path}.through.2.of.of.revers: there is no such field (did you mean 'reverse'?)",
        f"{path}.through.3.of.name: there is no ordering 'hilbrt' (did you mean 'hilbert'?)",
        f"{path}.through.4.name: is missing",
        f"{path}.through.5: must be a mapping of fields, not 7",
        f"{path}.last.seed: input should be a valid integer, not 'x'",
        f"{path}.teacher.name: there is no order-learner 'sofsort' (did you mean 'softsort'?)",
    ]


def test_a_default_that_is_blocked_is_missed_by_name():
    host = PluginHost(third_party=False, blocked=["tokenizers.pixels"])
    with pytest.raises(RecipeError, match=r"order\.start\.prior\.tokenizer\.name: there is no tokenizer 'pixels'"):
        compose(recipe() | {"order": {"start": {"prior": "lzma"}}}, host, "trial")


# Shown


def test_describe_names_the_kind_and_says_how_to_write_it(host):
    options = {row["name"]: row for row in describe_component(host.order_learners, "path")["options"]}
    assert options["through"]["type"] == "list of ordering"
    assert options["last"]["type"] == "ordering | null"
    assert options["teacher"]["hint"] == "an order-learner by name, or a mapping with its name and options"
    assert options["through"]["default"][0]["name"] == "hilbert"
    (of,) = [row for row in describe_component(host.orderings, "backward")["options"] if row["name"] == "of"]
    assert (of["type"], of["default"]) == ("ordering", "row")
    assert "hint" not in options.get("seed", {})


@pytest.mark.parametrize(
    ("learner", "is_right"),
    [
        ({}, True),
        ({"through": ["row", {"name": "random", "seed": 3}]}, True),
        ({"through": [{"name": "backward", "of": {"name": "backward", "of": "spiral"}}]}, True),
        ({"last": None, "teacher": {"name": "path", "teacher": {"name": "softsort", "lr": 0.1}}}, True),
        ({"last": {"name": "custom", "file": "order.json"}}, True),
        ({"through": ["rwo"]}, False),
        ({"through": "row"}, False),
        ({"through": ["custom"]}, False),
        ({"through": [{"name": "random", "sed": 3}]}, False),
        ({"through": [{"name": "backward", "of": {"name": "backward", "of": "spirl"}}]}, False),
        ({"teacher": "row"}, False),
    ],
)
def test_the_schema_accepts_what_compose_accepts_and_refuses_the_rest(host, learner, is_right):
    schema = recipe_schema(host)
    Draft202012Validator.check_schema(schema)
    assert "x-reorder-kit-part" not in json.dumps(schema)
    assert Draft202012Validator(schema).is_valid(recipe(**learner)) == is_right
    if is_right:
        compose(recipe(**learner), host, "trial")
    else:
        assert problems(host, **learner)


def test_a_kind_without_components_matches_nothing():
    host = PluginHost(third_party=False, blocked=["tokenizers.pixels", "tokenizers.vq_vae"])
    schema = recipe_schema(host)
    assert not len(host.registry_of(Tokenizer))
    Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schema).is_valid(recipe() | {"order": {"start": "row"}})
    prior = {"name": "lzma", "tokenizer": "pixels"}
    assert not Draft202012Validator(schema).is_valid(recipe() | {"order": {"start": {"prior": prior}}})
