"""Slot positions, tables of rotary positions and relative biases, against timm, transformers and by hand."""

from __future__ import annotations

import pytest
import torch
from timm.layers import RotaryEmbeddingCat
from timm.layers.pos_embed_rel import gen_relative_position_index
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Grid, Order, PatchSequence
from reorder_kit.layers.places import by_slot, slot_places
from reorder_kit.layers.relative_bias import ImageBias, SlotBias
from reorder_kit.layers.rotary import ImageRotation, SlotRotation
from reorder_kit.layers.slot_embedding import SlotEmbedding

GRID = Grid(2, 3)


def sequence_of(order: Order | None = None, valid: torch.Tensor | None = None, slots: int = 6) -> PatchSequence:
    return PatchSequence(torch.zeros(2, slots, 4), GRID, order, valid)


def test_places_count_valid_slots() -> None:
    assert slot_places(sequence_of(), num_after=1).tolist() == [[0, 1, 2, 3, 4, 5, 6]]
    valid = torch.tensor([[True, False, True, True, False, False], [False, True, True, True, True, True]])
    places = slot_places(sequence_of(valid=valid), num_after=1)
    assert places[0, [0, 2, 3, 6]].tolist() == [0, 1, 2, 3]
    assert places[1, [1, 2, 3, 4, 5, 6]].tolist() == [0, 1, 2, 3, 4, 5]


def test_what_belongs_to_patches_follows_them() -> None:
    rows = torch.arange(6) * 10
    assert by_slot(rows, sequence_of()).tolist() == [[0, 10, 20, 30, 40, 50]]
    assert by_slot(rows, sequence_of(Order([4, 1], num_patches=6), slots=2)).tolist() == [[40, 10]]
    grouped = Order(torch.tensor([[2, 0], [5, 3]]), num_patches=6, groups=torch.tensor([1, 0]))
    assert by_slot(rows, sequence_of(grouped, slots=2)).tolist() == [[50, 30], [20, 0]]
    with pytest.raises(ReorderKitError, match="2 slots hold some of 6 patches"):
        by_slot(rows, sequence_of(slots=2))


def test_the_image_is_turned_as_by_timm_and_what_stands_nowhere_is_not() -> None:
    timms = RotaryEmbeddingCat(8, temperature=100.0, in_pixels=False, feat_shape=[2, 3], rotate_half=True)
    sin, cos = timms.get_embed().chunk(2, dim=-1)
    order = Order([5, 0, 3], num_patches=6)
    rotation = ImageRotation(GRID, 8)(sequence_of(order, slots=3), num_before=1, num_after=1)
    torch.testing.assert_close(rotation.sin[0, 1:-1], sin[order.indices, :4])
    torch.testing.assert_close(rotation.cos[0, 1:-1], cos[order.indices, :4])
    for token in (0, -1):
        assert rotation.sin[0, token].tolist() == [0] * 4
        assert rotation.cos[0, token].tolist() == [1] * 4


def test_the_sequence_is_turned_as_by_transformers() -> None:
    config = LlamaConfig(
        hidden_size=16, num_attention_heads=2, rope_parameters={"rope_type": "default", "rope_theta": 1e4}
    )
    cos, sin = LlamaRotaryEmbedding(config)(torch.zeros(1), torch.arange(7)[None])
    rotation = SlotRotation(7, 8)(sequence_of(Order([3, 1, 2, 0, 5, 4])), num_before=1, num_after=1)
    torch.testing.assert_close(rotation.sin[:, 1:], sin[..., :4])
    torch.testing.assert_close(rotation.cos[:, 1:], cos[..., :4])
    assert rotation.cos[0, 0].tolist() == [1] * 4


def test_differences_in_the_image_are_numbered_as_by_timm() -> None:
    bias = ImageBias(GRID, heads=2)
    found = bias(sequence_of(), num_before=0, num_after=0)
    expected = bias.table[:, gen_relative_position_index((2, 3)).flatten()].reshape(2, 6, 6)
    torch.testing.assert_close(found.scores()[0], expected)


def test_differences_of_frames_are_told_apart() -> None:
    grid = Grid(2, 2, frames=3)
    bias = ImageBias(grid, heads=1)
    bias.table.data = torch.arange(5.0 * 3 * 3)[None]
    scores = bias(PatchSequence(torch.zeros(1, 12, 4), grid), 0, 0).scores()[0, 0].tolist()
    cells = [(frame, row, column) for frame in range(3) for row in range(2) for column in range(2)]
    differences = {}
    for query, one in enumerate(cells):
        for key, other in enumerate(cells):
            difference = tuple(a - b for a, b in zip(one, other, strict=True))
            assert differences.setdefault(difference, scores[query][key]) == scores[query][key]
    assert len(set(differences.values())) == len(differences) == 5 * 3 * 3


def test_distances_of_slots_by_hand() -> None:
    both, back = SlotBias(2, causal=False, heads=1), SlotBias(2, causal=True, heads=1)
    both.table.data, back.table.data = torch.tensor([[1.0, 2, 3, 4, 5]]), torch.tensor([[3.0, 4, 5]])
    assert both(sequence_of(slots=3), 1, 0).scores()[0, 0].tolist() == [
        [0, 0, 0, 0],
        [0, 3, 2, 1],
        [0, 4, 3, 2],
        [0, 5, 4, 3],
    ]
    assert back(sequence_of(slots=3), 0, 0).scores()[0, 0].tolist() == [[3, 0, 0], [4, 3, 0], [5, 4, 3]]


def test_added_slot_positions_by_hand() -> None:
    valid = torch.tensor([[True] * 6, [False, True, False, True, True, True]])
    sequence = sequence_of(Order([5, 4, 3, 2, 1, 0]), valid)
    learned, fixed = SlotEmbedding("learned", 6, 4), SlotEmbedding("sincos", 6, 4)
    assert isinstance(learned.table, torch.nn.Parameter)
    added = learned(sequence).patches
    torch.testing.assert_close(added[0], learned.table)
    torch.testing.assert_close(added[1, [1, 3, 4, 5]], learned.table[:4])
    place = torch.arange(6.0)
    expected = torch.stack([place.sin(), (place / 100).sin(), place.cos(), (place / 100).cos()], dim=1)
    torch.testing.assert_close(fixed(sequence).patches[0], expected)
    assert SlotEmbedding("rope", 6, 4)(sequence) is sequence
