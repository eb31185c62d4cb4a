"""timm models as a backbone against timm's own forward pass."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import ParallelScalingBlock, VisionTransformer
from torch import Tensor, nn

from reorder_kit.backbones.timm import Timm
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Grid, ImageShape, Order, PatchSequence

IMAGE = ImageShape(3, 16, 24)
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "registers": {"reg_tokens": 4},
    "positions on patches alone": {"no_embed_class": True, "reg_tokens": 2},
    "average without CLS": {"class_token": False, "global_pool": "avg"},
    "average beside CLS": {"global_pool": "avg", "reg_tokens": 1},
    "average with the norm before": {"global_pool": "avg", "fc_norm": False},
    "average of all tokens": {"global_pool": "avg", "pool_include_prefix": True},
    "maximum": {"global_pool": "max"},
    "attention pooling": {"global_pool": "map", "class_token": False},
    "norm before the blocks": {"pre_norm": True},
    "no final norm": {"final_norm": False},
    "layer scale and query norm": {"init_values": 0.5, "qk_norm": True},
    "no positions": {"pos_embed": "none"},
    "any image size": {"dynamic_img_size": True},
    "parallel blocks": {"block_fn": ParallelScalingBlock},
    "oblong patches": {"patch_size": (8, 3)},
}
every_variant = pytest.mark.parametrize("variant", VARIANTS)


def timm_model(variant: str) -> VisionTransformer:
    torch.manual_seed(0)
    arguments = {"patch_size": 4, "embed_dim": 16, "depth": 3, "num_heads": 2, "num_classes": 5} | VARIANTS[variant]
    model = VisionTransformer(img_size=(16, 24), **arguments)
    return shaken(model)


def shaken(model: nn.Module) -> Any:
    """Far from timm's initial values, with nearly zero CLS and register tokens and trivial norms."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


def images() -> Tensor:
    return torch.randn(2, 3, 16, 24, generator=torch.Generator().manual_seed(1))


def own_forward(model: VisionTransformer, batch: Tensor) -> Tensor:
    features: Tensor = model.forward_head(model.forward_features(batch), pre_logits=True)
    return features


def ours(vit: Timm, batch: Tensor, order: Order | None = None) -> Tensor:
    sequence = vit.tokenize(batch)
    patches = sequence.patches if order is None else order.apply(sequence.patches)
    return vit.summarize(vit.encode(sequence.with_patches(patches)))


def check_parity(vit: Timm, model: VisionTransformer, batch: Tensor) -> None:
    torch.testing.assert_close(ours(vit, batch), own_forward(model, batch), rtol=0, atol=1e-6)
    for seed in range(3):
        order = Order(torch.randperm(vit.grid.num_patches, generator=torch.Generator().manual_seed(seed)))
        torch.testing.assert_close(ours(vit, batch, order), own_forward(model, batch), rtol=0, atol=1e-5)


@every_variant
def test_row_order_is_timms_own_output_and_other_orders_do_not_change_it(variant: str) -> None:
    model = timm_model(variant)
    check_parity(Timm.from_timm(model), model, images())


def test_a_distilled_model_too() -> None:
    model = shaken(VisionTransformerDistilled(img_size=(16, 24), patch_size=4, embed_dim=16, depth=2, num_heads=2))
    check_parity(Timm.from_timm(model), model, images())


def test_training_mode_drops_what_timm_drops() -> None:
    model = timm_model("plain").train()
    model.head_drop.p = 0.5
    vit = Timm.from_timm(model)
    torch.manual_seed(3)
    expected = own_forward(model, images())
    torch.manual_seed(3)
    assert torch.equal(ours(vit, images()) == 0, expected == 0)


@pytest.mark.parametrize("variant", ["plain", "registers", "average beside CLS", "average without CLS"])
def test_gradients_are_timms_own(variant: str) -> None:
    model = timm_model(variant)
    batch = images()
    ours(Timm.from_timm(model), batch).square().sum().backward()
    gradients = {name: value.grad for name, value in model.named_parameters() if value.grad is not None}
    model.zero_grad()
    own_forward(model, batch).square().sum().backward()
    expected = {name: value.grad for name, value in model.named_parameters() if value.grad is not None}
    assert gradients.keys() == expected.keys()
    torch.testing.assert_close(gradients, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["test_vit", "test_vit2", "test_vit3", "test_vit4"])
def test_named_models_keep_their_own_readout(name: str) -> None:
    vit = Timm(Timm.Options(model=name, patch_size=8), IMAGE)
    shaken(vit)
    assert vit.grid == Grid(2, 3)
    check_parity(vit, vit.model, images())


def test_a_named_model_has_timms_weights_and_its_own_patches() -> None:
    torch.manual_seed(5)
    vit = Timm(Timm.Options(model="test_vit"), ImageShape(3, 160, 160))
    torch.manual_seed(5)
    model = timm.create_model("test_vit", num_classes=0).eval()
    vit.eval()
    batch = torch.randn(1, 3, 160, 160)
    assert vit.grid == Grid(10, 10)
    torch.testing.assert_close(ours(vit, batch), own_forward(model, batch), rtol=0, atol=1e-6)


def test_the_readout_of_a_named_model_can_be_changed() -> None:
    mean = Timm(Timm.Options(model="test_vit", patch_size=8, readout="mean"), IMAGE).eval()
    encoded = mean.encode(mean.tokenize(images()))
    torch.testing.assert_close(mean.summarize(encoded), encoded.sequence.patches.mean(dim=1))
    assert mean.state_dict().keys() == Timm(Timm.Options(model="test_vit", patch_size=8), IMAGE).state_dict().keys()
    cls = Timm(Timm.Options(model="test_vit", patch_size=8, readout="cls"), IMAGE).eval()
    encoded = cls.encode(cls.tokenize(images()))
    assert encoded.extra_tokens is not None
    torch.testing.assert_close(cls.summarize(encoded), encoded.extra_tokens[:, 0])


@pytest.mark.parametrize("variant", ["maximum", "attention pooling", "average of all tokens"])
def test_a_readout_that_would_read_padding_is_refused(variant: str) -> None:
    vit = Timm.from_timm(timm_model(variant))
    sequence = vit.tokenize(images())
    padded = PatchSequence(sequence.patches, sequence.grid, valid=torch.ones(2, 24, dtype=torch.bool))
    with pytest.raises(ReorderKitError, match="would read padding"):
        vit.summarize(vit.encode(padded))


def test_wrapping_shares_the_model_and_keeps_its_classifier() -> None:
    model = timm_model("plain")
    vit = Timm.from_timm(model)
    assert vit.model is model
    torch.testing.assert_close(vit.model.head(ours(vit, images())), model(images()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"patch_drop_rate": 0.5}, "drops patches"), ({"global_pool": "", "class_token": False}, "no readout")],
)
def test_a_model_that_cannot_be_wrapped_is_refused(arguments: dict[str, Any], message: str) -> None:
    model = VisionTransformer(img_size=16, patch_size=4, embed_dim=16, depth=1, num_heads=2, **arguments)
    with pytest.raises(ReorderKitError, match=message):
        Timm.from_timm(model)


def test_wrapping_something_else_is_refused() -> None:
    with pytest.raises(ReorderKitError, match="expected a timm model, got a Linear"):
        Timm.from_timm(nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"model": "test_vit"}, "16x24 pixels .* patches of 16x16", "patch_size"),
        ({"model": "vit_wee_patch16_reg1_gap_256", "patch_size": 8, "readout": "cls"}, "no CLS token", "mean"),
        ({"model": "deit_tiny_distilled_patch16_224", "patch_size": 8, "readout": "mean"}, "distillation", "readout"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(options: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(ReorderKitError, match=message) as caught:
        Timm(Timm.Options(**options), IMAGE)
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        (
            {"model": "vit_small_patch16_18x2_224", "patch_size": 8, "pretrained": True},
            "timm cannot build vit_small_patch16_18x2_224: No pretrained",
            "pretrained: false",
        ),
        (
            {"model": "test_vit", "patch_size": 8, "pretrained": True},
            "timm cannot build test_vit: no connection\n",
            "go online",
        ),
    ],
)
def test_weights_that_cannot_be_had_are_an_error_with_a_way_out(
    options: dict[str, Any], message: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*arguments: object, **named: object) -> None:
        raise OSError("no\nconnection")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", offline)
    with pytest.raises(ReorderKitError, match=message) as caught:
        Timm(Timm.Options(**options), IMAGE)
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "resnet18"}, "resnet18 .timm's ResNet. cannot read in another order: .* the 2-D image"),
        ({"model": "mixer_s32_224"}, "mixer_s32_224 .timm's MlpMixer. .* separate weights for each slot"),
        ({"model": "test_vit", "weights": "weights.zip"}, "ends with one of .safetensors, .pth"),
        ({"model": "test_vit", "weights": "weights.pth", "pretrained": True}, "pretrained .a download. or weights"),
        ({"model": "vit_smal_patch16_224"}, "no model 'vit_smal_patch16_224' .*'vit_small_patch16_224', '.*' or '.*'?"),
        (
            {"model": "nonsense__patch16_224"},
            "no model 'nonsense__patch16_224' .name one such as vit_small_patch16_224",
        ),
        (
            {"model": "test_vit.bogus"},
            "no weights 'test_vit.bogus' .did you mean 'test_vit.r160_in1k'",
        ),
    ],
)
def test_options_that_do_not_fit_together_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Timm.Options(**options)
