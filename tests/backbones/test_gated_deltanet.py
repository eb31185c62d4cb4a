"""The Gated DeltaNet backbone: its widths, initial weights, and compatible options."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from reorder_kit.backbones.gated_deltanet import GatedDeltaNet
from reorder_kit.interfaces import ImageShape
from reorder_kit.layers.gated_delta_mixer import GatedDeltaMixer

DIGITS = ImageShape(1, 8, 8)


def build(**options: Any) -> GatedDeltaNet:
    torch.manual_seed(0)
    small = {"patch_size": 2, "dim": 16, "depth": 2, "heads": 2}
    return GatedDeltaNet(GatedDeltaNet.Options(**{**small, **options}), DIGITS).eval()


@pytest.mark.parametrize(("size", "dim", "heads"), [("tiny", 192, 3), ("small", 384, 6), ("base", 768, 12)])
def test_keys_are_three_quarters_as_wide_as_the_embedding(size: Any, dim: int, heads: int) -> None:
    options = GatedDeltaNet.Options(patch_size=16, size=size)
    assert (options.width(), options.blocks(), options.num_heads()) == (dim, 12, heads)
    assert options.num_heads() * options.key_width() == dim * 3 // 4


@torch.no_grad()
def test_step_sizes_decays_and_the_residual_start_as_published() -> None:
    torch.manual_seed(0)
    mixer = GatedDeltaMixer(4, 1024, 1024, 1, 1, bidirectional=True)
    for direction in (mixer, mixer.reverse):
        assert direction is not None
        step_sizes = F.softplus(direction.dt_bias).log10()
        assert float(step_sizes.min()) == pytest.approx(-3, abs=0.02)
        assert float(step_sizes.max()) == pytest.approx(-1, abs=0.02)
        rates = direction.A_log.exp()
        assert 0 < float(rates.min()) < 0.1
        assert float(rates.max()) == pytest.approx(16, abs=0.1)
        assert float(rates.mean()) == pytest.approx(8, abs=0.5)
    deep, shallow = (build(depth=depth).blocks[0].mixer.out_proj.weight.std() for depth in (16, 1))  # type: ignore[union-attr]
    assert float(deep / shallow) == pytest.approx(1 / 4, rel=1e-5)


def test_a_swiglu_has_the_weights_of_an_mlp_of_that_ratio() -> None:
    widths = {ratio: build(dim=24, mlp_ratio=ratio).blocks[0].mlp.out.in_features for ratio in (4.0, 1.0, 0.01)}  # type: ignore[union-attr]
    assert widths == {4.0: 64, 1.0: 16, 0.01: 1}
    assert 3 * 24 * widths[4.0] == 2 * 24 * 4 * 24


@torch.no_grad()
def test_a_reversed_sequence_and_swapped_directions_give_the_reversed_output() -> None:
    torch.manual_seed(0)
    mixer, swapped = (GatedDeltaMixer(8, 2, 4, 3, 5, bidirectional=True) for _ in range(2))
    weights = mixer.state_dict()
    names = {name: name.removeprefix("reverse.") for name in weights if name.startswith("reverse.")}
    names |= {one: other for other, one in names.items()}
    swapped.load_state_dict({names.get(name, name): value for name, value in weights.items()})
    tokens = torch.randn(2, 7, 8)
    torch.testing.assert_close(swapped(tokens.flip(1)).flip(1), mixer(tokens))
    assert not torch.allclose(mixer(tokens.flip(1)).flip(1), mixer(tokens))


@torch.no_grad()
def test_a_chunk_changes_the_result_by_rounding_alone() -> None:
    images = torch.randn(2, 1, 8, 8)
    whole, cut = build(), build(chunk=3)
    one, other = (backbone.summarize(backbone.encode(backbone.tokenize(images))) for backbone in (whole, cut))
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"value_heads": 3}, "value_heads 3 are not a multiple of the 2 heads"),
        ({"heads": 13}, "13 heads are too many for a dim of 16: set fewer, or head_dim"),
        ({"dim": 6, "positions": "sincos"}, "multiple of 4, not 6"),
        ({"readout": "last", "cls_position": "end"}, "readout 'last' does not have"),
        ({"bidirectional": False, "cls_position": "start"}, "sees no patch unless bidirectional"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_many_heads_have_keys_as_wide_as_asked() -> None:
    assert build(heads=13, head_dim=1).options.key_width() == 1
