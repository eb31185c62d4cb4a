"""Windowed attention with a global CLS token against transformers' LongformerSelfAttention."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from transformers import LongformerConfig
from transformers.models.longformer.modeling_longformer import LongformerSelfAttention

from reorder_kit.layers.windowed_attention import WindowedAttention

DIM, HEADS = 24, 3


def theirs(window: int) -> LongformerSelfAttention:
    torch.manual_seed(0)
    config = LongformerConfig(
        hidden_size=DIM, num_attention_heads=HEADS, attention_window=[2 * window], attention_probs_dropout_prob=0.0
    )
    attention = LongformerSelfAttention(config, layer_id=0)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return attention


def ours(attention: LongformerSelfAttention, window: int, num_global: int) -> WindowedAttention:
    """With the weights of the other, without an output projection, which that one lacks."""
    windowed = WindowedAttention(DIM, HEADS, window, num_global=num_global)
    windowed.proj = nn.Identity()  # type: ignore[assignment]
    weights = joined(attention, "qkv", ["query", "key", "value"])
    if num_global:
        weights |= joined(attention, "global_query", ["query_global"])
        weights |= joined(attention, "global_key_value", ["key_global", "value_global"])
    windowed.load_state_dict(weights)
    return windowed


def joined(
    attention: LongformerSelfAttention, name: str, parts: list[str], gradient: bool = False
) -> dict[str, Tensor]:
    found = {}
    for kind in ("weight", "bias"):
        tensors = [getattr(getattr(attention, part), kind) for part in parts]
        found[f"{name}.{kind}"] = torch.cat([tensor.grad if gradient else tensor.detach() for tensor in tensors])
    return found


def run(
    attention: LongformerSelfAttention, tokens: Tensor, window: int, num_global: int, valid: Tensor | None
) -> Tensor:
    """Theirs only accepts multiples of the full window. In its mask, negative is hidden and positive global."""
    batch, length, _ = tokens.shape
    added = -length % (2 * window)
    mask = torch.zeros(batch, length + added)
    mask[:, :num_global] = 10_000.0
    mask[:, length:] = -10_000.0
    if valid is not None:
        mask[:, num_global:length].masked_fill_(~valid, -10_000.0)
    (mixed,) = attention(
        nn.functional.pad(tokens, (0, 0, 0, added)),
        attention_mask=mask,
        is_index_masked=mask < 0,
        is_index_global_attn=mask > 0,
        is_global_attn=num_global > 0,
    )
    return mixed[:, :length]


@pytest.mark.parametrize("num_global", [0, 1, 2])
@pytest.mark.parametrize(
    ("length", "window"), [(17, 2), (64, 8), (51, 25), (197, 14), (65, 100), (301, 14), (1025, 128)]
)
def test_outputs_and_gradients_are_theirs(length: int, window: int, num_global: int) -> None:
    attention = theirs(window)
    windowed = ours(attention, window, num_global)
    tokens = torch.randn(2, length, DIM)
    weights = torch.randn(2, length, DIM)

    own_tokens, their_tokens = (tokens.clone().requires_grad_() for _ in range(2))
    mixed = windowed(own_tokens)
    expected = run(attention, their_tokens, window, num_global, None)
    torch.testing.assert_close(mixed, expected, rtol=1e-5, atol=1e-5)

    (mixed * weights).sum().backward()
    (expected * weights).sum().backward()
    assert own_tokens.grad is not None
    gradients = {name: value.grad for name, value in windowed.named_parameters()} | {"tokens": own_tokens.grad}
    their_gradients = joined(attention, "qkv", ["query", "key", "value"], gradient=True)
    if num_global:
        their_gradients |= joined(attention, "global_query", ["query_global"], gradient=True)
        their_gradients |= joined(attention, "global_key_value", ["key_global", "value_global"], gradient=True)
    their_gradients |= {"tokens": their_tokens.grad}
    assert gradients.keys() == their_gradients.keys()
    for name, gradient in gradients.items():
        error = (gradient - their_gradients[name]).abs().max()
        assert error <= 1e-5 * their_gradients[name].abs().max(), name


@pytest.mark.parametrize("num_global", [0, 1])
@pytest.mark.parametrize(("length", "window"), [(37, 4), (301, 14)])
def test_padding_at_the_end_is_hidden_as_theirs_is(length: int, window: int, num_global: int) -> None:
    """In the middle, padding takes positions in their windows, while ours behaves as if it were cut out."""
    attention = theirs(window)
    valid = torch.arange(length - num_global) < torch.tensor([[length // 2], [length - num_global]])
    tokens = torch.randn(2, length, DIM)
    mixed = ours(attention, window, num_global)(tokens, valid)
    expected = run(attention, tokens, window, num_global, valid)
    counts = nn.functional.pad(valid, (num_global, 0), value=True)
    torch.testing.assert_close(mixed[counts], expected[counts], rtol=1e-5, atol=1e-5)
