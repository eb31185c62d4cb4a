"""The scan of Mamba-2: against the step-by-step reference, and guarantees about range, dtype and memory."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gradients import check_close, kept_for_backward, values_and_gradients
from reorder_kit.ops.naive.selective_scan import selective_scan as naive_selective_scan
from reorder_kit.ops.naive.ssd_scan import ssd_scan as naive_scan
from reorder_kit.ops.ssd_scan import ssd_scan

BATCH, HEADS, DIM, GROUPS, STATE = 2, 4, 3, 2, 5


def inputs_of(length: int, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    torch.manual_seed(length)
    inputs = {
        "x": torch.randn(BATCH, length, HEADS, DIM),
        "dt": torch.randn(BATCH, length, HEADS),
        "A": -16 * torch.rand(HEADS),
        "B": torch.randn(BATCH, length, GROUPS, STATE),
        "C": torch.randn(BATCH, length, GROUPS, STATE),
        "D": torch.randn(HEADS),
        "dt_bias": torch.randn(HEADS) - 2,
    }
    return {name: value.to(dtype).requires_grad_() for name, value in inputs.items()}


@pytest.mark.parametrize("function", [ssd_scan, naive_scan])
def test_three_steps_by_hand(function: Any) -> None:
    column = lambda *values: torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1)  # noqa: E731
    arguments = {
        "x": column(2, 4, -8),
        "dt": column(1, 1, 2)[..., 0],
        "A": torch.tensor([-math.log(2)], dtype=torch.float64),  # half of the state is left after a step size of 1
        "B": column(1, 0.5, 1),
        "C": column(1, 1, 2),
    }
    # States: 2; 2 / 2 + 0.5 * 4 = 3; 3 / 4 - 2 * 8 = -15.25. The last is read twice.
    torch.testing.assert_close(function(**arguments), column(2, 3, -30.5))
    torch.testing.assert_close(function(**arguments, D=arguments["A"] * 0 + 10), column(22, 43, -110.5))
    soft = {**arguments, "dt": column(0, 0, 0)[..., 0], "dt_bias": torch.tensor([math.log(math.e - 1)]).double()}
    torch.testing.assert_close(function(**soft, dt_softplus=True), column(2, 3, -13))


@pytest.mark.parametrize(("length", "chunk"), [(1, 64), (7, 1), (8, 4), (9, 4), (21, 64)])
def test_values_and_gradients_are_those_of_the_reference(length: int, chunk: int) -> None:
    inputs = inputs_of(length)
    actual = values_and_gradients(ssd_scan, inputs, dt_softplus=True, chunk_size=chunk)
    check_close(actual, values_and_gradients(naive_scan, inputs, dt_softplus=True), 1e-9)


def test_it_is_the_selective_scan_whose_numbers_fade_alike() -> None:
    x, dt, rate, write, read, skip, bias = inputs_of(11).values()
    for head in range(HEADS):
        group = head // (HEADS // GROUPS)
        expected = naive_selective_scan(
            x[:, :, head].mT,
            dt[:, :, head, None].expand(-1, -1, DIM).mT,
            rate[head].expand(DIM, STATE),
            write[:, :, group].mT,
            read[:, :, group].mT,
            skip[head].expand(DIM),
            delta_bias=bias[head].expand(DIM),
            delta_softplus=True,
        )
        actual = ssd_scan(x, dt, rate, write, read, skip, bias, dt_softplus=True, chunk_size=4)[:, :, head]
        torch.testing.assert_close(actual, expected.mT)


@pytest.mark.parametrize("chunk", [64, 512])
def test_any_step_size_is_safe_over_512_steps_in_float32(chunk: int) -> None:
    """In some heads nothing is left after a step, in others almost nothing is forgotten."""
    torch.manual_seed(0)
    inputs = {
        "x": torch.randn(1, 512, 4, 2),
        "dt": torch.tensor([1e-4, 1e-2, 1.0, 300.0]) * torch.rand(1, 512, 4),
        "A": torch.tensor([-0.1, -16.0, -1.0, -16.0]),
        "B": torch.randn(1, 512, 1, 3),
        "C": torch.randn(1, 512, 1, 3),
    }
    inputs = {name: value.requires_grad_() for name, value in inputs.items()}
    actual, expected = (
        values_and_gradients(ssd_scan, inputs, chunk_size=chunk),
        values_and_gradients(naive_scan, inputs),
    )
    check_close(actual, expected)
    for head in range(4):  # each by its own scale
        one, other = ({name: found[name][:, :, head] for name in ("output", "x", "dt")} for found in (actual, expected))
        check_close(one, other)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 1e-2), (torch.float16, 2e-3)])
def test_half_precision_loses_only_the_rounding_of_its_inputs_and_output(dtype: torch.dtype, tolerance: float) -> None:
    inputs = inputs_of(40, dtype)
    fast = values_and_gradients(ssd_scan, inputs, dt_softplus=True, chunk_size=16)
    assert {value.dtype for value in fast.values()} == {dtype}
    check_close(fast, values_and_gradients(naive_scan, inputs, dt_softplus=True), tolerance)


def test_autocast_does_not_reach_the_state() -> None:
    inputs = inputs_of(30, torch.float32)
    expected = values_and_gradients(ssd_scan, inputs, chunk_size=8, dt_softplus=True)
    inside = values_and_gradients(ssd_scan, inputs, autocast=True, chunk_size=8, dt_softplus=True)
    assert all(torch.equal(inside[name], value) for name, value in expected.items())


def test_what_is_kept_for_the_backward_pass_is_linear_in_length() -> None:
    short, long = (kept_for_backward(ssd_scan, inputs_of(length), chunk_size=16) for length in (64, 256))
    assert 0 < long <= 4.2 * short
