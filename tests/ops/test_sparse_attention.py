"""Sparse attention: patterns by hand, values and gradients of the plain version, padding, and computed pairs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reorder_kit.ops import bigbird_pattern, fixed_pattern, strided_pattern
from reorder_kit.ops import sparse_attention as module
from reorder_kit.ops._attention_parts import shares_of_parts
from reorder_kit.ops.bigbird_pattern import BigBirdPattern
from reorder_kit.ops.fixed_pattern import FixedPattern
from reorder_kit.ops.naive import sparse_attention as naive
from reorder_kit.ops.sparse_attention import sparse_attention, sparse_attention_weights, sparse_mask
from reorder_kit.ops.sparse_pattern import SparsePattern
from reorder_kit.ops.strided_pattern import StridedPattern

LONGEST = 80


def drawn(block: int, window: int, num_random: int, num_global: int, seed: int = 0) -> BigBirdPattern:
    return BigBirdPattern.drawn(block, window, num_random, num_global, LONGEST, seed)


def seen_by_definition(pattern: SparsePattern, causal: bool) -> naive.Seen:
    if isinstance(pattern, StridedPattern):
        return naive.strided(pattern.stride)
    if isinstance(pattern, FixedPattern):
        return naive.fixed(pattern.block, pattern.num_summary)
    assert isinstance(pattern, BigBirdPattern)

    def random(block: int, num_blocks: int) -> list[int]:
        found: list[int] = pattern.random_blocks(torch.tensor([block]), num_blocks, causal)[0].tolist()
        return found

    return naive.bigbird(pattern.block, pattern.window, pattern.num_global, random)


PATTERNS = [
    StridedPattern(1),
    StridedPattern(4),
    StridedPattern(50),
    FixedPattern(4, 1),
    FixedPattern(5, 5),
    FixedPattern(90, 3),
    drawn(1, 0, 0, 0),
    drawn(3, 1, 2, 1),
    drawn(4, 0, 3, 0),
    drawn(7, 1, 2, 20),
    drawn(90, 2, 1, 1),
]
LENGTHS = (1, 3, 26)


@pytest.fixture(params=["whole", "sparse"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both paths of the operator, regardless of length."""
    monkeypatch.setattr(module, "_is_masked", lambda *_: request.param == "whole")
    return str(request.param)


@dataclass(frozen=True)
class Case:
    pattern: SparsePattern
    length: int
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
        valid = self.valid()
        rest = (self.causal, self.num_global, valid)
        counts = torch.ones(2, self.length, dtype=torch.bool) if valid is None else valid
        noise = torch.Generator().manual_seed(self.seed)
        weights = torch.randn(2, 2, self.length, 6, dtype=torch.float64, generator=noise) * counts[:, None, :, None]
        attended = sparse_attention(query[:, :, self.num_global :], key, value, self.pattern, *rest)
        seen = seen_by_definition(self.pattern, self.causal)
        expected = naive.sparse_attention(query[:, :, self.num_global :], key, value, seen, *rest)
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


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS, ids=[str(number) for number in range(len(PATTERNS))])
def test_the_mask_is_the_definition(pattern: SparsePattern, causal: bool) -> None:
    seen = seen_by_definition(pattern, causal)
    for length in LENGTHS:
        found = sparse_mask(pattern, length, causal)
        for slot in range(length):
            expected = {other for other in seen(slot, length) if not causal or other <= slot}
            assert set(found[slot].nonzero().flatten().tolist()) == expected


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS, ids=[str(number) for number in range(len(PATTERNS))])
@pytest.mark.usefixtures("way")
def test_values_and_gradients_are_those_of_the_plain_version(
    pattern: SparsePattern, causal: bool, padded: bool
) -> None:
    for length, num_global in ((1, 0), (17, 2)):
        Case(pattern, length, causal, num_global, padded).check(torch.float32, tolerance=1e-5)


patterns = st.one_of(
    st.builds(StridedPattern, st.integers(1, 60)),
    st.integers(1, 40).flatmap(lambda block: st.builds(FixedPattern, st.just(block), st.integers(1, block))),
    st.builds(drawn, *(st.integers(low, high) for low, high in ((1, 20), (0, 3), (0, 4), (0, 3), (0, 99)))),
)


@given(
    case=st.builds(
        Case,
        pattern=patterns,
        length=st.integers(1, 40),
        causal=st.booleans(),
        num_global=st.integers(0, 2),
        padded=st.booleans(),
        seed=st.integers(0, 1000),
    )
)
@settings(max_examples=25, deadline=None)
def test_any_pattern_and_length(case: Case) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_is_masked", lambda *_: False)
        case.check(torch.float32, tolerance=1e-5)


SOME = [StridedPattern(5), FixedPattern(5, 2), drawn(4, 1, 2, 1)]
every_kind = pytest.mark.parametrize("pattern", SOME, ids=lambda pattern: type(pattern).__name__)


@every_kind
@pytest.mark.usefixtures("way")
def test_bfloat16_is_that_of_the_plain_version_within_its_precision(pattern: SparsePattern) -> None:
    Case(pattern, 30, causal=True, num_global=1, padded=True).check(torch.bfloat16, tolerance=1e-2)


@every_kind
@pytest.mark.usefixtures("way")
def test_padding_is_as_good_as_cut_out(pattern: SparsePattern) -> None:
    query, key, value = Case(pattern, 50, num_global=1).tensors()
    valid = Case(pattern, 50, padded=True).valid()
    assert valid is not None
    together = sparse_attention(query[:, :, 1:], key, value, pattern, False, 1, valid)
    for image in range(2):
        kept = torch.cat([torch.arange(1), 1 + valid[image].nonzero().flatten()])
        query_alone, key_alone, value_alone = (tensor[image : image + 1, :, kept] for tensor in (query, key, value))
        alone = sparse_attention(query_alone[:, :, 1:], key_alone, value_alone, pattern, False, 1)
        torch.testing.assert_close(together[image : image + 1, :, valid[image]], alone)


@every_kind
@pytest.mark.parametrize("num_global", [0, 1])
@pytest.mark.usefixtures("way")
def test_an_image_of_padding_alone_is_finite_and_spoils_no_other(pattern: SparsePattern, num_global: int) -> None:
    tensors = query, key, value = Case(pattern, 30, num_global=num_global).tensors()
    valid = torch.tensor([[False], [True]]).expand(2, 30)
    attended = sparse_attention(query[:, :, num_global:], key, value, pattern, False, num_global, valid)
    full = sparse_attention(query[:, :, num_global:], key, value, pattern, False, num_global)
    torch.testing.assert_close(attended[1], full[1])
    gradients = torch.autograd.grad(attended.square().sum(), tensors)
    assert all(tensor.isfinite().all() for tensor in (attended, *gradients))


@every_kind
@pytest.mark.parametrize("padded", [False, True])
def test_weights_are_what_values_are_multiplied_with(pattern: SparsePattern, padded: bool) -> None:
    case = Case(pattern, 30, causal=True, num_global=1, padded=padded)
    query, key, value = case.tensors()
    weights = sparse_attention_weights(query[:, :, 1:], key, pattern, True, 1, case.valid())
    attended = sparse_attention(query[:, :, 1:], key, value, pattern, True, 1, case.valid())
    torch.testing.assert_close(weights @ value, attended)


def kept_for_the_backward_pass(pattern: SparsePattern, length: int, causal: bool, padded: bool) -> int:
    """Bytes, since seconds would depend on the machine."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    case = Case(pattern, length, causal, num_global=1, padded=padded)
    query, key, value = case.tensors()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        sparse_attention(query[:, :, 1:], key, value, pattern, causal, 1, case.valid())
    return sum(kept.values())


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_memory_grows_with_the_pairs_that_see_each_other(causal: bool, padded: bool) -> None:
    """With four times as many slots: twice the stride is 8 times as many pairs, and blocks of a size are 4 times."""
    growth: dict[str, float] = {}
    for name, short, long in [
        ("strided", StridedPattern(16), StridedPattern(32)),
        ("fixed", FixedPattern(16, 2), FixedPattern(32, 2)),
        ("bigbird", *[BigBirdPattern.drawn(16, 1, 2, 1, slots, seed=0) for slots in (512, 2048)]),
    ]:
        growth[name] = kept_for_the_backward_pass(long, 2048, causal, padded) / kept_for_the_backward_pass(
            short, 512, causal, padded
        )
    assert growth["strided"] <= 8.5
    assert growth["fixed"] <= 8.5
    assert growth["bigbird"] <= 4.5


def test_bigbird_gathers_as_many_keys_as_a_block_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    attention = bigbird_pattern.scaled_dot_product_attention

    def spy(query: Tensor, key: Tensor, value: Tensor, **rest: Any) -> Tensor:
        seen.append((*query.shape[1:3], key.shape[2]))
        return attention(query, key, value, **rest)

    monkeypatch.setattr(bigbird_pattern, "scaled_dot_product_attention", spy)
    case = Case(BigBirdPattern.drawn(8, 1, 2, 1, 403, seed=0), 403, num_global=2)
    query, key, value = case.tensors()
    sparse_attention(query[:, :, 2:], key, value, case.pattern, num_global=2)
    # One global block sees all tokens; 50 blocks of 8 see 2 tokens and 3 + 1 + 2 blocks.
    assert seen == [(2, 8, 405), (50, 8, 2 + 6 * 8)]


def looked_at(case: Case, monkeypatch: pytest.MonkeyPatch) -> int:
    """The number of computed scores, for one head of one image."""
    counted = 0
    by_dispatch = torch.nn.functional.scaled_dot_product_attention

    def fused(query: Tensor, key: Tensor, value: Tensor, **rest: Any) -> Tensor:
        nonlocal counted
        counted += query.shape[:-1].numel() * key.shape[2] // 4
        return by_dispatch(query, key, value, **rest)

    def in_parts(scores: list[Tensor], masks: list[Tensor]) -> tuple[Tensor, ...]:
        nonlocal counted
        counted += sum(part.numel() for part in scores) // 4
        return shares_of_parts(scores, masks)

    for each in (module, bigbird_pattern):
        monkeypatch.setattr(each, "scaled_dot_product_attention", fused)
    for each in (strided_pattern, fixed_pattern):
        monkeypatch.setattr(each, "shares_of_parts", in_parts)
    sparse_attention(*case.tensors(), case.pattern, case.causal)
    return counted


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS, ids=[str(number) for number in range(len(PATTERNS))])
def test_pairs_are_those_that_are_looked_at(
    pattern: SparsePattern, causal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_is_masked", lambda *_: False)
    for length in (1, 26, 77):
        assert looked_at(Case(pattern, length, causal), monkeypatch) == pattern.pairs(length, causal)


LONG = [StridedPattern(288), StridedPattern(4096), FixedPattern(200, 40), FixedPattern(4096, 1)]
LONG += [BigBirdPattern.drawn(block, 1, 3, number, 289, seed=0) for block in (200, 4096) for number in (0, 1)]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("pattern", LONG, ids=[str(number) for number in range(len(LONG))])
def test_tiles_longer_than_the_sequence_cost_no_more_than_all_pairs(
    pattern: SparsePattern, causal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pattern.pairs(289, causal) >= 289**2
    assert looked_at(Case(pattern, 289, causal), monkeypatch) == 289**2


def test_random_numbers_move_with_the_model_once_and_are_not_saved() -> None:
    pattern = drawn(4, 1, 2, 1)
    assert pattern.to("meta").draws.device.type == "meta"
    assert not pattern.state_dict()
    assert pattern.random_blocks(torch.zeros(3, dtype=torch.long, device="meta"), 9, causal=False).is_meta


def test_by_hand_what_a_slot_sees() -> None:
    def seen(pattern: SparsePattern, slot: int, causal: bool) -> list[int]:
        return sparse_mask(pattern, 11, causal)[slot].nonzero().flatten().tolist()

    assert seen(StridedPattern(3), 7, causal=True) == [1, 4, 5, 6, 7]
    assert seen(StridedPattern(3), 7, causal=False) == [1, 4, 5, 6, 7, 8, 9, 10]
    assert seen(FixedPattern(4, 2), 5, causal=True) == [2, 3, 4, 5]
    assert seen(FixedPattern(4, 2), 5, causal=False) == [2, 3, 4, 5, 6, 7, 10]
    assert seen(drawn(2, 1, 0, 1), 7, causal=False) == [0, 1, 4, 5, 6, 7, 8, 9]
    assert seen(drawn(2, 1, 0, 1), 7, causal=True) == [0, 1, 4, 5, 6, 7]
    assert seen(drawn(2, 0, 0, 1), 1, causal=False) == list(range(11))
    # Five blocks are left, and five are drawn: all.
    assert seen(drawn(2, 0, 5, 0), 7, causal=False) == list(range(11))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("window", "num_global", "num_random"), [(0, 0, 3), (1, 2, 2), (2, 1, 6), (0, 3, 1)])
def test_random_blocks_are_distinct_and_not_seen_anyway(
    causal: bool, window: int, num_global: int, num_random: int
) -> None:
    pattern = drawn(4, window, num_random, num_global, seed=3)
    for num_blocks in (1, 2, 5, 9, 20):
        for block in range(num_global, num_blocks):
            found = pattern.random_blocks(torch.tensor([block]), num_blocks, causal)[0].tolist()
            last = block if causal else num_blocks
            left = [other for other in range(num_global, last) if abs(other - block) > window]
            blocks = [other for other in found if other >= 0]
            assert len(set(blocks)) == len(blocks) == min(num_random, len(left))
            assert set(blocks) <= set(left)


def test_every_block_is_drawn_about_as_often_as_any_other() -> None:
    pattern = BigBirdPattern.drawn(1, 0, 2, 0, 4000, seed=0)
    times = torch.zeros(6)
    # Rows of different numbers are independent draws for a sequence of six blocks: block 0 draws from five others.
    for row in range(2000):
        moved = BigBirdPattern(1, 0, 0, pattern.draws[row : row + 1])
        times[moved.random_blocks(torch.tensor([0]), 6, causal=False)[0]] += 1
    assert times[0] == 0
    assert ((times[1:] / 2000 - 2 / 5).abs() < 0.05).all()


def test_a_seed_draws_the_same_blocks_always() -> None:
    """The numbers are fixed: a checkpoint must find the same blocks in the future."""
    pattern = BigBirdPattern.drawn(2, 0, 2, 1, 16, seed=7)
    assert pattern.random_blocks(torch.arange(1, 8), 8, causal=False).tolist() == [
        [3, 7],
        [3, 5],
        [4, 2],
        [5, 6],
        [6, 1],
        [2, 7],
        [3, 5],
    ]
