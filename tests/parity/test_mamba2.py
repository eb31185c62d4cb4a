"""Mamba-2 against transformers' plain torch path, with the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import Mamba2Config, Mamba2Model
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer as TheirMixer

from gradients import check_close, of_mixer, shaken
from reorder_kit.backbones.mamba2 import Mamba2
from reorder_kit.interfaces import ImageShape
from reorder_kit.layers.mamba2_mixer import Mamba2Mixer

SHAPES: list[dict[str, int]] = [
    {"dim": 24, "state": 16, "head_dim": 12, "groups": 1, "conv_width": 4, "expand": 2, "chunk": 8},
    {"dim": 24, "state": 5, "head_dim": 3, "groups": 4, "conv_width": 3, "expand": 1, "chunk": 64},
]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def config(shape: dict[str, int], **named: Any) -> Mamba2Config:
    return Mamba2Config(
        vocab_size=1,
        hidden_size=shape["dim"],
        state_size=shape["state"],
        head_dim=shape["head_dim"],
        num_heads=shape["expand"] * shape["dim"] // shape["head_dim"],
        n_groups=shape["groups"],
        conv_kernel=shape["conv_width"],
        expand=shape["expand"],
        chunk_size=shape["chunk"],
        **named,
    )


@every_shape
@pytest.mark.parametrize("length", [1, 3, 29])
def test_outputs_and_gradients_of_a_mixer_are_those_of_transformers(shape: dict[str, int], length: int) -> None:
    torch.manual_seed(0)
    theirs = shaken(TheirMixer(config(shape), layer_idx=0))
    ours = Mamba2Mixer(**shape)
    ours.load_state_dict(theirs.state_dict())
    tokens = torch.randn(2, length, shape["dim"], requires_grad=True)
    check_close(of_mixer(ours, tokens), of_mixer(theirs, tokens))


@every_shape
def test_a_bidirectional_mixer_is_the_mean_of_two_that_share_x_the_gate_and_the_norm(shape: dict[str, int]) -> None:
    torch.manual_seed(0)
    ours = shaken(Mamba2Mixer(**shape, bidirectional=True))
    forward, backward = (TheirMixer(config(shape), layer_idx=0) for _ in range(2))
    weights = ours.state_dict()
    own = {name: value for name, value in weights.items() if not name.startswith("reverse.")}
    reverse = {name.removeprefix("reverse."): value for name, value in weights.items() if name.startswith("reverse.")}
    shared = own["in_proj.weight"][: 2 * ours.inner]  # the gate, and x
    reverse["in_proj.weight"] = torch.cat([shared, reverse["in_proj.weight"]])
    forward.load_state_dict(own)
    backward.load_state_dict(own | reverse)
    seen: list[torch.Tensor] = []  # the mean is taken before the gate and the norm
    for mixer in (forward, backward):
        mixer.norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    tokens = torch.randn(2, 13, shape["dim"])
    forward(tokens)
    backward(tokens.flip(1))
    gate = tokens @ own["in_proj.weight"][: ours.inner].T
    expected = forward.out_proj(forward.norm((seen[0] + seen[1].flip(1)) / 2, gate))
    check_close({"output": ours(tokens)}, {"output": expected})


def test_the_names_and_shapes_of_weights_are_those_of_mamba_ssm() -> None:
    published = {  # Mamba2(d_model=96, d_state=32, headdim=48, ngroups=2): 192 channels in 4 heads
        "A_log": (4,),
        "D": (4,),
        "dt_bias": (4,),
        "in_proj.weight": (2 * 192 + 2 * 2 * 32 + 4, 96),
        "conv1d.weight": (192 + 2 * 2 * 32, 1, 4),
        "conv1d.bias": (192 + 2 * 2 * 32,),
        "norm.weight": (192,),
        "out_proj.weight": (96, 192),
    }
    mixer = Mamba2Mixer(96, state=32, head_dim=48, groups=2)
    assert {name: tuple(value.shape) for name, value in mixer.state_dict().items()} == published
    names = Mamba2Mixer(96, head_dim=48, bidirectional=True).state_dict().keys()
    reverse = {"A_log", "D", "dt_bias", "in_proj.weight", "conv1d.weight", "conv1d.bias"}
    assert names == published.keys() | {f"reverse.{name}" for name in reverse}


def test_a_backbone_in_one_direction_is_the_model_of_transformers() -> None:
    torch.manual_seed(0)
    shape = {"dim": 32, "state": 4, "head_dim": 16, "groups": 1, "conv_width": 4, "expand": 2, "chunk": 7}
    options = Mamba2.Options(
        patch_size=2, depth=3, bidirectional=False, readout="last", dim=32, state=4, head_dim=16, chunk=7
    )
    ours = shaken(Mamba2(options, ImageShape(1, 8, 8))).eval()
    theirs = Mamba2Model(config(shape, num_hidden_layers=3, layer_norm_epsilon=1e-5)).eval()
    weights = {f"layers.{name}": value for name, value in ours.blocks.state_dict().items()}
    missing, unexpected = theirs.load_state_dict(weights | {"norm_f.weight": ours.norm.weight}, strict=False)
    assert (missing, unexpected) == (["embeddings.weight"], [])
    sequence = ours.tokenize(torch.randn(2, 1, 8, 8))
    expected = theirs(inputs_embeds=sequence.patches, use_cache=False).last_hidden_state
    encoded = ours.encode(sequence)
    check_close({"patches": encoded.sequence.patches}, {"patches": expected})
    check_close({"readout": ours.summarize(encoded)}, {"readout": expected[:, -1]})


def test_the_parameters_of_the_base_size_by_hand() -> None:
    with torch.device("meta"):
        mamba = Mamba2(Mamba2.Options(size="base", patch_size=16), ImageShape(3, 224, 224))
    dim, inner, heads, state = 768, 1536, 24, 128
    direction = (inner + 2 * state) * (4 + 1) + 3 * heads
    projections = dim * 2 * inner + 2 * dim * (2 * state + heads) + inner * dim
    block = dim + projections + 2 * direction + inner
    patches = dim * 3 * 16 * 16 + dim + 196 * dim
    assert sum(value.numel() for value in mamba.parameters()) == 24 * block + patches + dim + dim
