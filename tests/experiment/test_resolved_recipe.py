"""A recipe with every default written out."""

from __future__ import annotations

import pytest
import yaml

from compose_cases import host_of_cases, recipe
from reorder_kit.experiment.compose import compose


@pytest.fixture
def host():
    return host_of_cases()


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"start": {"name": "random", "seed": 3}, "learner": "softsort"},
        {
            "start": {"prior": "bright-last"},
            "learner": {"name": "reinforce", "temperature": {"shape": "linear", "final": 0.1}},
        },
        {"start": {"prior": {"name": "lzma", "tokenizer": {"name": "vq-vae", "file": "vq.safetensors"}}}},
        {"start": {"file": "order.json"}, "control": "random-per-batch"},
    ],
)
def test_a_resolved_recipe_composes_to_itself(host, order):
    first = compose(recipe(order=order, backbone={"name": "vit", "size": "tiny", "patch_size": [2, 4]}), host, "trial")
    again = compose(first.resolved(), host, "resolved")
    assert again.resolved() == first.resolved()
    assert again.recipe.order.control == first.recipe.order.control


def test_a_resolved_recipe_writes_out_every_default(host):
    content = compose(recipe(order={"learner": "softsort"}), host, "trial").resolved()
    assert content["backbone"]["window"] == 2
    defaults = {"batch_size": 64, "workers": 0, "plant": None, "shuffle_targets": False, "validation_images": 100}
    assert content["data"] == {"name": "digits", **defaults}
    assert content["order"]["start"] == {"name": "row", "transpose": False, "flip": "none", "reverse": False}
    assert content["order"]["learner"]["temperature"].keys() == {"shape", "initial", "final"}
    assert content["optimizer"]["betas"] == [0.9, 0.999]
    assert content["train"]["epochs"] == 10


def test_a_resolved_recipe_is_plain_data(host):
    content = compose(recipe(order={"start": {"file": "order.json"}}), host, "trial").resolved()
    assert yaml.safe_load(yaml.safe_dump(content)) == content
