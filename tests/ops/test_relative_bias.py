"""Relative biases: by hand, and in sliding-window attention against the plain version, whole and in blocks."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from reorder_kit.ops import sliding_window
from reorder_kit.ops.biased_attention import biased_attention
from reorder_kit.ops.naive import sliding_window as naive
from reorder_kit.ops.relative_bias import FAR, RelativeBias, added_scores
from reorder_kit.ops.sliding_window import sliding_window_attention, sliding_window_weights

LENGTH, HEADS = 40, 2


def by_definition(bias: RelativeBias) -> Tensor:
    """Looked up pair by pair."""
    heads, differences = bias.table.shape
    images, tokens = bias.places.shape
    scores = torch.zeros(images, heads, tokens, tokens, dtype=bias.table.dtype)
    for image, head, query, key in product(*map(range, (images, heads, tokens, tokens))):
        column = int(bias.places[image, query]) - int(bias.places[image, key]) + bias.zero
        if 0 <= column < differences:
            scores[image, head, query, key] = bias.table[head, column]
    return scores


def random_bias(tokens: int, images: int = 1, farthest: int = 9, seed: int = 0) -> RelativeBias:
    noise = torch.Generator().manual_seed(seed)
    places = torch.stack([torch.randperm(2 * tokens, generator=noise)[:tokens] for _ in range(images)])
    table = torch.randn(HEADS, 2 * farthest + 1, generator=noise, dtype=torch.float64).requires_grad_()
    return RelativeBias(table, farthest, places)


@pytest.mark.parametrize("images", [1, 3])
def test_scores_are_looked_up_by_difference(images: int) -> None:
    bias = random_bias(6, images)
    torch.testing.assert_close(bias.scores(), by_definition(bias))
    later = bias.without_first(2)
    torch.testing.assert_close(later.scores(), by_definition(bias)[:, :, 2:, 2:])


def test_what_stands_nowhere_has_no_bias_not_even_with_itself() -> None:
    table = torch.tensor([[5.0, 6.0, 7.0]])
    scores = RelativeBias(table, 1, torch.tensor([[-2 * FAR, -FAR, 0, 1, FAR]])).scores()[0, 0]
    assert scores.tolist() == [
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
        [0, 0, 6, 5, 0],
        [0, 0, 7, 6, 0],
        [0, 0, 0, 0, 0],
    ]


def test_nothing_added_is_nothing() -> None:
    assert added_scores(()) is None
    one, two = random_bias(4, seed=1), random_bias(4, seed=2)
    added = added_scores((one, two))
    assert added is not None
    torch.testing.assert_close(added, one.scores() + two.scores())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_attention_with_a_bias_that_learns_is_torchs(dtype: torch.dtype) -> None:
    query, key, value = (torch.randn(2, 2, 5, 4, dtype=dtype) for _ in range(3))
    bias = torch.randn(1, 2, 5, 5, dtype=dtype)
    hidden = torch.zeros(5, 5, dtype=dtype).masked_fill(torch.ones(5, 5).triu(1).bool(), -torch.inf)
    expected = scaled_dot_product_attention(query, key, value, attn_mask=bias + hidden)
    for learned in (bias, bias.clone().requires_grad_()):
        found = biased_attention(query, key, value, learned, hidden)
        torch.testing.assert_close(found, expected, rtol=0, atol=3e-2 if dtype == torch.bfloat16 else 1e-12)


@pytest.mark.parametrize("short", [10_000, 0])
@pytest.mark.parametrize(
    ("window", "causal", "num_global", "padded", "images"),
    [(36, True, 2, False, 2), (7, False, 1, True, 1)],
)
def test_windowed_attention_with_biases_is_the_plain_version(
    short: int, window: int, causal: bool, num_global: int, padded: bool, images: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sliding_window, "_SHORT_SLOTS", short)
    monkeypatch.setattr(sliding_window, "_SHORT_WINDOWS", 0)
    noise = torch.Generator().manual_seed(3)
    query, key, value = (
        torch.randn(2, HEADS, num_global + LENGTH, 6, generator=noise, dtype=torch.float64).requires_grad_()
        for _ in range(3)
    )
    valid = torch.rand(2, LENGTH, generator=noise) < 0.6 if padded else None
    biases = (random_bias(LENGTH, images), random_bias(LENGTH, 1, seed=4))
    added = (by_definition(biases[0]) + by_definition(biases[1])).expand(2, -1, -1, -1)
    slots = query[:, :, num_global:]
    actual = sliding_window_attention(slots, key, value, window, causal, num_global, valid, biases)
    expected = naive.sliding_window_attention(slots, key, value, window, causal, num_global, valid, added)
    counts = 1 if valid is None else valid[:, None, :, None]
    torch.testing.assert_close(actual * counts, expected)
    weights = torch.randn(expected.shape, generator=noise, dtype=torch.float64) * counts
    learned = [query, key, value, *(bias.table for bias in biases)]
    found = torch.autograd.grad((actual * weights).sum(), learned)
    wanted = torch.autograd.grad((expected * weights).sum(), learned)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)
    shares = sliding_window_weights(slots, key, window, causal, num_global, valid, biases)
    torch.testing.assert_close(shares @ value * counts, expected)
