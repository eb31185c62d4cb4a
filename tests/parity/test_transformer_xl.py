"""Transformer-XL against a loop over segments and queries, and its attention against XLNet's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu
from transformers import XLNetConfig
from transformers.models.xlnet.modeling_xlnet import XLNetRelativeAttention

from reorder_kit.backbones.transformer_xl import TransformerXL
from reorder_kit.interfaces import ImageShape, PatchSequence
from reorder_kit.layers.slot_positions import distance_sinusoids
from reorder_kit.ops.naive.relative_attention import relative_attention as naive_relative_attention
from reorder_kit.ops.relative_attention import relative_attention

IMAGE = ImageShape(1, 8, 20)  # 10 patches


def build(**options: Any) -> TransformerXL:
    torch.manual_seed(0)
    settings = {"patch_size": 4, "dim": 12, "heads": 3, "depth": 3, "positions": "none", **options}
    model = TransformerXL(TransformerXL.Options(**settings), IMAGE)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.double().eval()


def norm(module: nn.LayerNorm, tokens: Tensor) -> Tensor:
    centred = tokens - tokens.mean(dim=-1, keepdim=True)
    return centred / (centred.square().mean(dim=-1, keepdim=True) + module.eps).sqrt() * module.weight + module.bias


def attend(model: TransformerXL, block: Any, segment: Tensor, memory: Tensor, causal: bool) -> Tensor:
    """One segment of one image in one block: queries one after the other."""
    attention, heads = block.attention, model.options.shape().heads
    tokens = norm(block.norm1, torch.cat([memory, segment]))
    queries, keys = len(segment), len(tokens)
    query = tokens[-queries:] @ attention.query.weight.T
    key, value = (tokens @ attention.key_value.weight.T).chunk(2, dim=1)
    distances = distance_sinusoids(keys - 1, 1 - queries, model.dim).double() @ attention.relative_key.weight.T
    place = torch.arange(keys)
    visible = place <= (place[-queries:].unsqueeze(1) if causal else keys)
    of_heads = [
        naive_relative_attention(
            *(tensor.chunk(heads, dim=1)[head] for tensor in (query, key, value, distances)),
            model.content_bias[head],
            model.position_bias[head],
            visible.expand(queries, keys),
        )
        for head in range(heads)
    ]
    return torch.cat(of_heads, dim=1) @ attention.output.weight.T


def walk(model: TransformerXL, tokens: Tensor) -> Tensor:
    """Segment after segment through all blocks, with the memory of every block in hand, as in the paper."""
    options = model.options
    memories = [tokens[:0] for _ in model.blocks]
    first = (len(tokens) - 1) % options.segment + 1
    sizes = [first] + [options.segment] * ((len(tokens) - first) // options.segment)
    encoded = []
    for hidden in tokens.split(sizes):
        for index, block in enumerate(model.blocks):
            memory = memories[index] if options.memory_gradient else memories[index].detach()
            so_far = torch.cat([memories[index], hidden])
            memories[index] = so_far[max(0, len(so_far) - options.memory) :]
            hidden = hidden + attend(model, block, hidden, memory, options.causal)
            inner = gelu(norm(block.norm2, hidden) @ block.mlp.fc1.weight.T + block.mlp.fc1.bias)
            hidden = hidden + inner @ block.mlp.fc2.weight.T + block.mlp.fc2.bias
        encoded.append(norm(model.norm, hidden))
    return torch.cat(encoded)


@pytest.mark.parametrize(
    "options",
    [
        {"segment": 3, "memory": 3},  # four segments, the first of one slot
        {"segment": 3, "memory": 3, "memory_gradient": True},
        {"segment": 5, "memory": 2, "causal": False},
        {"segment": 2, "memory": 5, "causal": False, "memory_gradient": True},  # a memory of several segments
        {"segment": 4, "memory": 99, "readout": "cls"},  # everything before it
        {"segment": 3, "memory": 0, "readout": "cls", "causal": False},
        {"segment": 1, "memory": 2, "readout": "last"},
        {"segment": 10, "memory": 4},
        {"segment": 99, "memory": 4, "causal": False},
    ],
    ids=str,
)
def test_values_and_gradients_are_those_of_a_walk_with_memory(options: dict[str, Any]) -> None:
    model = build(**options)
    patches = torch.randn(2, 10, 12, dtype=torch.float64, requires_grad=True)
    leaves = [patches, *(value for name, value in model.named_parameters() if not name.startswith("embedding"))]

    encoded = model.encode(PatchSequence(patches, model.grid))
    cls = [] if encoded.extra_tokens is None else [encoded.extra_tokens]
    actual = torch.cat([encoded.sequence.patches, *cls], dim=1)
    starts = patches if model.cls_token is None else torch.cat([patches, model.cls_token.expand(2, 1, 12)], dim=1)
    expected = torch.stack([walk(model, tokens) for tokens in starts])
    torch.testing.assert_close(actual, expected)

    weight = torch.randn_like(expected)
    gradients, expected_gradients = (
        torch.autograd.grad((result * weight).sum(), leaves) for result in (actual, expected)
    )
    torch.testing.assert_close(gradients, expected_gradients)


@pytest.mark.parametrize("memory", [0, 4])
@pytest.mark.parametrize("causal", [True, False])
def test_attention_is_that_of_xlnet(memory: int, causal: bool) -> None:
    """transformers' XLNet has Transformer-XL's attention, with one extra distance."""
    torch.manual_seed(0)
    queries, keys, batch, heads, dim = 5, 5 + memory, 3, 2, 8
    content_bias, position_bias = torch.randn(2, heads, dim)
    relative_key = torch.randn(heads, keys + queries, dim)
    query, key, value = (torch.randn(length, batch, heads, dim) for length in (queries, keys, keys))
    place = torch.arange(keys)
    visible = (place <= (place[-queries:].unsqueeze(1) if causal else keys)).expand(queries, keys)

    xlnet = XLNetRelativeAttention(XLNetConfig(d_model=heads * dim, n_head=heads, d_inner=1)).eval()
    with torch.no_grad():
        xlnet.r_w_bias.copy_(content_bias)
        xlnet.r_r_bias.copy_(position_bias)
        expected = xlnet.rel_attn_core(
            query,
            key,
            value,
            relative_key.transpose(0, 1).unsqueeze(1).expand(-1, batch, -1, -1),
            attn_mask=(~visible).float()[:, :, None, None].expand(-1, -1, batch, heads),
        )
    query, key, value, expected = (tensor.permute(1, 2, 0, 3) for tensor in (query, key, value, expected))
    actual = relative_attention(query, key, value, relative_key[:, 1:], content_bias, position_bias, visible)
    torch.testing.assert_close(actual, expected)
