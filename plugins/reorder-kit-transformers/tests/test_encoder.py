"""The outputs are those of transformers in every order: positions stay with their patches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from reorder_kit_transformers.encoder import Transformers
from torch import Tensor

from reorder_kit.interfaces import Encoded, ImageShape, Order, PatchSequence, Proposal

NOISE = torch.Generator().manual_seed(2)
PER_IMAGE = Order(torch.stack([torch.randperm(9, generator=NOISE) for _ in range(4)]))
BY_KIND = {
    "static": Order(torch.randperm(9, generator=NOISE)),
    "per image": PER_IMAGE,
    "grouped": Order(PER_IMAGE.indices[:2], groups=torch.tensor([1, 0, 0, 1])),
}
every_kind = pytest.mark.parametrize("kind", BY_KIND)


def own_output(backbone: Transformers, images: Tensor, **arguments: Any) -> Any:
    """What transformers makes of images."""
    if backbone.options.model == "vit_mae":
        backbone.model.config.mask_ratio = 0.0
        arguments["noise"] = torch.arange(backbone.grid.num_patches).expand(len(images), -1).double()
    return backbone.model(images, **arguments)


def read(backbone: Transformers, images: Tensor, *orders: Order) -> PatchSequence:
    sequence = backbone.tokenize(images)
    for order in orders:
        sequence = Proposal(order).apply(sequence)
    return sequence


def tokens_of(encoded: Encoded) -> Tensor:
    """Those before the patches, then patches, row-major."""
    sequence = encoded.sequence
    patches = sequence.patches if sequence.order is None else sequence.order.restore(sequence.patches)
    return patches if encoded.extra_tokens is None else torch.cat([encoded.extra_tokens, patches], dim=1)


def readout(backbone: Transformers, sequence: PatchSequence) -> Tensor:
    return backbone.summarize(backbone.encode(sequence))


def test_row_by_row_and_in_an_order_tokens_and_gradients_are_those_of_transformers(build, case, images):
    backbone, noise = build(case), torch.Generator().manual_seed(3)

    def outcome(tokens: Tensor) -> dict[str, Tensor]:
        weights = torch.randn(tokens.shape, generator=noise.manual_seed(3), dtype=torch.float64)
        given.grad = None
        backbone.zero_grad()
        (tokens * weights).sum().backward()
        gradients = {name: each.grad for name, each in backbone.named_parameters() if each.grad is not None}
        return {"tokens": tokens.detach(), "images": given.grad, **gradients}

    given = images.requires_grad_()
    expected = outcome(own_output(backbone, given).last_hidden_state)
    for orders in ([], [PER_IMAGE]):
        found = outcome(tokens_of(backbone.encode(read(backbone, given, *orders))))
        assert found.keys() == expected.keys()
        for name in expected:
            torch.testing.assert_close(found[name], expected[name], rtol=1e-5, atol=1e-8)


@every_kind
@torch.no_grad()
def test_every_order_gives_the_readout_of_transformers(build, case, kind, images):
    backbone = build(case)
    own = own_output(backbone, images)
    expected = getattr(own, "pooler_output", None)
    if expected is None:  # where transformers has no pooling: CLS, or the mean for I-JEPA, as its classifiers have it
        expected = own.last_hidden_state.mean(dim=1) if case == "ijepa" else own.last_hidden_state[:, 0]
    for orders in ([], [BY_KIND[kind]], [BY_KIND[kind], PER_IMAGE]):
        torch.testing.assert_close(readout(backbone, read(backbone, images, *orders)), expected)


@every_kind
@torch.no_grad()
def test_a_part_of_the_patches_is_read_alike_in_any_order_with_padding_or_without(build, case, kind, images):
    backbone, full = build(case), BY_KIND[kind]
    kept = full.first(5)
    in_rows = Order(kept.per_image(4).sort(dim=1).values, num_patches=9)
    expected = readout(backbone, read(backbone, images, in_rows))
    torch.testing.assert_close(readout(backbone, read(backbone, images, kept)), expected)
    valid = torch.tensor([[True] * 5 + [False] * 4] * 4)
    padded = PatchSequence(read(backbone, images, full).patches, backbone.grid, valid=valid, order=full)
    torch.testing.assert_close(readout(backbone, padded), expected)


@torch.no_grad()
def test_a_part_of_the_patches_is_what_a_masked_autoencoder_keeps(build, images):
    backbone = build("mae")
    backbone.model.config.mask_ratio = 0.5  # 4 of 9 patches are kept
    noise = torch.rand(4, 9, generator=torch.Generator().manual_seed(5))
    kept = Order(noise.argsort(dim=1)[:, :4], num_patches=9)
    encoded = backbone.encode(read(backbone, images, kept))
    expected = backbone.model(images, noise=noise).last_hidden_state
    torch.testing.assert_close(torch.cat([encoded.extra_tokens, encoded.sequence.patches], dim=1), expected)


@torch.no_grad()
def test_an_order_before_a_later_block_is_followed(build, case, images):
    backbone = build(case)
    first = backbone.encode(read(backbone, images, BY_KIND["static"]), stop=1)
    moved = Proposal(PER_IMAGE).apply(first.sequence)
    encoded = backbone.encode(moved, start=1, extra_tokens=first.extra_tokens)
    torch.testing.assert_close(tokens_of(encoded), own_output(backbone, images).last_hidden_state)


@pytest.mark.parametrize("case", ["beit", "dinov3"])
def test_recomputed_blocks_have_the_same_gradients(build, case, images):
    found = []
    for recompute in (False, True):
        backbone = build(case, gradient_checkpointing=recompute)
        readout(backbone, read(backbone, images, PER_IMAGE)).square().sum().backward()
        found.append({name: each.grad for name, each in backbone.named_parameters()})
    torch.testing.assert_close(*found)


def resampled(build: Any, case: str, image: ImageShape) -> Transformers:
    """An encoder whose positions, if it has a table of them, are made for 3x3 patches."""
    return build(case, image, {} if case == "dinov3" else {"image_size": 12})


def own_resampled(backbone: Transformers, images: Tensor) -> Tensor:
    """The tokens of transformers for images of another size."""
    by_itself = str(backbone.options.model).startswith(("dinov", "beit"))
    return own_output(backbone, images, **({} if by_itself else {"interpolate_pos_encoding": True})).last_hidden_state


@torch.no_grad()
def test_positions_made_for_another_size_are_resampled_as_transformers_does(build, case):
    backbone = resampled(build, case, ImageShape(3, 8, 16))
    images = torch.randn(2, 3, 8, 16, dtype=torch.float64)
    found = tokens_of(backbone.encode(read(backbone, images, Order(torch.randperm(8)))))
    torch.testing.assert_close(found, own_resampled(backbone, images))


@torch.no_grad()
def test_a_trial_on_the_meta_device_leaves_nothing_behind(build, case):
    """``validate`` does this. transformers keeps some of what it computes, by the shape of the grid."""
    backbone = resampled(build, case, ImageShape(3, 4, 20))
    with torch.device("meta"):
        trial = Transformers(backbone.options, backbone.image).eval()
        assert readout(trial, trial.tokenize(torch.zeros(2, 3, 4, 20))).is_meta
    images = torch.randn(2, 3, 4, 20, dtype=torch.float64)
    found = tokens_of(backbone.encode(read(backbone, images, Order(torch.randperm(5)))))
    torch.testing.assert_close(found, own_resampled(backbone, images))


@torch.no_grad()
def test_attention_maps_are_those_of_transformers(build, case, images):
    backbone = build(case, readout="mean" if case == "siglip" else None)
    maps = backbone.attention(read(backbone, images))
    backbone.model.config._attn_implementation = "eager"
    own = own_output(backbone, images, output_attentions=True).attentions
    torch.testing.assert_close(maps.blocks, tuple(each.mean(dim=1) for each in own))
    tokens = tokens_of(backbone.encode(read(backbone, images)))
    if case not in ("beit", "clip"):  # these have a norm after the mean
        shared = (maps.readout.unsqueeze(-1) * tokens).sum(dim=1)
        torch.testing.assert_close(shared, readout(backbone, read(backbone, images)))


@torch.no_grad()
def test_there_are_no_maps_where_the_readout_is_no_mean(build, images):
    backbone = build("siglip")
    assert backbone.attention(read(backbone, images)) is None


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (False, False)),
        ({"readout": "last"}, (True, False)),
        ({"slot_positions": "learned"}, (True, True)),
        ({"slot_positions": "sincos"}, (True, True)),
    ],
)
@torch.no_grad()
def test_an_order_matters_to_the_last_slot_and_to_positions_of_slots(build, images, options, expected):
    backbone = build("vit", **options)
    facts = backbone.as_built
    assert (facts.order_sensitive, facts.slots_order_sensitive, facts.is_causal) == (*expected, False)
    one, other = (backbone.encode(read(backbone, images, *orders)) for orders in ([], [PER_IMAGE]))
    same_readout = torch.allclose(backbone.summarize(one), backbone.summarize(other))
    same_slots = torch.allclose(tokens_of(one), tokens_of(other))
    assert (not same_readout, not same_slots) == expected


def test_in_training_rotary_positions_are_rescaled_at_random_as_transformers_does(build, images):
    backbone = build("dinov3").train()
    torch.manual_seed(0)
    expected = backbone.model(images).last_hidden_state
    torch.manual_seed(0)
    found = tokens_of(backbone.encode(read(backbone, images, PER_IMAGE)))
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, backbone.eval().model(images).last_hidden_state)
