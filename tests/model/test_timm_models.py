"""timm models, one or more of each family: `wrap` and the printed lines are right, or refused by name."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.models.cait import Cait
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer
from torch import nn

import reorder_kit
from reorder_kit.cli._timm_lines import lines_for_model, lines_for_vit, named_model
from reorder_kit.errors import ReorderKitError
from reorder_kit.model.timm_reading import reading_of
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from timm_cases import (
    REFUSED,
    RIGHT,
    WITH_POSITIONS,
    Case,
    arrived,
    build,
    images_for,
    largest_difference,
    order_of,
    with_lines,
)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in RIGHT])
def test_wrapped_or_with_the_lines_a_model_reads_in_the_order_and_gives_what_it_gave(
    case: Case, tmp_path: Path
) -> None:
    model: Any = build(case)
    images = images_for(model)
    plain = arrived(model.blocks, model, images)
    patches = plain[0].shape[1] - case.prefix
    order = order_of(patches)
    reading = reading_of(model)
    assert (reading.name, reading.prefix) == (case.name, case.prefix)
    file, grid = tmp_path / "order.npy", reading.grid

    found = {"wrap": arrived(model.blocks, reorder_kit.wrap(model, order), images)}
    texts = {"its lines": lines_for_model(reading, "", file, patches).text}
    if isinstance(model, VisionTransformer):
        texts["lines of any ViT"] = lines_for_vit(file, grid, patches).text
    for name, text in texts.items():
        ours = with_lines(model, text, order, tmp_path)
        found[name] = arrived(ours.blocks, ours, images)
    for name, ours in found.items():
        assert largest_difference(ours, plain, order, case.prefix) < 1e-10, name
        assert not torch.equal(ours[0], plain[0])
    # The model itself is unchanged.
    torch.testing.assert_close(arrived(model.blocks, model, images), plain, rtol=0, atol=0)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in WITH_POSITIONS])
def test_rotary_positions_and_relative_biases_follow_the_patches(case: Case, tmp_path: Path) -> None:
    model: Any = build(case)
    images = images_for(model)
    plain = arrived(model.blocks, model, images)
    order = order_of(plain[0].shape[1] - case.prefix)
    wrapped = reorder_kit.wrap(model, order)
    assert wrapped.reading.prefix == case.prefix
    found = arrived(wrapped.model.blocks, wrapped, images)
    assert largest_difference(found, plain, order, case.prefix) < 1e-10
    assert not torch.equal(found[0], plain[0])
    # The model itself is unchanged, and the lines for a plain ViT would fail.
    torch.testing.assert_close(arrived(model.blocks, model, images), plain, rtol=0, atol=0)
    with pytest.raises((TypeError, AttributeError)):
        with_lines(model, lines_for_vit(tmp_path / "order.npy", wrapped.reading.grid, len(order)).text, order, tmp_path)
    with pytest.raises(ReorderKitError, match="must be reordered in every block") as caught:
        named_model(case.name, wrapped.reading.grid)
    assert "reorder_kit.wrap" in str(caught.value.hint)


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_that_cannot_is_refused_by_name_with_the_reason_and_the_lines_fail(name: str, tmp_path: Path) -> None:
    with torch.device("meta"):
        model = timm.create_model(name, pretrained=False)
    with pytest.raises(
        ReorderKitError, match=rf"{name} \(timm's \w+\) cannot read in another order: .*{REFUSED[name]}"
    ):
        reorder_kit.wrap(model, "spiral")
    sizes = getattr(getattr(model, "patch_embed", None), "grid_size", None) or (14, 14)
    patches = sizes[0] * sizes[1]
    text = lines_for_vit(tmp_path / "order.npy", Grid(*sizes), patches).text
    with pytest.raises((TypeError, AttributeError)):
        with_lines(model, text, list(range(patches)), tmp_path)


# What else could be wrong with a model


def small(**arguments: Any) -> VisionTransformer:
    given = {"img_size": (32, 48), "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2, "num_classes": 3}
    return VisionTransformer(**{**given, **arguments}).eval()


class Changed(VisionTransformer):
    def _pos_embed(self, x: torch.Tensor) -> torch.Tensor:
        return super()._pos_embed(x).flip(1)


class Renamed(VisionTransformer):
    pass


def rotary() -> VisionTransformer:
    model = small()
    model.blocks[1].attn.rope = nn.Identity()
    return model


def patched() -> VisionTransformer:
    model = small()
    model.forward_features = lambda images: images
    return model


def without_size() -> VisionTransformer:
    model = small()
    model.patch_embed.grid_size = None
    return model


@pytest.mark.parametrize(
    ("model", "message", "hint"),
    [
        (lambda: small(patch_drop_rate=0.5), "drops patches at random", "patch_drop_rate=0"),
        (lambda: small(global_pool="", class_token=False), "no readout", "global_pool='avg'"),
        (
            lambda: Changed(img_size=32, patch_size=8, embed_dim=16, depth=1, num_heads=2),
            "its _pos_embed",
            "order.apply",
        ),
        (patched, "its forward_features is not timm's", "order.apply"),
        (rotary, "positions that follow the slot", "vit_small_patch16_224"),
        (without_size, "without an image size", "img_size"),
        (lambda: nn.Linear(2, 2), "expected a timm model, got a Linear", "vit_small_patch16_224"),
        (lambda: nn.DataParallel(small()), "expected a timm model, got a DataParallel", ".module"),
        (
            lambda: reorder_kit.wrap(small(), "row"),
            "expected a timm model, got a TimmInOrder",
            "wrap the original model",
        ),
        (lambda: reorder_kit.wrap(small(), "row").model, "already has an order", "a new one"),
    ],
)
def test_what_cannot_be_wrapped_is_refused(model: Any, message: str, hint: str) -> None:
    with pytest.raises(ReorderKitError, match=message) as caught:
        reorder_kit.wrap(model(), "spiral")
    assert hint in str(caught.value.hint)


def test_a_subclass_that_changes_nothing_is_as_good() -> None:
    model = Renamed(img_size=16, patch_size=8, embed_dim=16, depth=1, num_heads=2)
    assert reading_of(model).grid == Grid(2, 2)


# What a wrapped model is


IMAGES = torch.randn(2, 3, 32, 48, generator=torch.Generator().manual_seed(1))


def test_state_mode_gradients_and_later_hooks_are_those_of_the_model() -> None:
    model = small(reg_tokens=1)
    wrapped = reorder_kit.wrap(model, "spiral")
    assert wrapped.model.state_dict().keys() == model.state_dict().keys()
    assert wrapped.state_dict().keys() == model.state_dict().keys()
    assert {id(each) for each in wrapped.parameters()} == {id(each) for each in model.parameters()}
    wrapped.train()
    assert all(module.training for module in model.blocks.modules())
    wrapped.eval()
    wrapped(IMAGES).square().sum().backward()
    ours = {name: each.grad for name, each in model.named_parameters()}
    model.zero_grad()
    model(IMAGES).square().sum().backward()
    theirs = {name: each.grad for name, each in model.named_parameters()}
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    seen: list[int] = []
    model.head.register_forward_hook(lambda *call: seen.append(1))
    wrapped(IMAGES)
    assert seen == [1]


@torch.no_grad()
@pytest.mark.parametrize("copied", [lambda model: model, copy.deepcopy])
def test_either_model_sets_the_mode_of_both(copied: Any) -> None:
    model, wrapped = copied((model := dropping(), reorder_kit.wrap(model, "spiral")))
    for one, mode in [(model, False), (wrapped, True), (wrapped.model, False), (model, True), (wrapped, False)]:
        one.train(mode)
        tokens = [wrapped.forward_features(IMAGES[:, :, :32, :32]) for _ in range(2)]
        assert torch.equal(*tokens) is not mode
        wrapped(IMAGES[:, :, :32, :32])
        inner = wrapped.model
        modes = {each.training for each in (model, model.pos_drop, inner, inner.pos_drop, inner.head_drop)}
        assert modes == {mode}


def dropping() -> nn.Module:
    return Cait(img_size=32, patch_size=8, embed_dim=16, depth=1, depth_token_only=1, num_heads=2, pos_drop_rate=0.5)


@torch.no_grad()
def test_a_distilled_model_gives_one_output_after_eval() -> None:
    model = VisionTransformerDistilled(img_size=16, patch_size=8, embed_dim=16, depth=1, num_heads=2)
    model.set_distilled_training(True)
    wrapped = reorder_kit.wrap(model.train(), "spiral")
    assert isinstance(wrapped(IMAGES[:, :, :16, :16]), tuple)
    model.eval()
    assert isinstance(wrapped(IMAGES[:, :, :16, :16]), torch.Tensor)


@torch.no_grad()
def test_a_model_is_wrapped_in_two_orders_and_each_keeps_its_own() -> None:
    model = small()
    tokens = [
        arrived(model.blocks, run, IMAGES)[0]
        for run in (model, reorder_kit.wrap(model, "row"), reorder_kit.wrap(model, "spiral"))
    ]
    assert torch.equal(tokens[0], tokens[1])
    spiral = reorder_kit.order("spiral", 4, 6).indices
    assert torch.equal(tokens[0][:, 1:][:, spiral], tokens[2][:, 1:])


@torch.no_grad()
@pytest.mark.parametrize("name", ["vit_tiny_r_s16_p8_224", "vitamin_small_224", "vit_base_mci_224", "test_vit"])
@torch.no_grad()
def test_patches_that_share_pixels_are_told_and_are_not_left_out(name: str) -> None:
    model: Any = timm.create_model(name, img_size=64, num_classes=3).eval()
    reading = reading_of(model)
    height, width = (64 // side for side in (reading.grid.height, reading.grid.width))
    images = torch.randn(1, 3, 64, 64)
    before, images[:, :, :height, :width] = model.patch_embed(images), torch.randn(3, height, width)
    changed = (model.patch_embed(images) != before).flatten(1, -2).any(dim=-1).sum()
    assert reading.overlaps == bool(changed > 1)
    half = Order(torch.arange(reading.grid.num_patches // 2), num_patches=reading.grid.num_patches)
    if reading.overlaps:
        with pytest.raises(ReorderKitError, match=f"{name} makes each patch from pixels of its neighbors"):
            reorder_kit.wrap(model, half)
    else:
        reorder_kit.wrap(model, half)


def test_a_partial_order_leaves_patches_out() -> None:
    model = small()
    order = reorder_kit.order("spiral", 4, 6).first(5)
    row, _ = arrived(model.blocks, model, IMAGES)
    kept, output = arrived(model.blocks, reorder_kit.wrap(model, order), IMAGES)
    assert torch.equal(kept, row[:, [0, *(1 + order.indices).tolist()]])
    expected = model.forward_head(model.norm(model.blocks(kept)))
    torch.testing.assert_close(output, expected)


@torch.no_grad()
def test_features_come_in_reading_order() -> None:
    model = small(reg_tokens=2)
    wrapped = reorder_kit.wrap(model, "spiral")
    order = wrapped.order.indices
    features, plain = wrapped.forward_features(IMAGES), model.forward_features(IMAGES)
    torch.testing.assert_close(features[:, 3:], plain[:, 3:][:, order], rtol=1e-4, atol=1e-5)
    restored = wrapped.order.to(features.device).restore(features[:, wrapped.reading.prefix :])
    torch.testing.assert_close(restored, plain[:, 3:], rtol=1e-4, atol=1e-5)
    with pytest.raises(ReorderKitError, match="maps of patches in reading order"):
        wrapped.model.get_intermediate_layers(IMAGES)
    assert len(model.get_intermediate_layers(IMAGES)) == 1


@torch.no_grad()
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_wrapped_model_can_be_copied_and_sent(copied: Any) -> None:
    wrapped = reorder_kit.wrap(small(), "spiral")
    again = copied(wrapped)
    assert torch.equal(again.forward_features(IMAGES), wrapped.forward_features(IMAGES))
    assert again.order == wrapped.order


@torch.no_grad()
def test_images_of_another_size_are_refused_where_timm_would_take_them() -> None:
    model = small(dynamic_img_size=True)
    wrapped = reorder_kit.wrap(model, "spiral")
    turned = IMAGES.transpose(2, 3)  # as many patches
    assert model(turned).shape == (2, 3)
    with pytest.raises(ReorderKitError, match="images of 32x48 pixels, was given images of 48x32"):
        wrapped(turned)
    with pytest.raises(ReorderKitError, match="images of 32x48 pixels, was given images of 48x32"):
        wrapped.forward_features(turned)


@torch.no_grad()
def test_a_model_that_drops_patches_after_it_was_wrapped_says_so() -> None:
    model = small()
    wrapped = reorder_kit.wrap(model, "spiral")
    wrapped.model.patch_drop = nn.Sequential(Halved())
    with pytest.raises(ReorderKitError, match="got 13 tokens, but the order was made for 25"):
        wrapped(IMAGES)


class Halved(nn.Module):
    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens[:, ::2]


@pytest.mark.slow
@torch.no_grad()
def test_a_wrapped_model_is_compiled_without_a_break() -> None:
    wrapped = reorder_kit.wrap(small(), "spiral")
    compiled = torch.compile(wrapped, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(IMAGES), wrapped(IMAGES))
    with pytest.raises(ReorderKitError, match="expected a timm model, got an OptimizedModule") as caught:
        reorder_kit.wrap(torch.compile(small(), backend="eager"), "spiral")
    assert "then compile it" in str(caught.value.hint)


# Lines


@torch.no_grad()
def test_lines_fail_on_a_second_run_another_grid_another_order_and_another_size(tmp_path: Path) -> None:
    text = lines_for_vit(tmp_path / "order.npy", Grid(4, 6), 24).text
    order = order_of(24)
    ours = with_lines(small(dynamic_img_size=True), text, order, tmp_path)
    with pytest.raises(TypeError, match="were already run"):
        exec(text, {"model": ours})
    with pytest.raises(ValueError, match=r"expected images of \(32, 48\) pixels, not \(2, 3, 48, 32\)"):
        ours(IMAGES.transpose(2, 3))
    with pytest.raises(ValueError, match=r"\(32, 48\)"):
        ours.forward_features(IMAGES.transpose(2, 3))
    with pytest.raises(TypeError, match="not callable"):
        ours.forward_intermediates(IMAGES)
    with pytest.raises(TypeError, match="another model"):
        with_lines(small(img_size=(48, 32)), text, order, tmp_path)
    with pytest.raises(TypeError, match="another model"):
        with_lines(small(), text, order[:6], tmp_path)
    dropping = with_lines(small(patch_drop_rate=0.5), text, order, tmp_path)
    dropping(IMAGES)  # it drops none outside of training
    with pytest.raises(ValueError, match="13 tokens do not fit 1 and a grid of"):
        dropping.train()(IMAGES)
