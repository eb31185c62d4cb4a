"""The selective scan: against the step-by-step reference, and guarantees about range, dtype and memory."""

from __future__ import annotations

import math
import sys
from inspect import unwrap
from typing import Any

import pytest
import torch
from torch import Tensor

from gradients import check_close, kept_for_backward, values_and_gradients
from reorder_kit.errors import ReorderKitError
from reorder_kit.ops import selective_scan as module
from reorder_kit.ops._chunked_scan import CHUNK, scan
from reorder_kit.ops.naive.selective_scan import selective_scan as naive_scan
from reorder_kit.ops.scan_backend import ScanBackend
from reorder_kit.ops.selective_scan import choose_backend, selective_scan

BATCH, DIM, STATE = 2, 5, 3


def inputs_of(length: int, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """Inputs by name, including bias and gate."""
    torch.manual_seed(length)
    sequence, inner = (BATCH, DIM, length), (BATCH, STATE, length)
    inputs = {
        "u": torch.randn(sequence),
        "delta": torch.randn(sequence),
        "A": -16 * torch.rand(DIM, STATE),
        "B": torch.randn(inner),
        "C": torch.randn(inner),
        "D": torch.randn(DIM),
        "z": torch.randn(sequence),
        "delta_bias": torch.randn(DIM) - 2,
    }
    return {name: value.to(dtype).requires_grad_() for name, value in inputs.items()}


def with_softplus(function: Any, inputs: dict[str, Tensor], softplus: bool = True, **named: Any) -> dict[str, Tensor]:
    return values_and_gradients(function, inputs, delta_softplus=softplus, **named)


@pytest.mark.parametrize("function", [selective_scan, naive_scan])
def test_three_steps_by_hand(function: Any) -> None:
    row = lambda *values: torch.tensor([[values]], dtype=torch.float64)  # noqa: E731
    arguments = {
        "u": row(2, 4, -8),
        "delta": row(1, 1, 2),
        "A": torch.tensor([[-math.log(2)]], dtype=torch.float64),  # half of the state is left after a step size of 1
        "B": row(1, 0.5, 1),
        "C": row(1, 1, 2),
    }
    # States: 2; 2 / 2 + 0.5 * 4 = 3; 3 / 4 - 2 * 8 = -15.25. The last is read twice.
    torch.testing.assert_close(function(**arguments), row(2, 3, -30.5))
    skip = torch.tensor([10.0], dtype=torch.float64)
    torch.testing.assert_close(function(**arguments, D=skip), row(22, 43, -110.5))
    gated = function(**arguments, z=row(0, 1, 0))
    torch.testing.assert_close(gated, row(0, 3 / (1 + math.exp(-1)), 0))
    # A bias of 1 on top of step sizes of -1, -1 and 0 is a step size of 0, 0 and 1: nothing is written but at the end.
    biased = arguments | {"delta": row(-1, -1, 0)}
    torch.testing.assert_close(function(**biased, delta_bias=torch.ones(1, dtype=torch.float64)), row(0, 0, -16))
    # softplus(log(e - 1)) = 1
    soft = arguments | {"delta": row(0, 0, 0) + math.log(math.e - 1)}
    torch.testing.assert_close(function(**soft, delta_softplus=True), row(2, 3, -13))


@pytest.mark.parametrize("length", [1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 3])
def test_values_and_gradients_are_those_of_the_reference(length: int) -> None:
    inputs = inputs_of(length)
    check_close(with_softplus(selective_scan, inputs), with_softplus(naive_scan, inputs), 1e-5)


# Warnings that torch's compiler raises and catches itself must not become errors inside it.
@pytest.mark.filterwarnings("default")
@pytest.mark.slow
@pytest.mark.parametrize("length", [3, 3 * CHUNK, 3 * CHUNK + 2])
def test_the_compiled_scan_is_that_of_the_reference(length: int) -> None:
    inputs = inputs_of(length)
    compiled = with_softplus(selective_scan, inputs, backend="compiled")
    check_close(compiled, with_softplus(naive_scan, inputs), 1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 1e-2), (torch.float16, 2e-3)])
def test_half_precision_loses_only_the_rounding_of_its_inputs_and_output(dtype: torch.dtype, tolerance: float) -> None:
    inputs = inputs_of(40, dtype)
    fast = with_softplus(selective_scan, inputs)
    assert {value.dtype for value in fast.values()} == {dtype}
    check_close(fast, with_softplus(naive_scan, inputs), tolerance)


def test_gradients_are_those_of_finite_differences() -> None:
    inputs = inputs_of(CHUNK + 2, torch.float64)
    scan_of = lambda *values: selective_scan(*values, delta_softplus=True)  # noqa: E731
    assert torch.autograd.gradcheck(scan_of, tuple(inputs.values()), fast_mode=True)


@pytest.mark.parametrize("length", [1024, pytest.param(16_384, marks=pytest.mark.slow)])
def test_any_step_size_is_safe_at_any_length(length: int) -> None:
    """In some channels decays multiply to zero within a step, in others almost nothing decays."""
    torch.manual_seed(0)
    scales = torch.tensor([1e-4, 1e-2, 1.0, 300.0])
    inputs = {
        "u": torch.randn(1, 4, length),
        "delta": scales.unsqueeze(-1) * torch.rand(1, 4, length),
        "A": torch.tensor([[-0.1, -16.0]]).repeat(4, 1),
        "B": torch.randn(1, 2, length),
        "C": torch.randn(1, 2, length),
    }
    for value in inputs.values():
        value.requires_grad_()
    actual, expected = (with_softplus(function, inputs, softplus=False) for function in (selective_scan, naive_scan))
    check_close(actual, expected, 1e-5)
    for channel in range(4):  # each by its own scale
        one, other = (
            {name: values[name].select(-2, channel) for name in ("output", "u", "delta", "A")}
            for values in (actual, expected)
        )
        check_close(one, other, 1e-5)


def test_only_the_given_parts_are_added() -> None:
    inputs = {name: value for name, value in inputs_of(9).items() if name in ("u", "delta", "A", "B", "C")}
    torch.testing.assert_close(selective_scan(**inputs), naive_scan(**inputs).float(), rtol=1e-5, atol=1e-5)


def test_autocast_does_not_reach_the_state() -> None:
    inputs = inputs_of(30)
    expected = with_softplus(selective_scan, inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = with_softplus(selective_scan, inputs)
    assert all(torch.equal(inside[name], value) for name, value in expected.items())


def test_what_is_kept_for_the_backward_pass_is_linear_in_length_and_smaller_than_all_states() -> None:
    def kept(length: int) -> int:
        inputs = {name: value[:, :, :length] if value.ndim == 3 else value for name, value in wide.items()}
        return kept_for_backward(selective_scan, inputs, delta_softplus=True)

    torch.manual_seed(0)
    dim, state = 8, 64
    wide = {name: torch.rand(1, dim, 256, requires_grad=True) for name in ("u", "delta", "z")}
    wide |= {name: torch.rand(1, state, 256, requires_grad=True) for name in ("B", "C")}
    wide["A"] = (-torch.rand(dim, state)).requires_grad_()
    assert kept(256) <= 4.2 * kept(64)
    assert kept(256) < dim * state * 256 / 2


# torch's own check reads the gradient of tensors that have none.
@pytest.mark.filterwarnings("default")
def test_the_operator_keeps_the_rules_of_torch() -> None:
    steps = [torch.rand(CHUNK + 1, BATCH, size) for size in (DIM, DIM, STATE, STATE)]
    u, delta, write, read = (tensor.requires_grad_() for tensor in steps)
    rate = (-torch.rand(STATE, DIM)).requires_grad_()
    torch.library.opcheck(scan, (u, delta, rate, write, read, False))


# Shape checks, which tests add to every function, cannot be traced.
@pytest.mark.filterwarnings("default")
def test_an_outer_compile_sees_one_operator_whatever_the_length() -> None:
    sizes = []

    def backend(graph: torch.fx.GraphModule, _: Any) -> Any:
        sizes.append(len(graph.graph.nodes))
        return graph.forward

    for length in (4, 40):
        torch.compiler.reset()
        inputs = inputs_of(length)
        compiled = torch.compile(unwrap(selective_scan), backend=backend, fullgraph=True, dynamic=False)
        check_close(with_softplus(compiled, inputs), with_softplus(selective_scan, inputs), 1e-6)
    assert len(sizes) == 2
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize(
    ("asked", "device", "dtype", "has_kernel", "chosen"),
    [
        ("auto", "cpu", torch.float32, True, "torch"),
        ("auto", "cuda", torch.float32, True, "mamba-ssm"),
        ("auto", "cuda", torch.bfloat16, True, "mamba-ssm"),
        ("auto", "cuda", torch.float64, True, "torch"),
        ("auto", "cuda", torch.float32, False, "torch"),
        ("torch", "cuda", torch.float32, True, "torch"),
        ("compiled", "cuda", torch.float32, True, "compiled"),
        ("compiled", "cpu", torch.float32, False, "compiled"),
        ("mamba-ssm", "cuda", torch.float16, True, "mamba-ssm"),
    ],
)
def test_which_backend_computes_a_scan(
    asked: ScanBackend,
    device: str,
    dtype: torch.dtype,
    has_kernel: bool,
    chosen: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_kernel", lambda: naive_scan if has_kernel else ImportError("no CUDA"))
    assert choose_backend(asked, device, dtype) == chosen


def test_the_kernel_gets_the_dtypes_it_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[torch.dtype | None] = []

    def kernel(*arguments: Any) -> Tensor:
        given.extend(value.dtype if isinstance(value, Tensor) else None for value in arguments)
        return selective_scan(*arguments)

    monkeypatch.setattr(module, "_kernel", lambda: kernel)
    monkeypatch.setattr(
        module, "choose_backend", lambda backend, *_: "mamba-ssm" if backend == "mamba-ssm" else "torch"
    )
    inputs = inputs_of(10) | {"u": torch.randn(BATCH, DIM, 10).bfloat16()}
    y = selective_scan(**inputs, delta_softplus=True, backend="mamba-ssm")
    half, full = torch.bfloat16, torch.float32
    assert given == [half, half, full, half, half, full, half, full, None]
    check_close({"y": y}, {"y": naive_scan(**inputs, delta_softplus=True)}, 2e-2)


@pytest.mark.parametrize(
    ("dtype", "message"), [(torch.float32, "not torch.float32 on cpu"), (torch.float64, "not torch.float64 on cpu")]
)
def test_a_kernel_that_cannot_compute_this_is_refused(dtype: torch.dtype, message: str) -> None:
    with pytest.raises(ReorderKitError, match=message) as caught:
        selective_scan(**inputs_of(4, dtype), backend="mamba-ssm")
    assert "backend: auto" in str(caught.value.hint)


def test_a_kernel_that_cannot_be_imported_is_an_error_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_kernel", lambda: ImportError("undefined symbol"))
    monkeypatch.setattr(module, "choose_backend", lambda *_: "mamba-ssm")
    with pytest.raises(ReorderKitError, match="cannot be imported: ImportError: undefined symbol") as caught:
        selective_scan(**inputs_of(4))
    assert "reorder-kit doctor" in str(caught.value.hint)


def test_without_the_package_there_is_no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mamba_ssm", None)
    assert isinstance(unwrap(module._kernel)(), ModuleNotFoundError)
