"""The gated delta rule: against the step-by-step reference, and guarantees about keys, dtype and memory."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gradients import check_close, kept_for_backward, values_and_gradients
from reorder_kit.ops.gated_delta_rule import gated_delta_rule
from reorder_kit.ops.naive.gated_delta_rule import gated_delta_rule as naive_rule

BATCH, KEY_HEADS, HEADS, KEY, VALUE = 2, 2, 4, 5, 3


def inputs_of(length: int, dtype: torch.dtype = torch.float64, rate: float = 1.0) -> dict[str, Tensor]:
    torch.manual_seed(length)
    inputs = {
        "q": torch.randn(BATCH, length, KEY_HEADS, KEY),
        "k": F.normalize(torch.randn(BATCH, length, KEY_HEADS, KEY), dim=-1),
        "v": torch.randn(BATCH, length, HEADS, VALUE),
        "g": -rate * torch.rand(BATCH, length, HEADS),
        "beta": torch.rand(BATCH, length, HEADS),
    }
    return {name: value.to(dtype).requires_grad_() for name, value in inputs.items()}


@pytest.mark.parametrize("function", [gated_delta_rule, naive_rule])
def test_three_steps_by_hand(function: Any) -> None:
    first, second = [1.0, 0.0], [0.0, 1.0]
    k = torch.tensor([first, second, first], dtype=torch.float64).view(1, 3, 1, 2)
    q = torch.ones_like(k)
    v = torch.tensor([4.0, 2.0, 8.0], dtype=torch.float64).view(1, 3, 1, 1)
    g = torch.tensor([0.0, math.log(0.5), 0.0], dtype=torch.float64).view(1, 3, 1)
    beta = torch.tensor([1.0, 1.0, 0.5], dtype=torch.float64).view(1, 3, 1)
    # 4 under the first key; then half of it, beside 2; then half of the way from 2 to 8, beside 2.
    torch.testing.assert_close(function(q, k, v, g, beta).flatten(), torch.tensor([4.0, 4, 7], dtype=torch.float64))


@pytest.mark.parametrize(("length", "chunk"), [(1, 64), (7, 1), (8, 4), (9, 4), (21, 64)])
def test_values_and_gradients_are_those_of_the_reference(length: int, chunk: int) -> None:
    inputs = inputs_of(length)
    actual = values_and_gradients(gated_delta_rule, inputs, chunk_size=chunk)
    check_close(actual, values_and_gradients(naive_rule, inputs), 1e-9)


def test_a_value_that_is_written_fully_is_read_back() -> None:
    """With orthogonal keys and no decay, the memory is a dictionary."""
    k = torch.eye(4, dtype=torch.float64)[[0, 1, 2, 3, 1]].view(1, 5, 1, 4)
    v = torch.randn(1, 5, 1, 2, dtype=torch.float64)
    gate = torch.zeros(1, 5, 1, dtype=torch.float64)
    for asked, written in ((0, 0), (1, 4), (2, 2), (3, 3)):
        q = torch.eye(4, dtype=torch.float64)[asked].expand_as(k)
        torch.testing.assert_close(gated_delta_rule(q, k, v, gate, gate + 1, chunk_size=2)[0, -1], v[0, written])


@pytest.mark.parametrize(("chunk", "rate"), [(64, 1e-3), (64, 300.0), (512, 1.0)])
def test_any_decay_is_safe_over_512_steps_in_float32(chunk: int, rate: float) -> None:
    inputs = inputs_of(512, torch.float32, rate)
    actual = values_and_gradients(gated_delta_rule, inputs, chunk_size=chunk)
    check_close(actual, values_and_gradients(naive_rule, inputs))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 1e-2), (torch.float16, 2e-3)])
def test_half_precision_loses_only_the_rounding_of_its_inputs_and_output(dtype: torch.dtype, tolerance: float) -> None:
    inputs = inputs_of(40, dtype)
    fast = values_and_gradients(gated_delta_rule, inputs, chunk_size=16)
    assert {value.dtype for value in fast.values()} == {dtype}
    check_close(fast, values_and_gradients(naive_rule, inputs), tolerance)


def test_autocast_does_not_reach_the_memory() -> None:
    inputs = inputs_of(30, torch.float32)
    expected = values_and_gradients(gated_delta_rule, inputs, chunk_size=8)
    inside = values_and_gradients(gated_delta_rule, inputs, autocast=True, chunk_size=8)
    assert all(torch.equal(inside[name], value) for name, value in expected.items())


def test_what_is_kept_for_the_backward_pass_is_linear_in_length() -> None:
    short, long = (kept_for_backward(gated_delta_rule, inputs_of(length), chunk_size=16) for length in (64, 256))
    assert 0 < long <= 4.2 * short
