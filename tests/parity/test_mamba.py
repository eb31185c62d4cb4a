"""Mamba against transformers' plain torch path, with the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import MambaConfig, MambaModel
from transformers.models.mamba.modeling_mamba import MambaMixer as TheirMixer

from gradients import check_close, of_mixer, shaken
from reorder_kit.backbones.mamba import Mamba
from reorder_kit.interfaces import ImageShape
from reorder_kit.layers.mamba_mixer import MambaMixer

SHAPES: list[dict[str, int]] = [
    {"dim": 24, "state": 16, "conv_width": 4, "expand": 2},
    {"dim": 40, "state": 5, "conv_width": 3, "expand": 1},
    {"dim": 16, "state": 1, "conv_width": 1, "expand": 3},
]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def config(shape: dict[str, int], **named: Any) -> MambaConfig:
    return MambaConfig(
        vocab_size=1,
        hidden_size=shape["dim"],
        state_size=shape["state"],
        conv_kernel=shape["conv_width"],
        expand=shape["expand"],
        **named,
    )


@every_shape
@pytest.mark.parametrize("length", [1, 3, 29])
def test_outputs_and_gradients_of_a_mixer_are_those_of_transformers(shape: dict[str, int], length: int) -> None:
    torch.manual_seed(0)
    theirs = shaken(TheirMixer(config(shape), layer_idx=0))
    ours = MambaMixer(**shape)
    ours.load_state_dict(theirs.state_dict())
    tokens = torch.randn(2, length, shape["dim"], requires_grad=True)
    check_close(of_mixer(ours, tokens), of_mixer(theirs, tokens))


@every_shape
def test_a_bidirectional_mixer_is_the_mean_of_two_that_share_their_projections(shape: dict[str, int]) -> None:
    torch.manual_seed(0)
    ours = shaken(MambaMixer(**shape, bidirectional=True))
    forward, backward = (TheirMixer(config(shape), layer_idx=0) for _ in range(2))
    weights = ours.state_dict()
    own = {name: value for name, value in weights.items() if not name.startswith("reverse.")}
    reverse = {name.removeprefix("reverse."): value for name, value in weights.items() if name.startswith("reverse.")}
    forward.load_state_dict(own)
    backward.load_state_dict(own | reverse)
    tokens = torch.randn(2, 13, shape["dim"])
    expected = (forward(tokens) + backward(tokens.flip(1)).flip(1)) / 2
    check_close({"output": ours(tokens)}, {"output": expected})


def test_the_names_and_shapes_of_weights_are_those_of_mamba_ssm() -> None:
    published = {  # Mamba(d_model=96, d_state=16, d_conv=4, expand=2); dt_rank is ceil(96 / 16)
        "A_log": (192, 16),
        "D": (192,),
        "in_proj.weight": (384, 96),
        "conv1d.weight": (192, 1, 4),
        "conv1d.bias": (192,),
        "x_proj.weight": (38, 192),
        "dt_proj.weight": (192, 6),
        "dt_proj.bias": (192,),
        "out_proj.weight": (96, 192),
    }
    assert {name: tuple(value.shape) for name, value in MambaMixer(96).state_dict().items()} == published
    names = MambaMixer(96, bidirectional=True).state_dict().keys()
    reverse = {f"reverse.{name}" for name in published if not name.startswith(("in_proj", "out_proj"))}
    assert names == published.keys() | reverse


def test_a_backbone_in_one_direction_is_the_model_of_transformers() -> None:
    torch.manual_seed(0)
    shape = {"dim": 32, "state": 4, "conv_width": 4, "expand": 2}
    options = Mamba.Options(patch_size=2, depth=3, bidirectional=False, readout="last", dim=32, state=4)
    ours = shaken(Mamba(options, ImageShape(1, 8, 8))).eval()
    theirs = MambaModel(config(shape, num_hidden_layers=3, layer_norm_epsilon=1e-5)).eval()
    weights = {f"layers.{name}": value for name, value in ours.blocks.state_dict().items()}
    missing, unexpected = theirs.load_state_dict(weights | {"norm_f.weight": ours.norm.weight}, strict=False)
    assert (missing, unexpected) == (["embeddings.weight"], [])
    sequence = ours.tokenize(torch.randn(2, 1, 8, 8))
    expected = theirs(inputs_embeds=sequence.patches, use_cache=False).last_hidden_state
    encoded = ours.encode(sequence)
    check_close({"patches": encoded.sequence.patches}, {"patches": expected})
    check_close({"readout": ours.summarize(encoded)}, {"readout": expected[:, -1]})


# Vision Mamba with 1,000 classes, summed over the layers of its code; the paper rounds to 7, 26 and 98 million. CLS has
# its own position there.
@pytest.mark.parametrize(("size", "published"), [("tiny", 7_148_008), ("small", 25_796_584), ("base", 97_598_440)])
def test_the_sizes_are_those_of_vision_mamba(size: Any, published: int) -> None:
    with torch.device("meta"):
        mamba = Mamba(Mamba.Options(size=size, patch_size=16), ImageShape(3, 224, 224))
    classifier, position_of_cls = (mamba.dim + 1) * 1000, mamba.dim
    assert sum(value.numel() for value in mamba.parameters()) + classifier + position_of_cls == published


def test_the_parameters_of_the_base_size_by_hand() -> None:
    with torch.device("meta"):
        mamba = Mamba(Mamba.Options(size="base", patch_size=16), ImageShape(3, 224, 224))
    dim, inner, state, rank = 768, 1536, 16, 48
    direction = inner * (4 + 1) + inner * (rank + 2 * state) + (rank + 1) * inner + inner * state + inner
    block = dim + dim * 2 * inner + 2 * direction + inner * dim
    patches = dim * 3 * 16 * 16 + dim + 196 * dim
    assert sum(value.numel() for value in mamba.parameters()) == 24 * block + patches + dim + dim
