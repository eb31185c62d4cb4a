"""The functions of the package: run, order, wrap."""

from __future__ import annotations

import json

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

import reorder_kit
from reorder_kit import Order
from reorder_kit.errors import RecipeError, ReorderKitError
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import Batch

SMALL = {
    "format_version": 1,
    "name": "small",
    "data": {"name": "digits", "batch_size": 300},
    "backbone": {"name": "local", "patch_size": 4, "dim": 8, "depth": 1},
    "order": {"start": "column", "learner": "softsort"},
    "train": {"epochs": 2, "device": "cpu"},
}


@pytest.fixture(scope="module")
def host():
    return PluginHost(third_party=False)


# run


@pytest.fixture(scope="module")
def finished(host, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "small"
    return folder, reorder_kit.run(SMALL, {"train.epochs": 1, "order.learner": None}, out=folder, host=host).as_dict()


def test_run_returns_what_it_wrote(finished):
    folder, result = finished
    assert result == json.loads((folder / "result.json").read_text())
    assert 0 <= result["metrics"]["test"]["top1"] <= 1


def test_run_obeys_its_overrides(finished):
    folder, result = finished
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 1
    assert result["order"]["start"] == result["order"]["final"] == [0, 2, 1, 3]


def test_run_leaves_the_recipe_it_was_given_alone(finished):
    assert SMALL["train"] == {"epochs": 2, "device": "cpu"}
    assert SMALL["order"] == {"start": "column", "learner": "softsort"}


def test_run_takes_a_file(host, tmp_path):
    (tmp_path / "small.yaml").write_text(json.dumps(SMALL))
    result = reorder_kit.run(
        tmp_path / "small.yaml", {"train.epochs": 1}, out=str(tmp_path / "out"), host=host
    ).as_dict()
    assert result["name"] == "small"


def test_run_of_a_finished_run_that_is_resumed_gives_its_result(finished, host):
    folder, result = finished
    assert (
        reorder_kit.run(SMALL, {"train.epochs": 1, "order.learner": None}, folder, resume=True, host=host).as_dict()
        == result
    )


def test_a_run_can_be_loaded_as_a_model(finished, host):
    folder, _ = finished
    model = reorder_kit.load_run(folder, host).model
    assert model(Batch(torch.zeros(3, 1, 8, 8))).outputs.shape == (3, 10)
    assert model.policy.best_order() == Order([0, 2, 1, 3])


def test_run_lists_the_mistakes_of_a_recipe(host, tmp_path):
    with pytest.raises(RecipeError, match="recipe: 2 mistakes"):
        reorder_kit.run(SMALL, {"train.epoch": 1, "backbone.dim": 7}, out=tmp_path / "out", host=host)
    assert not (tmp_path / "out").exists()


def test_run_of_an_unknown_recipe_names_a_close_one(host):
    with pytest.raises(ReorderKitError, match="quickstar: neither a file") as caught:
        reorder_kit.run("quickstar", host=host)
    assert caught.value.hint == "did you mean 'quickstart'?"


# order


def test_order_gives_the_order_of_a_grid(host):
    assert reorder_kit.order("column", 2, 3, host=host).indices.tolist() == [0, 3, 1, 4, 2, 5]
    assert reorder_kit.order("column", 2, 3, host=host, reverse=True).indices.tolist() == [5, 2, 4, 1, 3, 0]


def test_order_asks_the_installed_plugins_by_default(monkeypatch):
    monkeypatch.setenv("REORDER_KIT_BLOCK", "orderings.spiral")
    assert reorder_kit.order("row", 1, 2).indices.tolist() == [0, 1]
    with pytest.raises(ReorderKitError, match="there is no ordering 'spiral'"):
        reorder_kit.order("spiral", 1, 2)


def test_order_refuses_an_unknown_option_with_a_suggestion(host):
    with pytest.raises(RecipeError, match=r"(?s)ordering 'row': 1 mistake.*reversed: .*did you mean 'reverse'\?"):
        reorder_kit.order("row", 2, 2, host=host, reversed=True)


# wrap


@pytest.fixture
def timm_model():
    torch.manual_seed(0)
    model = VisionTransformer(
        img_size=(24, 32), patch_size=8, embed_dim=24, depth=3, num_heads=2, num_classes=5, reg_tokens=2
    )
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


IMAGES = torch.randn(4, 3, 24, 32, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_wrapped_in_row_order_the_outputs_are_those_of_timm(timm_model):
    torch.testing.assert_close(reorder_kit.wrap(timm_model, "row")(IMAGES), timm_model(IMAGES), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("order", ["hilbert", "random", Order([5, 3, 11, 0, 7, 1, 9, 2, 10, 4, 8, 6])])
@torch.no_grad()
def test_wrapped_in_any_order_the_outputs_are_those_of_timm(timm_model, order):
    torch.testing.assert_close(reorder_kit.wrap(timm_model, order)(IMAGES), timm_model(IMAGES), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_order_arrives_at_the_first_block(timm_model):
    order = Order([5, 3, 11, 0, 7, 1, 9, 2, 10, 4, 8, 6])
    arrived = []
    timm_model.blocks[0].register_forward_pre_hook(lambda block, inputs: arrived.append(inputs[0]))
    timm_model(IMAGES)
    reorder_kit.wrap(timm_model, order)(IMAGES)
    in_row, in_order = arrived

    prefix = timm_model.num_prefix_tokens
    assert prefix == 3
    torch.testing.assert_close(in_order[:, :prefix], in_row[:, :prefix])
    for slot, patch in enumerate(order.indices.tolist()):
        torch.testing.assert_close(in_order[:, prefix + slot], in_row[:, prefix + patch])
    assert not torch.allclose(in_order, in_row)


def test_a_wrapped_model_shares_its_weights_and_counts_each_once(timm_model):
    wrapped = reorder_kit.wrap(timm_model, "spiral")
    mine = {id(parameter) for parameter in wrapped.parameters()}
    assert mine == {id(parameter) for parameter in timm_model.parameters()}

    wrapped(IMAGES).sum().backward()
    assert timm_model.head.weight.grad is not None
    assert timm_model.patch_embed.proj.weight.grad is not None


@pytest.mark.parametrize("pool", ["avg", "token"])
@torch.no_grad()
def test_both_readouts_are_timms(pool):
    torch.manual_seed(0)
    model = VisionTransformer(
        img_size=16, patch_size=8, embed_dim=24, depth=2, num_heads=2, num_classes=5, global_pool=pool
    ).eval()
    torch.testing.assert_close(
        reorder_kit.wrap(model, "column")(IMAGES[:, :, :16, :16]), model(IMAGES[:, :, :16, :16]), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (Order.identity(16), "an order of 16 patches does not fit the 3x4 grid"),
        (reorder_kit.order("row", 4, 3), "the order is for a 4x3 grid, not 3x4"),
        (list(range(16)), "outside 0..11; VisionTransformer has a 3x4 grid"),
        (Order([list(range(12)), list(range(12))]), "has an order for each image"),
        ("hilbrt", "hilbrt is not an ordering"),
    ],
)
def test_an_order_that_does_not_fit_the_model_is_refused(timm_model, order, message):
    with pytest.raises(ReorderKitError, match=message):
        reorder_kit.wrap(timm_model, order)


def test_a_run_its_file_and_its_numbers_are_one_order_for_wrap(finished):
    folder, _ = finished
    model = VisionTransformer(img_size=16, patch_size=8, embed_dim=24, depth=1, num_heads=2)
    for source in (
        folder,
        str(folder),
        reorder_kit.load_run(folder),
        folder / "order.json",
        torch.tensor([0, 2, 1, 3]),
    ):
        assert reorder_kit.wrap(model, source).order == Order([0, 2, 1, 3])
