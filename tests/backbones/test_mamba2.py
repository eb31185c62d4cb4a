"""The Mamba-2 backbone: initial weights, compatible options, and the effect of a chunk."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from reorder_kit.backbones.mamba2 import Mamba2
from reorder_kit.interfaces import ImageShape
from reorder_kit.layers.mamba2_mixer import Mamba2Mixer

DIGITS = ImageShape(1, 8, 8)


def build(**options: Any) -> Mamba2:
    torch.manual_seed(0)
    small = {"patch_size": 2, "dim": 16, "depth": 2, "state": 8, "head_dim": 8}
    return Mamba2(Mamba2.Options(**{**small, **options}), DIGITS).eval()


@torch.no_grad()
def test_step_sizes_decays_and_the_residual_start_as_in_mamba_ssm() -> None:
    torch.manual_seed(0)
    mixer = Mamba2Mixer(512, state=1, head_dim=1, bidirectional=True)
    for direction in (mixer, mixer.reverse):
        assert direction is not None
        step_sizes = F.softplus(direction.dt_bias).log10()
        assert float(step_sizes.min()) == pytest.approx(-3, abs=0.02)
        assert float(step_sizes.max()) == pytest.approx(-1, abs=0.02)
        assert float(step_sizes.mean()) == pytest.approx(-2, abs=0.1)
        rates = direction.A_log.exp()
        assert float(rates.min()) == pytest.approx(1, abs=0.1)
        assert float(rates.max()) == pytest.approx(16, abs=0.1)
        assert float(rates.mean()) == pytest.approx(8.5, abs=0.5)
        assert direction.D.tolist() == [1.0] * 1024
    deep, shallow = (build(depth=depth).blocks[0].mixer.out_proj.weight.std() for depth in (16, 1))  # type: ignore[union-attr]
    assert float(deep / shallow) == pytest.approx(1 / 4, rel=1e-5)


@torch.no_grad()
def test_a_reversed_sequence_and_swapped_directions_give_the_reversed_output() -> None:
    torch.manual_seed(0)
    shape = {"dim": 8, "state": 4, "head_dim": 4}
    mixer, swapped = (Mamba2Mixer(**shape, bidirectional=True) for _ in range(2))
    weights = mixer.state_dict()
    names = {name: name.removeprefix("reverse.") for name in weights if name.startswith("reverse.")}
    names.pop("reverse.in_proj.weight")
    names |= {one: other for other, one in names.items()}
    state = {names.get(name, name): value for name, value in weights.items()}
    shared = 2 * mixer.inner  # the gate, and x; the rest of the projection belongs to a direction
    own = weights["in_proj.weight"]
    state["in_proj.weight"] = torch.cat([own[:shared], weights["reverse.in_proj.weight"]])
    state["reverse.in_proj.weight"] = own[shared:]
    swapped.load_state_dict(state)
    tokens = torch.randn(2, 7, 8)
    torch.testing.assert_close(swapped(tokens.flip(1)).flip(1), mixer(tokens))
    assert not torch.allclose(mixer(tokens.flip(1)).flip(1), mixer(tokens))


@torch.no_grad()
def test_heads_of_different_groups_are_written_and_read_by_different_channels() -> None:
    torch.manual_seed(0)
    mixer = Mamba2Mixer(8, state=3, head_dim=4, groups=2)
    seen: list[torch.Tensor] = []
    mixer.norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    tokens = torch.randn(1, 5, 8)
    mixer(tokens)
    written = slice(2 * mixer.inner + 3, 2 * mixer.inner + 6)  # B of the second group, behind the gate, x and B
    mixer.in_proj.weight[written] += 1
    mixer(tokens)
    changed = (seen[0] != seen[1]).any(dim=(0, 1))
    assert changed.tolist() == [False] * 8 + [True] * 8


@torch.no_grad()
def test_a_chunk_changes_the_result_by_rounding_alone() -> None:
    images = torch.randn(2, 1, 8, 8)
    whole, cut = build(), build(chunk=3)
    one, other = (backbone.summarize(backbone.encode(backbone.tokenize(images))) for backbone in (whole, cut))
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head_dim": 5}, "head_dim 5 does not divide the 32 channels"),
        ({"groups": 3}, "groups 3 do not divide the 4 heads"),
        ({"dim": 6, "head_dim": 4, "positions": "sincos"}, "multiple of 4, not 6"),
        ({"readout": "mean", "cls_position": "end"}, "readout 'mean' does not have"),
        ({"bidirectional": False, "cls_position": "start"}, "sees no patch unless bidirectional"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**options)
