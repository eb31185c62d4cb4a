"""A wrapped timm model in timm code: its state, its classifier, its features."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import timm
import torch
from timm.layers import RelPosMlp
from timm.optim import create_optimizer_v2
from torch import nn

import reorder_kit
import tiny_timm  # noqa: F401 # timm knows its models by name
from reorder_kit.errors import ReorderKitError
from timm_cases import shaken

NAMES = ["little_vit", "little_eva", "little_mixed", "little_beit", "little_relpos", "little_cait"]
every_model = pytest.mark.parametrize("name", NAMES)


def build(name: str, seed: int = 0, **arguments: Any) -> Any:
    torch.manual_seed(seed)
    return shaken(timm.create_model(name, img_size=(8, 12), num_classes=3, **arguments))


def images() -> torch.Tensor:
    return torch.randn(2, 3, 8, 12, generator=torch.Generator().manual_seed(1))


@every_model
@torch.no_grad()
def test_checkpoints_of_timm_load_into_the_wrapped_model_and_back(name: str) -> None:
    model, wrapped = build(name), reorder_kit.wrap(build(name, seed=1), "spiral")
    state = model.state_dict()
    assert list(wrapped.state_dict()) == list(state)
    wrapped.load_state_dict(state)
    torch.testing.assert_close(wrapped(images()), model(images()), rtol=1e-4, atol=1e-5)
    again = build(name, seed=2)
    again.load_state_dict(wrapped.state_dict())
    assert torch.equal(again(images()), model(images()))
    # Also as a part of another module.
    inside = nn.Sequential(wrapped)
    assert set(inside.state_dict()) == {f"0.{key}" for key in state}
    other = nn.Sequential(reorder_kit.wrap(build(name, seed=3), "spiral"))
    other.load_state_dict(inside.state_dict())
    assert torch.equal(other(images()), inside(images()))
    with pytest.raises(RuntimeError, match="Missing key"):
        wrapped.load_state_dict({key: value for key, value in state.items() if key != "head.weight"})


@every_model
@torch.no_grad()
def test_a_new_classifier_reaches_both_models(name: str) -> None:
    model = build(name)
    wrapped = reorder_kit.wrap(model, "spiral")
    wrapped.reset_classifier(7)
    assert (wrapped.num_classes, model.num_classes, wrapped.num_features) == (7, 7, 16)
    assert wrapped.get_classifier() is model.get_classifier()
    assert wrapped(images()).shape == (2, 7)
    torch.testing.assert_close(wrapped(images()), model(images()), rtol=1e-4, atol=1e-5)
    wrapped.reset_classifier(0, "avg")
    assert (wrapped.model.global_pool, model.global_pool) == ("avg", "avg")
    features = wrapped.forward_head(wrapped.forward_features(images()), pre_logits=True)
    assert torch.equal(features, wrapped(images()))
    torch.testing.assert_close(features, model(images()), rtol=1e-4, atol=1e-5)


@every_model
@torch.no_grad()
def test_features_come_in_reading_order_and_a_partial_order_leaves_patches_out(name: str) -> None:
    model = build(name)
    order = reorder_kit.order("spiral", 2, 3)
    wrapped = reorder_kit.wrap(model, order)
    prefix = 1 if name == "little_cait" else wrapped.reading.prefix
    plain = model.forward_features(images())
    found = wrapped.forward_features(images())
    torch.testing.assert_close(found[:, prefix:], plain[:, prefix:][:, order.indices], rtol=1e-4, atol=1e-5)
    few = reorder_kit.wrap(model, order.first(4)).forward_features(images())
    assert few.shape[1] == prefix + 4
    assert bool(few.isfinite().all())


@every_model
def test_it_is_not_wrapped_twice(name: str) -> None:
    with pytest.raises(ReorderKitError, match="already has an order"):
        reorder_kit.wrap(reorder_kit.wrap(build(name), "row").model, "spiral")


@every_model
@torch.no_grad()
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_it_can_be_copied_sent_and_moved_and_follows_the_mode(name: str, copied: Any) -> None:
    model, wrapped = copied((model := build(name), reorder_kit.wrap(model, "spiral")))
    never_called = (nn.Sequential, nn.ModuleList, RelPosMlp)  # the last one's bias is that of the given model
    wrapped.double()
    expected = model(images().double())
    torch.testing.assert_close(wrapped(images().double()), expected)
    model.float()
    torch.testing.assert_close(wrapped(images()), model(images()), rtol=1e-4, atol=1e-5)
    for one, mode in [(model, True), (wrapped, False), (wrapped, True), (model, False)]:
        one.train(mode)
        wrapped(images())
        assert wrapped.training is mode
        called = [each for each in wrapped.model.modules() if not isinstance(each, never_called)]
        assert {each.training for each in called} == {mode}


@every_model
@pytest.mark.parametrize("settings", [{}, {"layer_decay": 0.7}], ids=["decay", "layer decay"])
def test_timm_gives_parameters_the_same_decay_and_step_size_as_those_of_the_plain_model(
    name: str, settings: dict[str, float]
) -> None:
    model = build(name)

    def groups(one: nn.Module) -> dict[int, tuple[float, float]]:
        optimizer = create_optimizer_v2(one, opt="adamw", lr=1e-3, weight_decay=0.05, **settings)
        found = [(group, each) for group in optimizer.param_groups for each in group["params"]]
        return {id(each): (group["weight_decay"], group.get("lr_scale", 1.0)) for group, each in found}

    expected = groups(model)
    assert len(set(expected.values())) > (3 if settings else 1)
    assert groups(reorder_kit.wrap(model, "spiral")) == expected


@every_model
@torch.no_grad()
def test_the_given_model_may_be_moved_alone(name: str) -> None:
    model = build(name)
    wrapped = reorder_kit.wrap(model, "spiral")
    model.to("meta")
    assert wrapped(images().to("meta")).shape == (2, 3)


@every_model
def test_blocks_of_both_models_can_be_computed_again(name: str) -> None:
    model = build(name)
    wrapped = reorder_kit.wrap(model, "spiral")
    wrapped.set_grad_checkpointing()
    assert model.grad_checkpointing
    assert wrapped.model.grad_checkpointing
    assert wrapped.embed_dim == 16
    torch.manual_seed(4)  # relative biases have dropout
    wrapped.train()(images()).square().sum().backward()
    found = [each.grad for each in model.parameters()]
    model.zero_grad()
    wrapped.set_grad_checkpointing(False)
    torch.manual_seed(4)
    wrapped(images()).square().sum().backward()
    torch.testing.assert_close(found, [each.grad for each in model.parameters()])
