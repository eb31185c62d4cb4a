"""Sliding-window attention: hand-worked cases, the plain version, padding, and the inputs of FlexAttention."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask, create_mask, flex_attention

from reorder_kit.ops import _flex_window, sliding_window
from reorder_kit.ops._blockwise_window import blockwise_window_attention
from reorder_kit.ops._flex_window import cached_block_mask, window_block_mask, window_mask_mod
from reorder_kit.ops.naive import sliding_window as naive
from reorder_kit.ops.sliding_window import sliding_window_attention
from reorder_kit.ops.window_mask import window_mask


@pytest.fixture(params=["whole", "blocks"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both paths of the operator, regardless of length."""
    monkeypatch.setattr(sliding_window, "_SHORT_SLOTS", 10_000 if request.param == "whole" else 0)
    monkeypatch.setattr(sliding_window, "_SHORT_WINDOWS", 0)
    return str(request.param)


@dataclass(frozen=True)
class Case:
    length: int
    window: int
    causal: bool = False
    num_global: int = 0
    padded: bool = False
    seed: int = field(default=0, compare=False)

    def tensors(self, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
        generator = torch.Generator().manual_seed(self.seed)
        shape = 2, 2, self.num_global + self.length, 6
        query, key, value = (torch.randn(shape, generator=generator).to(dtype).requires_grad_() for _ in range(3))
        return query, key, value

    def valid(self) -> Tensor | None:
        if not self.padded:
            return None
        valid = torch.rand(2, self.length, generator=torch.Generator().manual_seed(self.seed)) < 0.6
        valid[:, self.length // 2] = True
        return valid

    def check(self, dtype: torch.dtype, tolerance: float) -> None:
        """Values and gradients of the plain version, relative to the largest; both exclude padding."""
        query, key, value = tensors = self.tensors(dtype)
        arguments = (query[:, :, self.num_global :], key, value, self.window, self.causal, self.num_global)
        valid = self.valid()
        counts = torch.ones(2, self.length, dtype=torch.bool) if valid is None else valid
        weights = torch.randn(2, 2, self.length, 6, dtype=torch.float64) * counts[:, None, :, None]
        attended, expected = (
            sliding_window_attention(*arguments, valid),
            naive.sliding_window_attention(*arguments, valid),
        )
        assert attended.dtype == dtype
        assert attended.isfinite().all()
        assert relative_error(attended.double() * counts[:, None, :, None], expected) <= tolerance
        gradients = torch.stack(torch.autograd.grad((attended * weights).sum(), tensors))
        expected_gradients = torch.stack(torch.autograd.grad((expected * weights).sum(), tensors))
        assert relative_error(gradients, expected_gradients) <= tolerance


def relative_error(result: Tensor, expected: Tensor) -> float:
    """Of the largest element."""
    expected = expected.detach().double()
    return float((result.detach().double() - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("num_global", [0, 2])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("length", "window"), [(1, 0), (1, 3), (7, 0), (7, 2), (7, 6), (64, 5), (75, 36)])
@pytest.mark.usefixtures("way")
def test_values_and_gradients_are_those_of_the_plain_version(
    length: int, window: int, causal: bool, num_global: int, padded: bool
) -> None:
    Case(length, window, causal, num_global, padded).check(torch.float32, tolerance=1e-5)


@pytest.mark.parametrize("case", [Case(70, 9), Case(70, 9, causal=True, num_global=2, padded=True)], ids=str)
@pytest.mark.usefixtures("way")
def test_bfloat16_is_that_of_the_plain_version_within_its_precision(case: Case) -> None:
    case.check(torch.bfloat16, tolerance=1e-2)


@given(
    case=st.builds(
        Case,
        length=st.integers(1, 70),
        window=st.integers(0, 80),
        causal=st.booleans(),
        num_global=st.integers(0, 2),
        padded=st.booleans(),
        seed=st.integers(0, 1000),
    )
)
@settings(max_examples=15, deadline=None)
def test_any_length_and_window_in_blocks(case: Case) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sliding_window, "_SHORT_SLOTS", 0)
        patch.setattr(sliding_window, "_SHORT_WINDOWS", 0)
        case.check(torch.float32, tolerance=1e-5)


@pytest.mark.parametrize("padded", [False, True])
def test_a_long_sequence_goes_through_blocks_and_a_short_one_does_not(
    padded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []

    def spy(query: Tensor, *arguments: object) -> Tensor:
        lengths.append(query.shape[2])
        return blockwise_window_attention(query, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(sliding_window, "blockwise_window_attention", spy)
    for case in (Case(256, 3, padded=padded), Case(257, 3, padded=padded), Case(400, 100), Case(401, 100)):
        query, key, value = case.tensors()
        attended = sliding_window_attention(query, key, value, case.window, valid=case.valid())
        assert attended.shape == query.shape
    assert lengths == [257, 401]


@pytest.mark.usefixtures("way")
def test_by_hand_equal_scores_give_the_mean_of_what_is_seen() -> None:
    values = torch.tensor([12.0, 0.0, 3.0, 6.0, 9.0]).reshape(1, 1, 5, 1)  # the first is global
    alike = torch.zeros(1, 1, 4, 1)
    seen = sliding_window_attention(alike, torch.zeros_like(values), values, window=1, num_global=1)
    assert seen.flatten().tolist() == [5, 5.25, 7.5, 9]
    causal = sliding_window_attention(alike, torch.zeros_like(values), values, window=1, causal=True, num_global=1)
    assert causal.flatten().tolist() == [6, 5, 7, 9]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("num_global", [0, 1])
@pytest.mark.parametrize("causal", [False, True])
def test_padding_is_as_good_as_cut_out(causal: bool, num_global: int) -> None:
    query, key, value = Case(50, 3, num_global=num_global).tensors()
    valid = Case(50, 3, padded=True).valid()
    assert valid is not None
    together = sliding_window_attention(query[:, :, num_global:], key, value, 3, causal, num_global, valid)
    for image in range(2):
        kept = torch.cat([torch.arange(num_global), num_global + valid[image].nonzero().flatten()])
        query_alone, key_alone, value_alone = (tensor[image : image + 1, :, kept] for tensor in (query, key, value))
        alone = sliding_window_attention(query_alone[:, :, num_global:], key_alone, value_alone, 3, causal, num_global)
        torch.testing.assert_close(together[image : image + 1, :, valid[image]], alone)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("num_global", [0, 1])
def test_an_image_of_padding_alone_is_finite_and_spoils_no_other(num_global: int) -> None:
    tensors = query, key, value = Case(50, 3, num_global=num_global).tensors()
    valid = torch.tensor([[False], [True]]).expand(2, 50)
    attended = sliding_window_attention(query[:, :, num_global:], key, value, 3, False, num_global, valid)
    full = sliding_window_attention(query[:, :, num_global:], key, value, 3, False, num_global)
    torch.testing.assert_close(attended[1], full[1])
    gradients = torch.autograd.grad(attended.square().sum(), tensors)
    assert all(tensor.isfinite().all() for tensor in (attended, *gradients))


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_what_is_kept_for_the_backward_pass_grows_in_proportion_to_the_length(causal: bool, padded: bool) -> None:
    def kept(length: int) -> int:
        elements: list[int] = []

        def keep(tensor: Tensor) -> Tensor:
            elements.append(tensor.untyped_storage().nbytes())
            return tensor

        query, key, value = Case(length, 14, num_global=1).tensors()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            valid = Case(length, 14, padded=padded).valid()
            sliding_window_attention(query[:, :, 1:], key, value, 14, causal, 1, valid)
        return sum(elements)

    assert 3.5 < kept(4096) / kept(1024) <= 4.6


TILES = [(1, 0), (127, 1), (128, 14), (129, 128), (300, 200), (700, 129)]
every_tiling = pytest.mark.parametrize(("length", "window"), TILES)
every_num_global = pytest.mark.parametrize("num_global", [0, 1, 130])
every_direction = pytest.mark.parametrize("causal", [False, True])


@every_tiling
@every_num_global
@every_direction
def test_flex_attention_is_told_the_same_window(length: int, window: int, num_global: int, causal: bool) -> None:
    mod = window_mask_mod(window, causal, num_global)
    told = create_mask(mod, 1, 1, length, num_global + length, device="cpu")[0, 0]
    assert torch.equal(told[:, num_global:], window_mask(length, window, causal))
    assert told[:, :num_global].all()
    tiles = create_block_mask(mod, None, None, length, num_global + length, device="cpu").to_dense()
    assert torch.equal(window_block_mask(length, window, causal, num_global).to_dense().bool(), tiles.bool())


def test_the_mask_of_flex_attention_is_made_once_for_a_length_and_window() -> None:
    assert cached_block_mask(300, 5, False, 1) is cached_block_mask(300, 5, False, 1)
    assert cached_block_mask(300, 5, False, 1) is not cached_block_mask(300, 5, True, 1)


def test_the_mask_of_flex_attention_can_be_trained_with_after_an_evaluation() -> None:
    with torch.inference_mode():
        mask = cached_block_mask(301, 5, False, 1)
    assert not mask.kv_indices.is_inference()


# FlexAttention's own plain version, which works on CPU without gradients, and warns of being slow.
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("case", [Case(300, 20), Case(300, 20, causal=True, num_global=2)], ids=str)
def test_where_flex_attention_works_it_does_the_work(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def plain() -> object:
        nonlocal calls
        calls += 1
        return flex_attention

    monkeypatch.setattr(sliding_window, "flex_works_on", lambda query: True)
    monkeypatch.setattr(_flex_window, "_compiled_attention", plain)
    query, key, value = (tensor.detach() for tensor in case.tensors())
    arguments = (query[:, :, case.num_global :], key, value, case.window, case.causal, case.num_global)
    assert relative_error(sliding_window_attention(*arguments), naive.sliding_window_attention(*arguments)) <= 1e-5
    assert calls == 1


@pytest.mark.parametrize(
    ("is_cuda", "dtype", "dim", "works"),
    [
        (True, torch.float32, 16, True),
        (True, torch.bfloat16, 64, True),
        (True, torch.float64, 64, False),
        (True, torch.float32, 8, False),
        (False, torch.float32, 64, False),
    ],
)
def test_flex_attention_is_for_cuda_and_for_what_it_has_kernels_for(
    is_cuda: bool, dtype: torch.dtype, dim: int, works: bool
) -> None:
    class Query(Tensor):
        is_cuda = property(lambda self: pretended)  # type: ignore[assignment]

    pretended = is_cuda
    assert _flex_window.flex_works_on(torch.zeros(1, 1, 1, dim, dtype=dtype).as_subclass(Query)) == works


def test_a_mask_that_evaluation_made_can_be_used_in_training() -> None:
    query, key, value = Case(11, 2).tensors()
    with torch.inference_mode():
        expected = sliding_window_attention(query, key, value, window=2)
    attended = sliding_window_attention(query, key, value, window=2)
    torch.testing.assert_close(attended, expected.clone())
    attended.sum().backward()
    assert value.grad is not None
