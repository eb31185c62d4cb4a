"""Local attention: windows, the CLS token, reach."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from reorder_kit.backbones.local import Local
from reorder_kit.interfaces import ImageShape, PatchSequence
from reorder_kit.layers.patch_embedding import PatchEmbedding
from reorder_kit.layers.patch_geometry import patch_geometry
from reorder_kit.ops.reach import propagate_reach
from reorder_kit.ops.window_mask import valid_window_mask, window_mask

DIGITS = ImageShape(1, 8, 8)


def build(**options: Any) -> Local:
    torch.manual_seed(0)
    return Local(Local.Options(**{"patch_size": 2, **options}), DIGITS).double().eval()


def patches_of(local: Local) -> PatchSequence:
    return local.tokenize(torch.randn(2, 1, 8, 8, dtype=torch.float64))


@pytest.mark.parametrize("window", [0, 1, 2, 5, 30])
@pytest.mark.parametrize("causal", [True, False])
def test_a_slot_sees_itself_and_window_slots_on_each_side_it_may_look_at(window: int, causal: bool) -> None:
    """One block on the whole sequence equals the block on each slot's neighborhood alone, without a mask."""
    local = build(window=window, causal=causal, depth=1, readout="mean")
    sequence = patches_of(local)
    encoded = local.encode(sequence).sequence.patches
    for slot in range(16):
        start, end = max(0, slot - window), slot + 1 if causal else slot + 1 + window
        neighbourhood = sequence.patches[:, start:end]
        expected = local.norm(local.blocks[0](neighbourhood))[:, slot - start]
        torch.testing.assert_close(encoded[:, slot], expected)


def test_the_cls_token_stands_at_the_end_and_sees_the_last_window_slots() -> None:
    local = build(window=3, depth=1, readout="cls")
    sequence = patches_of(local)
    assert local.cls_token is not None
    cls = local.cls_token.expand(2, -1, -1)
    end = torch.cat([sequence.patches[:, -3:], cls], dim=1)
    expected = local.norm(local.blocks[0](end))[:, -1]
    torch.testing.assert_close(local.summarize(local.encode(sequence)), expected)


def test_the_cls_token_is_seen_by_the_last_slots_when_not_causal() -> None:
    local = build(window=2, depth=1, readout="cls", causal=False)
    sequence = patches_of(local)
    before = local.encode(sequence).sequence.patches
    assert local.cls_token is not None
    with torch.no_grad():
        local.cls_token += torch.randn_like(local.cls_token)
    changed = (local.encode(sequence).sequence.patches != before).any(dim=-1)[0]
    assert changed.nonzero().flatten().tolist() == [14, 15]


@pytest.mark.parametrize(
    ("options", "reached"),
    [
        ({}, range(11, 16)),  # the default: window 2, 2 blocks, causal, last slot: 2 * 2 + 1
        ({"causal": False}, range(11, 16)),
        ({"window": 4, "depth": 3}, range(3, 16)),
        ({"window": 1, "depth": 1}, [14, 15]),
        ({"window": 0}, [15]),
        ({"window": 2, "readout": "cls"}, range(12, 16)),  # CLS takes a slot
        ({"window": 15, "depth": 1}, range(16)),
        ({"window": 15, "depth": 1, "readout": "cls"}, range(1, 16)),
        ({"window": 1, "readout": "mean"}, range(16)),
    ],
)
def test_reach_of_sixteen_slots(options: dict[str, Any], reached: range | list[int]) -> None:
    assert build(**options).reach(16).nonzero().flatten().tolist() == list(reached)


@given(
    num_slots=st.integers(1, 12),
    window=st.integers(1, 5),
    depth=st.integers(1, 4),
    causal=st.booleans(),
    readout=st.sampled_from(["last", "mean", "cls"]),
)
@settings(max_examples=40, deadline=None)
def test_reach_is_what_blocks_hand_on(num_slots: int, window: int, depth: int, causal: bool, readout: str) -> None:
    local = build(window=window, depth=depth, causal=causal, readout=readout)
    length = num_slots + 1 if readout == "cls" else num_slots
    read = torch.full((length,), readout == "mean")
    read[-1] = True
    expected = propagate_reach(read, window_mask(length, window, causal), depth)[:num_slots]
    assert torch.equal(local.reach(num_slots), expected)


@pytest.mark.parametrize("readout", ["last", "mean", "cls"])
@pytest.mark.parametrize("causal", [True, False])
def test_a_long_sequence_is_encoded_as_timms_blocks_with_a_mask_do(causal: bool, readout: str) -> None:
    """The weights are timm's by name and shape, and so is the result."""
    image = ImageShape(1, 20, 20)
    torch.manual_seed(0)
    local = Local(Local.Options(patch_size=1, window=3, causal=causal, readout=readout), image).eval()
    sequence = local.tokenize(torch.randn(2, 1, 20, 20))
    tokens = sequence.patches
    if local.cls_token is not None:
        tokens = torch.cat([tokens, local.cls_token.expand(2, -1, -1)], dim=1)
    mask = window_mask(tokens.shape[1], 3, causal)
    for block in local.blocks:
        timms = Block(32, 4, qkv_bias=True)
        timms.load_state_dict(block.state_dict())
        tokens = timms(tokens, attn_mask=mask)
    expected = local.norm(tokens)[:, :400]
    torch.testing.assert_close(local.encode(sequence).sequence.patches, expected, rtol=1e-4, atol=1e-5)


def test_weights_start_as_those_of_timms_blocks() -> None:
    torch.manual_seed(0)
    local = Local(Local.Options(patch_size=2), DIGITS)
    torch.manual_seed(0)
    PatchEmbedding(DIGITS, patch_geometry(Local.Options(patch_size=2), DIGITS), 32, "learned")
    blocks = nn.ModuleList(Block(32, 4, qkv_bias=True) for _ in range(2))
    assert local.blocks.state_dict().keys() == blocks.state_dict().keys()
    assert all(torch.equal(value, local.blocks.state_dict()[name]) for name, value in blocks.state_dict().items())


def test_reach_of_fewer_slots_than_the_window_is_all_of_them() -> None:
    assert build().reach(3).tolist() == [True, True, True]
    assert build().reach(1).tolist() == [True]


def test_order_matters_unless_all_slots_are_treated_alike() -> None:
    full: dict[str, Any] = {"window": 15, "causal": False, "readout": "mean"}
    assert not build(**full).order_sensitive
    assert not build(**full | {"window": 16, "readout": "cls"}).order_sensitive
    assert build(**full | {"window": 15, "readout": "cls"}).order_sensitive  # CLS makes the sequence one longer
    assert build(**full | {"window": 14}).order_sensitive
    assert build(**full | {"causal": True}).order_sensitive
    assert build(**full | {"readout": "last"}).order_sensitive
    assert not build(grid=(1, 1), patch_size=None).order_sensitive


@given(st.lists(st.booleans(), min_size=1, max_size=9), st.integers(0, 4), st.booleans())
def test_the_window_of_a_padded_sequence_is_that_of_the_sequence_without_padding(
    valid: list[bool], window: int, causal: bool
) -> None:
    kept = [slot for slot, is_valid in enumerate(valid) if is_valid]
    mask = valid_window_mask(torch.tensor([valid]), window, causal)[0]
    assert torch.equal(mask[kept][:, kept], window_mask(len(kept), window, causal))
    padding = [slot for slot, is_valid in enumerate(valid) if not is_valid]
    assert torch.equal(mask[:, padding], torch.eye(len(valid), dtype=torch.bool)[:, padding])


def test_a_bidirectional_window_by_hand() -> None:
    assert window_mask(4, 1, causal=False).int().tolist() == [
        [1, 1, 0, 0],
        [1, 1, 1, 0],
        [0, 1, 1, 1],
        [0, 0, 1, 1],
    ]


@given(st.integers(1, 6), st.integers(0, 4), st.integers(0, 1000))
def test_reach_is_the_power_of_the_adjacency(slots: int, blocks: int, seed: int) -> None:
    torch.manual_seed(seed)
    sees = torch.rand(slots, slots) < 0.3
    read = torch.rand(slots) < 0.5
    paths: Tensor = read.double() @ torch.linalg.matrix_power(sees.double(), blocks)
    assert torch.equal(propagate_reach(read, sees, blocks), paths > 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 30}, "30 is not divisible by 4 heads"),
        ({"dim": 6, "heads": 2, "positions": "sincos"}, "multiple of 4, not 6"),
        ({"readout": "cls", "window": 0}, "CLS token sees no patch"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_init_scale_multiplies_the_starting_weights_of_the_blocks_and_nothing_else() -> None:
    usual, scaled = build().state_dict(), build(init_scale=3.0).state_dict()
    linear = {f"{name}.weight" for name, layer in build().named_modules() if isinstance(layer, nn.Linear)}
    assert linear
    for name, values in usual.items():
        torch.testing.assert_close(scaled[name], 3 * values if name in linear else values)
