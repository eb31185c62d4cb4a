"""Relative attention against its definition, its distances, and sequences cut into segments with memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reorder_kit.layers.slot_positions import distance_sinusoids
from reorder_kit.ops.naive.relative_attention import relative_attention as naive_relative_attention
from reorder_kit.ops.relative_attention import relative_attention
from reorder_kit.ops.segments import Segments

# queries, keys, causal
SIZES = [(1, 1, True), (5, 5, True), (5, 5, False), (4, 7, True), (3, 9, False), (2, 6, True), (2, 6, False)]
PRECISIONS = [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 1e-2)]


def arguments_of(queries: int, keys: int, causal: bool) -> dict[str, Tensor]:
    """Random arguments for a batch of 2 x 3 with 2 heads of width 8."""
    torch.manual_seed(0)
    distances = keys if causal else keys + queries - 1
    shapes = {
        "query": (2, 3, 2, queries, 8),
        "key": (2, 3, 2, keys, 8),
        "value": (2, 3, 2, keys, 8),
        "relative_key": (2, distances, 8),
        "content_bias": (2, 8),
        "position_bias": (2, 8),
    }
    token = torch.arange(keys)
    visible = token <= (token[-queries:].unsqueeze(1) if causal else keys)
    visible = visible.expand(2, 3, queries, keys).clone()
    visible[1, :, :, : keys - queries] = False  # of the second item, the memory is missing
    return {name: torch.randn(shape, dtype=torch.float64) for name, shape in shapes.items()} | {"visible": visible}


def by_definition(arguments: dict[str, Tensor]) -> Tensor:
    """The naive version for every head of every item."""
    query = arguments["query"]
    rows = []
    for item, segment, head in itertools.product(*map(range, query.shape[:3])):
        own = [arguments[name][item, segment, head] for name in ("query", "key", "value")]
        shared = [arguments[name][head] for name in ("relative_key", "content_bias", "position_bias")]
        rows.append(naive_relative_attention(*own, *shared, arguments["visible"][item, segment]))
    return torch.stack(rows).view_as(query)


def fast(arguments: dict[str, Tensor]) -> Tensor:
    return relative_attention(**arguments)


def value_and_gradients(
    function: Callable[[dict[str, Tensor]], Tensor], arguments: dict[str, Tensor]
) -> dict[str, Tensor]:
    leaves = {name: arguments[name].clone().requires_grad_() for name in arguments if name != "visible"}
    result = function(arguments | leaves)
    weight = torch.linspace(-1, 1, result.numel(), dtype=torch.float64).view_as(result).to(result.dtype)
    gradients = torch.autograd.grad((result * weight).sum(), list(leaves.values()))
    return {"result": result.detach(), **dict(zip(leaves, gradients, strict=True))}


def in_precision(arguments: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    return {name: value if name == "visible" else value.to(dtype) for name, value in arguments.items()}


@pytest.mark.parametrize(("queries", "keys", "causal"), SIZES)
@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
def test_values_and_gradients_are_those_of_the_definition(
    queries: int, keys: int, causal: bool, dtype: torch.dtype, tolerance: float
) -> None:
    rounded = in_precision(arguments_of(queries, keys, causal), dtype)
    expected = value_and_gradients(by_definition, in_precision(rounded, torch.float64))
    actual = value_and_gradients(fast, rounded)
    for name, reference in expected.items():
        # If a query sees a single key, the scores have no gradient; the rest is measured relative to that of the
        # values.
        scale = max(reference.norm(), expected["value"].norm() if keys == 1 else 0)
        assert (actual[name].double() - reference).norm() <= tolerance * scale, name


@pytest.mark.parametrize(("queries", "keys", "causal"), SIZES)
@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@torch.no_grad()
def test_values_without_gradients_too_where_another_kernel_is_used(
    queries: int, keys: int, causal: bool, dtype: torch.dtype, tolerance: float
) -> None:
    rounded = in_precision(arguments_of(queries, keys, causal), dtype)
    expected = by_definition(in_precision(rounded, torch.float64))
    assert (fast(rounded).double() - expected).norm() <= tolerance * expected.norm()


def test_one_query_by_hand() -> None:
    """Dimension 1, so that the scale is 1; scores log 1, log 2 and log 3 of content and distance."""
    logarithms = torch.tensor([2.0, 3.0], dtype=torch.float64).log()
    one = torch.ones(1, 1, 1, dtype=torch.float64)
    attended = relative_attention(
        query=one,  # with the content bias it is 2, with the position bias it is 3
        key=torch.stack([logarithms[0] / 2, torch.zeros(()), torch.zeros(())]).view(1, 3, 1).double(),
        value=torch.tensor([6.0, 60.0, 600.0], dtype=torch.float64).view(1, 3, 1),
        relative_key=torch.stack([torch.zeros(()), logarithms[1] / 3, torch.zeros(())]).view(1, 3, 1).double(),
        content_bias=one[0],
        position_bias=2 * one[0],
        visible=torch.ones(1, 3, dtype=torch.bool),
    )
    assert attended.item() == pytest.approx((2 * 6 + 3 * 60 + 1 * 600) / 6)


def test_scores_are_shifted_without_a_copy() -> None:
    """No unnecessary large tensors."""
    arguments = arguments_of(16, 48, causal=True)
    with torch.profiler.profile(profile_memory=True, record_shapes=True) as profile, torch.no_grad():
        relative_attention(**arguments)
    scores = 2 * 3 * 2 * 16 * 48 * 8  # bytes
    large = [event.name for event in profile.events() if event.self_cpu_memory_usage >= scores]
    assert len(large) <= 2, large  # the product with all distances, and the masked scores


@given(st.integers(1, 12), st.integers(1, 14), st.integers(0, 14), st.booleans())
def test_a_segment_sees_itself_and_the_memory_before_it(tokens: int, size: int, memory: int, causal: bool) -> None:
    """Walk from the end, segment by segment."""
    expected = torch.zeros(tokens, tokens, dtype=torch.bool)
    end = tokens
    while end > 0:
        start = max(0, end - size)
        for query in range(start, end):
            expected[query, max(0, start - memory) : query + 1 if causal else end] = True
        end = start
    segments = Segments.of_sequence(tokens, size, memory)
    assert torch.equal(segments.sees(causal), expected)

    # The same by segment, from the numbers of the tokens that memory and segment hold; 0 is where there is no token.
    numbers = torch.arange(1.0, tokens + 1).view(1, -1, 1)
    past = segments.remember(segments.before_last(numbers)) if segments.memory else numbers[:, None, :0]
    past = past.expand(-1, segments.count, -1, -1)
    held = torch.cat([past, segments.split(numbers)], dim=2)[0, :, :, 0].long()
    seen = torch.zeros(tokens + 1, tokens + 1, dtype=torch.bool)
    for row, visible in zip(held, segments.visible(causal)[0], strict=True):
        for place in range(segments.size):
            seen[row[segments.memory + place], row[visible[place]]] = True
    assert torch.equal(seen[1:, 1:], expected)
    assert not seen[1:, 0].any()
    assert torch.equal(segments.join(segments.split(numbers)), numbers)


def test_padding_in_front_is_seen_by_nobody_but_itself() -> None:
    valid = torch.tensor([[False, False, True, True, True], [False] * 5])
    visible = Segments.of_sequence(5, size=3, memory=2).visible(causal=True, valid=valid)
    # Keys: two of memory, three of the segment. In the first segment one token is missing.
    assert visible[0].int().tolist() == [
        [[0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]],
        [[0, 0, 1, 0, 0], [0, 0, 1, 1, 0], [0, 0, 1, 1, 1]],
    ]
    assert visible[1].int().tolist() == [[[0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]] * 2


def test_distances_by_hand() -> None:
    sin, cos = torch.sin, torch.cos
    table = distance_sinusoids(2, -1, dim=4)
    for row, distance in zip(table, torch.tensor([2.0, 1.0, 0.0, -1.0]), strict=True):
        expected = torch.stack([sin(distance), sin(distance / 100), cos(distance), cos(distance / 100)])
        torch.testing.assert_close(row, expected)
