"""The recurrent backbone against cells stepped by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from reorder_kit.backbones.recurrent import Recurrent
from reorder_kit.interfaces import ImageShape, PatchSequence


def build(**options: Any) -> Recurrent:
    torch.manual_seed(0)
    return Recurrent(Recurrent.Options(patch_size=2, **options), ImageShape(1, 4, 6)).double().eval()


def walk(cell: Any, inputs: Tensor, suffix: str) -> Tensor:
    """Step a GRU or LSTM cell over the slots, one after the other."""
    stepper = nn.GRUCell if isinstance(cell, nn.GRU) else nn.LSTMCell
    step = stepper(cell.input_size, cell.hidden_size).double()
    step.load_state_dict({name: getattr(cell, f"{name}_{suffix}") for name in step.state_dict()})
    state = None
    outputs = []
    for slot in range(inputs.shape[1]):
        state = step(inputs[:, slot], state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_blocks_walk_the_slots_one_after_the_other(cell: str, bidirectional: bool) -> None:
    recurrent = build(cell=cell, bidirectional=bidirectional, dim=6)
    sequence = recurrent.tokenize(torch.randn(2, 1, 4, 6, dtype=torch.float64))
    expected = sequence.patches
    for block in recurrent.blocks:
        normed = nn.functional.layer_norm(expected, (6,))
        added = walk(block.cell, normed, "l0")
        if bidirectional:
            backward = walk(block.cell, normed.flip(1), "l0_reverse").flip(1)
            added = torch.cat([added, backward], dim=-1)
        expected = expected + added
    expected = nn.functional.layer_norm(expected, (6,))

    encoded = recurrent.encode(sequence)

    torch.testing.assert_close(encoded.sequence.patches, expected)
    ends = torch.cat([expected[:, -1, :3], expected[:, 0 if bidirectional else -1, 3:]], dim=1)
    torch.testing.assert_close(recurrent.summarize(encoded), ends)


def test_the_readout_mean_is_the_mean_of_the_valid_slots() -> None:
    recurrent = build(readout="mean", dim=2)
    encoded = recurrent.encode(recurrent.tokenize(torch.zeros(1, 1, 4, 6, dtype=torch.float64)), start=2)
    patches = torch.tensor([[[1.0, 0.0], [3.0, 4.0], [100.0, 100.0]]], dtype=torch.float64)
    valid = torch.tensor([[True, True, False]])
    padded = type(encoded)(PatchSequence(patches, recurrent.grid, valid=valid))
    assert recurrent.summarize(padded).tolist() == [[2.0, 2.0]]


@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_in_the_middle_does_not_change_the_state(bidirectional: bool) -> None:
    recurrent = build(bidirectional=bidirectional)
    sequence = recurrent.tokenize(torch.randn(1, 1, 4, 6, dtype=torch.float64))
    valid = torch.tensor([[True, False, True, True, False, True]])
    padded = recurrent.encode(PatchSequence(sequence.patches, sequence.grid, valid=valid)).sequence.patches
    alone = recurrent.encode(PatchSequence(sequence.patches[valid].unsqueeze(0), sequence.grid)).sequence.patches
    torch.testing.assert_close(padded[valid].unsqueeze(0), alone)


@pytest.mark.parametrize("options", [{}, {"bidirectional": True}, {"readout": "mean"}, {"cell": "lstm", "depth": 1}])
def test_every_slot_reaches_the_readout(options: dict[str, Any]) -> None:
    assert build(**options).reach(7).tolist() == [True] * 7


def test_a_single_patch_has_no_order() -> None:
    assert build().order_sensitive
    assert not Recurrent(Recurrent.Options(grid=(1, 1)), ImageShape(1, 4, 6)).order_sensitive


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 7, "bidirectional": True}, "even, not 7"),
        ({"dim": 6, "positions": "sincos"}, "multiple of 4, not 6"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**options)
