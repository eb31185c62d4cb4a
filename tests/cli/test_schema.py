"""`reorder-kit schema`: it accepts what compose accepts and refuses what compose refuses."""

from __future__ import annotations

import json

import pytest
import yaml
from jsonschema import Draft202012Validator

from reorder_kit.errors import RecipeError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.recipe_schema import recipe_schema
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.recipe.library import recipe_names, recipes_folder
from reorder_kit.recipe.overrides import override, parse_assignment

RECIPE = {
    "format_version": 1,
    "name": "trial",
    "data": {"name": "digits"},
    "backbone": {"name": "local", "patch_size": 2},
    "order": {"learner": {"name": "softsort"}},
}


@pytest.fixture(scope="module")
def host():
    return PluginHost(third_party=False)


@pytest.fixture(scope="module")
def validator(host):
    return Draft202012Validator(recipe_schema(host))


def test_the_command_prints_a_schema(cli, host):
    schema = json.loads(cli("schema").stdout)
    Draft202012Validator.check_schema(schema)
    names = [choice["properties"]["name"]["const"] for choice in schema["properties"]["data"]["oneOf"][:-1]]
    assert {"digits", "image-folder", "torchvision"} <= set(names)


def test_every_reference_leads_somewhere(host):
    schema = recipe_schema(host)
    references = [part.partition('"')[0] for part in json.dumps(schema).split('"$ref": "#/$defs/')[1:]]
    assert references
    assert set(references) <= schema["$defs"].keys()


@pytest.mark.parametrize("name", recipe_names())
def test_it_accepts_every_shipped_recipe(validator, name):
    validator.validate(yaml.safe_load((recipes_folder() / f"{name}.yaml").read_text()))


@pytest.mark.parametrize(
    "assignment",
    [
        "seed=7",
        "data=digits",
        "data={name: digits, batch_size: 10, workers: 2, validation_images: 50}",
        "data={name: image-folder, root: photos}",
        "data={name: planted-chain, grid: [8, 8]}",
        "data.plant={order: random, seed: 3}",
        "data.plant={order: custom, file: order.json}",
        "data.plant=null",
        "backbone.window=5",
        "backbone.patch_size=[2, 4]",
        "order.start=hilbert",
        "order.start={name: hilbert, reverse: true}",
        "order.start={file: order.json}",
        "order.start={name: custom, file: order.json, flip: both}",
        "order.start={prior: {name: lzma, tokens: bigram, tokenizer: {name: pixels, levels: 8}}}",
        "order.start={prior: {name: zstd, tokenizer: pixels}}",
        "order.start={prior: {name: zstd, tokenizer: {name: vq-vae, file: vq.safetensors}}}",
        "order.learner=null",
        "order.learner=reinforce",
        "order.learner.temperature={shape: constant, peak: 0.5}",
        "controls=[fixed-start, random-fixed]",
        "train.ema_decay=null",
    ],
)
def test_it_accepts_what_compose_accepts(host, validator, assignment):
    content = override(RECIPE, [parse_assignment(assignment)])
    compose(content, host, "trial")
    validator.validate(content)


@pytest.mark.parametrize(
    "assignment",
    [
        "format_version=2",
        "nme=trial",
        "name=two words",
        "seed=-1",
        "data=digit",
        "data.validation_images=0",
        "data=image-folder",
        "data.batch_size=0",
        "data.plant=random",
        "data.plant={seed: 3}",
        "data.plant={order: randm}",
        "data.plant={order: random, sed: 3}",
        "data.plant={order: custom}",
        "backbone.windw=5",
        "backbone.causal=perhaps",
        "order.start=hilbrt",
        "order.start=custom",
        "order.start={name: hilbert, file: order.json}",
        "order.start.revers=true",
        "order.start={prior: {name: lzma, levels: 8}}",
        "order.start={prior: {name: lzma, tokenizer: pixel}}",
        "order.start={prior: {name: lzma, tokenizer: vq-vae}}",
        "order.start={prior: {name: lzma, tokenizer: {name: pixels, levels: 1}}}",
        "order.learner.temperature.shape=round",
        "order.learner.baseline=ema",
        "order.control=some",
        "controls=[fixed-strt]",
        "train.epochs=0",
        "optimizer.lr=0",
    ],
)
def test_it_refuses_what_compose_refuses(host, validator, assignment):
    content = override(RECIPE, [parse_assignment(assignment)])
    with pytest.raises(RecipeError):
        compose(content, host, "trial")
    assert not validator.is_valid(content)


@pytest.mark.parametrize("section", ["format_version", "name", "data", "backbone"])
def test_it_refuses_a_recipe_without_a_section_it_needs(validator, section):
    assert not validator.is_valid({key: value for key, value in RECIPE.items() if key != section})


PLUGIN = """
import torch
from pydantic import ConfigDict, Field
from reorder_kit import hookimpl
from reorder_kit.interfaces import ComponentOptions, Ordering, OrderingOptions, ScoringPrior

class Knight(Ordering):
    name = "knight"

    class Options(OrderingOptions):
        leap: int = Field(2, ge=1, description="cells")

    def cells(self, height, width):
        return ((row, column) for row in range(height) for column in range(width))

class Smooth(ScoringPrior):
    name = "smooth"

    class Options(ComponentOptions):
        model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
        kernel: torch.Tensor | None = Field(None, description="a type without a schema")

    def score(self, patches, orders):
        return dict.fromkeys(orders, 0.0)

@hookimpl
def register_orderings():
    return [Knight]

@hookimpl
def register_priors():
    return [Smooth]
"""


def test_options_of_installed_plugins_are_in_it(cli, install):
    install("knight-dist", {"knight": "knight_plugin"}, {"knight_plugin": PLUGIN})
    validator = Draft202012Validator(json.loads(cli("schema").stdout))
    accepts = {
        start: validator.is_valid(override(RECIPE, [parse_assignment(f"order.start={start}")]))
        for start in (
            "knight",
            "{name: knight, leap: 3}",
            "{name: knight, leap: 0}",
            "{name: knight, leep: 3}",
            "{prior: smooth}",
            "{prior: {name: smooth}}",
            "{prior: smoth}",
        )
    }
    assert list(accepts.values()) == [True, True, False, False, True, True, False]
