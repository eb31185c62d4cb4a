"""The mixer of Gated DeltaNet against that of Qwen3-Next in transformers, with the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import Qwen3NextConfig
from transformers.models.qwen3_next.modeling_qwen3_next import Qwen3NextGatedDeltaNet as TheirMixer

from gradients import check_close, of_mixer, shaken
from reorder_kit.backbones.gated_deltanet import GatedDeltaNet
from reorder_kit.interfaces import ImageShape
from reorder_kit.layers.gated_delta_mixer import GatedDeltaMixer

SHAPES: list[dict[str, int]] = [
    {"dim": 24, "heads": 2, "value_heads": 4, "head_dim": 6, "value_dim": 10, "conv_width": 4, "chunk": 8},
    {"dim": 20, "heads": 3, "value_heads": 3, "head_dim": 8, "value_dim": 4, "conv_width": 2, "chunk": 64},
]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def mixer_of_transformers(shape: dict[str, int]) -> Any:
    config = Qwen3NextConfig(
        vocab_size=1,
        hidden_size=shape["dim"],
        linear_num_key_heads=shape["heads"],
        linear_num_value_heads=shape["value_heads"],
        linear_key_head_dim=shape["head_dim"],
        linear_value_head_dim=shape["value_dim"],
        linear_conv_kernel_dim=shape["conv_width"],
        num_hidden_layers=1,
    )
    return TheirMixer(config, layer_idx=0)


@every_shape
@pytest.mark.parametrize("length", [2, 3, 29])
def test_outputs_and_gradients_of_a_mixer_are_those_of_transformers(shape: dict[str, int], length: int) -> None:
    torch.manual_seed(0)
    theirs = shaken(mixer_of_transformers(shape))
    ours = GatedDeltaMixer(**shape)
    ours.load_state_dict(theirs.state_dict())
    tokens = torch.randn(2, length, shape["dim"], requires_grad=True)
    check_close(of_mixer(ours, tokens), of_mixer(theirs, tokens))


@every_shape
def test_a_single_slot_is_that_of_transformers(shape: dict[str, int]) -> None:
    torch.manual_seed(0)
    theirs = shaken(mixer_of_transformers(shape))
    ours = GatedDeltaMixer(**shape)
    ours.load_state_dict(theirs.state_dict())
    tokens = torch.randn(2, 1, shape["dim"], requires_grad=True)
    actual, expected = of_mixer(ours, tokens), of_mixer(theirs, tokens)
    for name in ("A_log", "dt_bias"):  # there is nothing to forget
        assert not actual.pop(name).any()
        assert not expected.pop(name).any()
    check_close(actual, expected)


@every_shape
def test_a_bidirectional_mixer_is_the_mean_of_two_with_gates_of_their_own(shape: dict[str, int]) -> None:
    torch.manual_seed(0)
    ours = shaken(GatedDeltaMixer(**shape, bidirectional=True))
    forward, backward = (mixer_of_transformers(shape) for _ in range(2))
    weights = ours.state_dict()
    own = {name: value for name, value in weights.items() if not name.startswith("reverse.")}
    reverse = {name.removeprefix("reverse."): value for name, value in weights.items() if name.startswith("reverse.")}
    forward.load_state_dict(own)
    backward.load_state_dict(own | reverse)
    seen: list[torch.Tensor] = []  # the mean is taken before the gate and the norm
    for mixer in (forward, backward):
        mixer.norm.register_forward_pre_hook(lambda _, inputs: seen.extend(inputs))
    tokens = torch.randn(2, 13, shape["dim"])
    forward(tokens)
    backward(tokens.flip(1))
    by_slot = (2, 13, shape["value_heads"], shape["value_dim"])
    one, gate, other, _ = (values.view(by_slot) for values in seen)
    expected = forward.out_proj(forward.norm((one + other.flip(1)) / 2, gate).flatten(2))
    check_close({"output": ours(tokens)}, {"output": expected})


def test_the_parameters_of_the_base_size_by_hand() -> None:
    with torch.device("meta"):
        network = GatedDeltaNet(GatedDeltaNet.Options(size="base", patch_size=16), ImageShape(3, 224, 224))
    dim, heads, key, value = 768, 12, 576, 1152  # 12 heads of 48 and of 96
    direction = 4 * (2 * key + value) + dim * 2 * heads + 2 * heads
    mixer = dim * (2 * key + 2 * value) + 2 * direction + value // heads + value * dim
    block = dim + mixer + dim + 3 * dim * 2048
    patches = dim * 3 * 16 * 16 + dim + 196 * dim
    assert sum(value.numel() for value in network.parameters()) == 12 * block + patches + dim + dim
