"""Sparse attention: what a block of the network sees, random blocks, CLS, long sequences and reach."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from reorder_kit.backbones.sparse import Sparse
from reorder_kit.interfaces import ImageShape, PatchSequence
from reorder_kit.ops import sparse_attention
from reorder_kit.ops.bigbird_pattern import BigBirdPattern
from reorder_kit.ops.sparse_attention import sparse_mask

DIGITS = ImageShape(1, 8, 8)
TINY: dict[str, Any] = {"patch_size": 2, "dim": 8, "heads": 2, "depth": 1, "positions": "none"}
BIGBIRD: dict[str, Any] = {"pattern": "bigbird", "block": 2, "window": 0, "num_random": 2, "num_global": 1}
PATTERNS: list[dict[str, Any]] = [{"stride": 3}, {"pattern": "fixed", "block": 5, "num_summary": 2}, BIGBIRD]
every_pattern = pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.get("pattern", "strided"))


def build(image: ImageShape = DIGITS, **options: Any) -> Sparse:
    torch.manual_seed(0)
    sparse = Sparse(Sparse.Options(**TINY | options), image)
    with torch.no_grad():
        for parameter in sparse.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return sparse.double().eval()


def patches_of(sparse: Sparse) -> PatchSequence:
    return sparse.tokenize(torch.randn(2, *sparse.image.axes, dtype=torch.float64))


def pattern_of(sparse: Sparse, block: int = 0) -> Any:
    return sparse.blocks[block].get_submodule("attn").pattern


@torch.no_grad()
def moves(sparse: Sparse) -> tuple[Tensor, list[bool]]:
    """Which slot changes (first) when a patch does (second), and by which patches CLS does."""
    sequence = patches_of(sparse)
    before = sparse.encode(sequence)
    changed, of_cls = [], []
    for slot in range(sequence.num_slots):
        patches = sequence.patches.clone()
        patches[:, slot] += torch.randn(patches.shape[2], dtype=torch.float64)
        after = sparse.encode(sequence.with_patches(patches))
        changed.append((after.sequence.patches != before.sequence.patches).any(dim=-1).any(dim=0))
        if after.extra_tokens is not None and before.extra_tokens is not None:
            of_cls.append(not torch.equal(after.extra_tokens, before.extra_tokens))
    return torch.stack(changed, dim=1), of_cls


@every_pattern
@pytest.mark.parametrize("causal", [False, True])
def test_a_slot_is_moved_by_what_its_pattern_shows_it_and_cls_by_everything(
    pattern: dict[str, Any], causal: bool
) -> None:
    sparse = build(**pattern, causal=causal, readout="cls")
    slots, of_cls = moves(sparse)
    assert torch.equal(slots, sparse_mask(pattern_of(sparse), 16, causal))
    assert not slots.all()
    assert of_cls == [True] * 16


@pytest.mark.parametrize("causal", [False, True])
def test_cls_is_seen_by_all_slots_unless_causal(causal: bool) -> None:
    sparse = build(causal=causal, readout="cls")
    sequence = patches_of(sparse)
    before = sparse.encode(sequence).sequence.patches
    assert sparse.cls_token is not None
    with torch.no_grad():
        sparse.cls_token += torch.randn_like(sparse.cls_token)
    changed = (sparse.encode(sequence).sequence.patches != before).any(dim=-1)
    assert changed.tolist() == [[not causal] * 16] * 2


def test_every_block_of_the_network_has_random_blocks_of_its_own_and_the_run_s_seed_does_not_count() -> None:
    first, second = (build(**BIGBIRD, depth=3) for _ in range(2))
    torch.manual_seed(99)
    drawn = [pattern_of(first, block).draws for block in range(3)]
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[1], drawn[2])
    assert all(torch.equal(draws, pattern_of(second, block).draws) for block, draws in enumerate(drawn))
    assert not torch.equal(drawn[0], pattern_of(build(**BIGBIRD, random_seed=1)).draws)


def test_options_become_the_pattern_they_name() -> None:
    pattern = pattern_of(build(pattern="bigbird", block=3, window=2, num_random=4, num_global=1))
    assert isinstance(pattern, BigBirdPattern)
    assert (pattern.block, pattern.window, pattern.num_global, tuple(pattern.draws.shape)) == (3, 2, 1, (6, 4))
    with pytest.raises(ValueError, match="num_summary 5 is more than the 4 slots of a block"):
        Sparse.Options(patch_size=2, pattern="fixed", block=4, num_summary=5)


def test_options_of_other_patterns_are_left_out_when_written_down() -> None:
    written = Sparse.Options(patch_size=2, pattern="fixed").model_dump()
    assert written.keys() >= {"block", "num_summary"}
    assert not written.keys() & {"stride", "window", "num_random", "num_global", "random_seed"}


@every_pattern
@pytest.mark.parametrize("causal", [False, True])
def test_a_long_sequence_takes_the_sparse_path_and_comes_out_the_same(
    pattern: dict[str, Any], causal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sparse = build(ImageShape(1, 34, 36), **pattern, causal=causal, readout="cls", depth=2)
    sequence = patches_of(sparse)
    valid = torch.rand(2, 306) < 0.8
    for padding in (None, valid):
        padded = PatchSequence(sequence.patches, sparse.grid, valid=padding)
        found = {}
        for name, short in (("sparse", 256), ("dense", 400)):
            monkeypatch.setattr(sparse_attention, "_SHORT_SLOTS", short)
            found[name] = sparse.summarize(sparse.encode(padded))
        torch.testing.assert_close(found["sparse"], found["dense"])
        assert not torch.equal(found["sparse"], found["dense"])  # another sequence of operations


@pytest.mark.parametrize(
    ("options", "reached"),
    [
        ({"stride": 4}, [3, 7, 11, 12, 13, 14, 15]),
        ({"stride": 20}, list(range(16))),
        ({"stride": 4, "depth": 2}, list(range(16))),
        ({"pattern": "fixed", "block": 5}, [4, 9, 14, 15]),
        ({"pattern": "fixed", "block": 5, "depth": 2}, list(range(16))),
        ({"pattern": "bigbird", "block": 2, "num_random": 0, "num_global": 1}, [0, 1, 12, 13, 14, 15]),
        ({"pattern": "bigbird", "block": 2, "num_random": 0, "num_global": 0, "depth": 3}, list(range(8, 16))),
    ],
    ids=str,
)
def test_reach_of_the_last_slot(options: dict[str, Any], reached: list[int]) -> None:
    reach = build(**options, causal=True, readout="last").reach(16)
    assert reach.nonzero().flatten().tolist() == reached


def test_reach_goes_through_the_random_blocks_of_each_block_of_the_network() -> None:
    sparse = build(pattern="bigbird", block=1, window=0, num_random=1, num_global=0, depth=3, readout="last")
    read = {15}
    for block in (2, 1, 0):
        read |= {
            pattern_of(sparse, block).random_blocks(torch.tensor([slot]), 16, causal=False).item() for slot in read
        }
    assert set(sparse.reach(16).nonzero().flatten().tolist()) == read
    assert 2 < len(read) < 16
