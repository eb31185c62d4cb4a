"""The Mamba backbone: the position of CLS, what reaches it, padding, precision, and initial weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from reorder_kit.backbones.mamba import Mamba
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Grid, ImageShape, PatchSequence
from reorder_kit.layers.mamba_mixer import MambaMixer
from reorder_kit.layers.readout import first_slot, last_slot
from reorder_kit.layers.walking_order import ClsPosition, walking_order
from reorder_kit.training.optimization import parameter_groups

DIGITS = ImageShape(1, 8, 8)


def build(image: ImageShape = DIGITS, **options: Any) -> Mamba:
    torch.manual_seed(0)
    return Mamba(Mamba.Options(**{"patch_size": 2, "dim": 16, "depth": 2, **options}), image).eval()


def images(batch: int = 2) -> Tensor:
    return torch.randn(batch, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def summary(mamba: Mamba, sequence: PatchSequence) -> Tensor:
    return mamba.summarize(mamba.encode(sequence))


@pytest.mark.parametrize(("position", "before"), [("start", 0), ("middle", 2), ("end", 4), (None, None)])
def test_cls_is_walked_in_its_place(position: ClsPosition | None, before: int | None) -> None:
    walked = walking_order(PatchSequence(torch.zeros(3, 4, 1), Grid(2, 2)), position).indices.tolist()
    expected = [0, 1, 2, 3]
    if before is not None:
        expected.insert(before, 4)  # behind the patches in the tensor
    assert walked == expected


@given(st.lists(st.booleans(), min_size=1, max_size=9), st.sampled_from(["start", "middle", "end", None]))
def test_padding_is_walked_last_and_counts_for_nothing(valid: list[bool], position: ClsPosition | None) -> None:
    slots = len(valid)
    sequence = PatchSequence(torch.zeros(1, slots, 1), Grid(1, slots), valid=torch.tensor([valid]))
    walked = walking_order(sequence, position).indices[0].tolist()
    kept = [slot for slot in range(slots) if valid[slot]]
    expected = list(kept)
    if position is not None:
        expected.insert({"start": 0, "middle": len(kept) // 2, "end": len(kept)}[position], slots)
    assert walked == expected + [slot for slot in range(slots) if not valid[slot]]


@pytest.mark.parametrize(
    ("options", "reached"),
    [
        ({}, range(16)),
        ({"cls_position": "start"}, range(16)),
        ({"cls_position": "end", "depth": 1}, range(16)),
        ({"readout": "last", "depth": 1}, range(16)),
        ({"bidirectional": False}, range(16)),
        ({"bidirectional": False, "cls_position": "middle"}, range(8)),
        ({"bidirectional": False, "readout": "last"}, range(16)),
        ({"bidirectional": False, "readout": "mean"}, range(16)),
    ],
)
def test_reach_of_sixteen_slots(options: dict[str, Any], reached: range) -> None:
    mamba = build(**options).double()
    sequence = mamba.tokenize(images().double())
    patches = sequence.patches.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(summary(mamba, sequence.with_patches(patches)).square().sum(), patches)
    measured = (gradient != 0).any(dim=-1).any(dim=0)
    assert mamba.reach(16).tolist() == measured.tolist() == [slot in reached for slot in range(16)]


def test_reach_of_a_shorter_sequence_counts_its_own_slots() -> None:
    mamba = build(bidirectional=False, cls_position="middle")
    assert mamba.reach(5).tolist() == [True, True, False, False, False]
    assert mamba.reach(1).tolist() == [False]


@pytest.mark.parametrize("options", [{}, {"bidirectional": False}, {"readout": "last"}, {"readout": "mean"}])
def test_the_readout_hears_every_parameter(options: dict[str, Any]) -> None:
    mamba = build(**options)
    summary(mamba, mamba.tokenize(images())).square().sum().backward()
    assert [name for name, value in mamba.named_parameters() if value.grad is None or not value.grad.any()] == []


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("position", ["start", "middle", "end"])
def test_cls_in_the_middle_of_the_valid_slots(bidirectional: bool, position: ClsPosition) -> None:
    if position == "start" and not bidirectional:
        return
    mamba = build(bidirectional=bidirectional, cls_position=position).double()
    sequence = mamba.tokenize(images().double())
    valid = torch.ones(2, 16, dtype=torch.bool)
    valid[0, [0, 1, 2, 3, 9]] = False
    padded = PatchSequence(sequence.patches.masked_fill(~valid.unsqueeze(-1), 1e3), mamba.grid, valid=valid)
    for image, kept in enumerate(valid):
        alone = PatchSequence(sequence.patches[image : image + 1, kept], mamba.grid)
        torch.testing.assert_close(summary(mamba, padded)[image : image + 1], summary(mamba, alone))


def test_two_directions_are_read_where_they_end() -> None:
    mamba = build(readout="last")
    encoded = mamba.encode(mamba.tokenize(images()))
    ends = (first_slot(encoded.sequence) + last_slot(encoded.sequence)) / 2
    torch.testing.assert_close(mamba.summarize(encoded), ends)


def test_a_reversed_sequence_and_swapped_directions_give_the_reversed_output() -> None:
    torch.manual_seed(0)
    mixer, swapped = MambaMixer(8, bidirectional=True), MambaMixer(8, bidirectional=True)
    weights = mixer.state_dict()
    names = {name: name.removeprefix("reverse.") for name in weights if name.startswith("reverse.")}
    names |= {one: other for other, one in names.items()}
    swapped.load_state_dict({names.get(name, name): value for name, value in weights.items()})
    tokens = torch.randn(2, 7, 8)
    torch.testing.assert_close(swapped(tokens.flip(1)).flip(1), mixer(tokens))
    assert not torch.allclose(mixer(tokens.flip(1)).flip(1), mixer(tokens))


def test_order_matters_when_there_is_more_than_one_patch() -> None:
    assert build().order_sensitive
    assert build(bidirectional=False, cls_position="middle").order_sensitive
    assert not build(patch_size=None, grid=(1, 1)).order_sensitive


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_autocast_is_finite_and_near_to_full_precision(dtype: torch.dtype, bidirectional: bool, scale: float) -> None:
    mamba = build(ImageShape(1, 16, 16), dim=32, bidirectional=bidirectional, readout="mean").train()
    photos = scale * torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(2))
    expected = summary(mamba, mamba.tokenize(photos))
    with torch.autocast("cpu", dtype=dtype):
        encoded = mamba.encode(mamba.tokenize(photos))
        vectors = mamba.summarize(encoded)
    assert encoded.sequence.patches.dtype == torch.float32  # the residual and the norms are
    vectors.square().mean().backward()
    assert all(value.grad is not None and value.grad.isfinite().all() for value in mamba.parameters())
    assert (vectors - expected).norm() < 0.03 * expected.norm()


def test_a_model_in_half_precision_runs() -> None:
    mamba = build().bfloat16()
    assert summary(mamba, mamba.tokenize(images().bfloat16())).isfinite().all()


@torch.no_grad()
def test_step_sizes_decays_and_the_residual_start_as_in_mamba_ssm() -> None:
    torch.manual_seed(0)
    mixer = MambaMixer(512, bidirectional=True)
    for direction in (mixer, mixer.reverse):
        assert direction is not None
        step_sizes = F.softplus(direction.dt_proj.bias).log10()
        assert float(step_sizes.min()) == pytest.approx(-3, abs=0.02)
        assert float(step_sizes.max()) == pytest.approx(-1, abs=0.02)
        assert float(step_sizes.mean()) == pytest.approx(-2, abs=0.1)
        assert float(direction.dt_proj.weight.abs().max()) == pytest.approx(32**-0.5, rel=0.01)
        torch.testing.assert_close(-direction.A_log.exp(), -torch.arange(1.0, 17).expand(1024, 16))
        assert direction.D.tolist() == [1.0] * 1024
    deep, shallow = (build(depth=depth).blocks[0].mixer.out_proj.weight.std() for depth in (16, 1))  # type: ignore[union-attr]
    assert float(deep / shallow) == pytest.approx(1 / 4, rel=1e-5)


def test_rates_and_skips_do_not_decay_but_projections_do() -> None:
    mamba = build()
    decayed, others = ({id(value) for value in group["params"]} for group in parameter_groups(mamba, 0.1))  # type: ignore[attr-defined]
    of = {name: id(value) for name, value in mamba.named_parameters()}
    assert {of[name] for name in of if name.endswith(("A_log", ".D", "bias", "norm.weight", "cls_token"))} <= others
    assert {of[name] for name in of if name.endswith("proj.weight")} <= decayed


def test_the_backend_is_handed_to_both_directions() -> None:
    mamba = build(backend="mamba-ssm")
    with pytest.raises(ReorderKitError, match="mamba-ssm"):
        summary(mamba, mamba.tokenize(images()))
    assert {module.backend for module in mamba.modules() if hasattr(module, "backend")} == {"mamba-ssm"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 6, "positions": "sincos"}, "multiple of 4, not 6"),
        ({"readout": "mean", "cls_position": "end"}, "readout 'mean' does not have"),
        ({"readout": "last", "cls_position": "middle"}, "readout 'last' does not have"),
        ({"bidirectional": False, "cls_position": "start"}, "sees no patch unless bidirectional"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**options)
