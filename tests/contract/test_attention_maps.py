"""Guarantees of a backbone that reports which token attends to which."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from timm.layers import Attention
from torch import Tensor, nn

import tiny_timm  # noqa: F401 # timm knows its models by name
from reorder_kit.analysis.saliency_methods.rollout import rolled_out
from reorder_kit.backbones.local import Local
from reorder_kit.backbones.longformer import Longformer
from reorder_kit.backbones.mamba import Mamba
from reorder_kit.backbones.recurrent import Recurrent
from reorder_kit.backbones.sparse import Sparse
from reorder_kit.backbones.timm import Timm
from reorder_kit.backbones.transformer_xl import TransformerXL
from reorder_kit.backbones.violin import Violin
from reorder_kit.backbones.vit import Vit
from reorder_kit.interfaces import AttentionMaps, Backbone, ImageShape, Part, PatchSequence
from reorder_kit.orderings.hilbert import Hilbert

IMAGE = ImageShape(3, 12, 20)
SMALL_VIT = {"dim": 16, "heads": 2, "depth": 2}
CASES: list[tuple[type[Backbone], dict[str, Any]]] = [
    (Vit, SMALL_VIT),
    (Vit, {**SMALL_VIT, "readout": "mean"}),
    (Vit, {**SMALL_VIT, "positions": "rope", "slot_positions": "relative"}),
    (Timm, {"model": "test_vit"}),
    (Timm, {"model": "little_eva", "causal": True}),
    (Timm, {"model": "little_beit", "causal": True, "readout": "last"}),
    (Timm, {"model": "little_relpos", "readout": "mean"}),
    (Local, {"window": 2}),
    (Local, {"window": 1, "depth": 3, "causal": False, "readout": "mean"}),
    (Local, {"window": 2, "readout": "cls"}),
    (Local, {"window": 2, "positions": "relative", "slot_positions": "rope"}),
    (Longformer, {**SMALL_VIT, "window": 1}),
    (Longformer, {**SMALL_VIT, "window": 2, "readout": "mean"}),
    (Longformer, {**SMALL_VIT, "window": 2, "readout": "last"}),
    (Sparse, {**SMALL_VIT, "stride": 4, "readout": "last", "causal": True}),
    (Sparse, {**SMALL_VIT, "pattern": "fixed", "block": 4, "readout": "cls", "causal": True}),
    (Sparse, {**SMALL_VIT, "pattern": "bigbird", "block": 2, "num_random": 1, "readout": "cls"}),
    (Violin, {**SMALL_VIT, "curves": [Part.of(Hilbert)], "readout": "cls"}),
    (Violin, {**SMALL_VIT, "curves": [], "along_sequence": True, "readout": "mean"}),
]
every_case = pytest.mark.parametrize(
    ("backbone", "options"),
    CASES,
    ids=[
        "-".join(str(options.get(each, "")) for each in ("readout", "pattern", "slot_positions")) + f"-{kind.name}"
        for kind, options in CASES
    ],
)


def build(backbone: type[Backbone], options: dict[str, Any]) -> Backbone:
    torch.manual_seed(0)
    built = backbone(backbone.Options(patch_size=4, **options), IMAGE)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return built.double().eval()


def sequence_of(backbone: Backbone, valid: Tensor | None = None) -> PatchSequence:
    images = torch.randn(2, 3, 12, 20, dtype=torch.float64)
    return PatchSequence(backbone.tokenize(images).patches, backbone.grid, valid=valid)


def maps_of(backbone: Backbone, sequence: PatchSequence) -> AttentionMaps:
    with torch.no_grad():
        maps = backbone.attention(sequence)
    assert maps is not None
    return maps


@every_case
def test_shares_add_up_to_one(backbone: type[Backbone], options: dict[str, Any]) -> None:
    model = build(backbone, options)
    maps = maps_of(model, sequence_of(model))
    assert len(maps.blocks) == model.depth
    for shares in (*maps.blocks, maps.readout):
        assert (shares >= 0).all()
        torch.testing.assert_close(shares.sum(dim=-1), torch.ones_like(shares[..., 0]))


@every_case
def test_rolled_out_to_the_slots_they_are_the_reach(backbone: type[Backbone], options: dict[str, Any]) -> None:
    model = build(backbone, options)
    sequence = sequence_of(model)
    maps = maps_of(model, sequence)
    slots = rolled_out(maps)[:, maps.first_slot : maps.first_slot + sequence.num_slots]
    assert (slots > 0).tolist() == [model.reach(sequence.num_slots).tolist()] * 2


@every_case
def test_nobody_looks_at_padding_but_padding(backbone: type[Backbone], options: dict[str, Any]) -> None:
    model = build(backbone, options)
    valid = torch.ones(2, 15, dtype=torch.bool)
    valid[0, [2, 3, 14]] = False
    maps = maps_of(model, sequence_of(model, valid))
    is_token = torch.ones_like(maps.readout, dtype=torch.bool)
    is_token[:, maps.first_slot : maps.first_slot + 15] = valid
    for weights in maps.blocks:
        looked_at = weights.masked_fill(~is_token.unsqueeze(2), 0).sum(dim=1)
        assert ((looked_at > 0) == is_token).all()
    assert not maps.readout[~is_token].any()


@every_case
def test_looking_changes_nothing(backbone: type[Backbone], options: dict[str, Any]) -> None:
    model = build(backbone, options)
    sequence = sequence_of(model)
    before = model.summarize(model.encode(sequence))
    maps_of(model, sequence)
    assert torch.equal(model.summarize(model.encode(sequence)), before)
    assert not any(module._forward_pre_hooks for module in model.modules())


def multi_head(attention: nn.Module, heads: int, mask: Tensor | None, tokens: Tensor) -> Tensor:
    """The weights of torch's multi-head attention with the same projections."""
    dim = tokens.shape[-1]
    reference = nn.MultiheadAttention(dim, heads, batch_first=True, dtype=torch.float64)
    weight, bias = attention.qkv.weight, attention.qkv.bias
    assert isinstance(weight, Tensor)
    assert isinstance(bias, Tensor)
    reference.load_state_dict({**reference.state_dict(), "in_proj_weight": weight, "in_proj_bias": bias})
    weights: Tensor = reference(tokens, tokens, tokens, attn_mask=mask)[1]
    return weights


def test_windowed_weights_are_those_of_torchs_attention() -> None:
    model = build(Local, {"window": 2, "heads": 4, "dim": 32})
    sequence = sequence_of(model)
    far = torch.tensor([[not 0 <= query - key <= 2 for key in range(15)] for query in range(15)])
    assert isinstance(model, Local)
    block = model.blocks[0]
    expected = multi_head(block.attn, 4, far, block.norm1(sequence.patches))
    torch.testing.assert_close(maps_of(model, sequence).blocks[0], expected)


def test_timms_weights_are_those_of_torchs_attention_fused_or_not() -> None:
    model = build(Vit, {**SMALL_VIT, "readout": "mean"})
    assert isinstance(model, Vit)
    sequence = sequence_of(model)
    attentions = [module for module in model.modules() if isinstance(module, Attention)]
    for fused in (True, False):
        for attention in attentions:
            attention.fused_attn = fused
        block = model.model.blocks[0]
        expected = multi_head(block.attn, 2, None, block.norm1(model.model.norm_pre(sequence.patches)))
        torch.testing.assert_close(maps_of(model, sequence).blocks[0], expected)
        assert [attention.fused_attn for attention in attentions] == [fused] * 2


def test_what_cls_of_longformer_looks_at_is_what_it_is_made_of() -> None:
    """Its operator never forms the matrix; with one-hot tokens as values, the output is the matrix."""
    model = build(Longformer, {**SMALL_VIT, "window": 1})
    assert isinstance(model, Longformer)
    attention = model.blocks[0].attn
    tokens = torch.randn(2, 16, 16, dtype=torch.float64)
    heads = attention.heads
    query = attention.global_query(tokens[:, :1]).reshape(2, heads, 1, -1)
    key, value = attention.global_key_value(tokens).reshape(2, 16, 2, heads, -1).permute(2, 0, 3, 1, 4)
    own = (query @ key.transpose(2, 3) * query.shape[-1] ** -0.5).softmax(dim=-1)
    torch.testing.assert_close(attention._seen_by_global_tokens(tokens, None), own @ value)
    torch.testing.assert_close(attention.weights(tokens)[:, 0], own.mean(dim=1)[:, 0])


@pytest.mark.parametrize(
    ("backbone", "options"),
    [
        (Recurrent, {}),
        (Mamba, {"dim": 16, "depth": 1}),
        (TransformerXL, {**SMALL_VIT, "segment": 2}),
        (Timm, {"model": "test_vit3"}),  # its pooling is an attention of its own
    ],
)
def test_others_say_that_they_have_none(backbone: type[Backbone], options: dict[str, Any]) -> None:
    model = build(backbone, options)
    assert model.attention(sequence_of(model)) is None
