"""Guarantees of the package's backbones in training: gradients, dropping, recomputing, compiling."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from timm.layers import DropPath
from torch import Tensor

from backbone_cases import BACKBONES, CASES, OPTIONS, SMALL, build, images_of, options_of_4x4_pixels
from reorder_kit.interfaces import PatchSequence
from reorder_kit.testing._backbone_case import summary

# In the last block of these, some weights act only on patches: Longformer's CLS uses its own projections, one of two
# directions starts at a CLS at an end, and VIOLIN's CLS has no distance from anything.
PATCHES_READ_TOO = {"gated-deltanet", "longformer", "mamba", "mamba2", "violin"}


@pytest.mark.parametrize(("name", "options"), [case for case in CASES if case.values[0] not in PATCHES_READ_TOO])
def test_the_gradient_of_the_readout_alone_reaches_every_parameter(name: str, options: dict[str, Any]) -> None:
    backbone = build(name, options)
    vectors = summary(backbone, backbone.tokenize(images_of(SMALL)))
    (vectors * torch.randn_like(vectors)).sum().backward()
    unmoved = [key for key, value in backbone.named_parameters() if value.grad is None or not value.grad.any()]
    assert unmoved == []


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("vit", {"drop_path": 0.5}),
        ("local", {"drop_path": 0.5}),
        ("mamba", {"drop_path": 0.5}),
        ("arm", {"drop_path": 0.5}),
        ("mamba2", {"drop_path": 0.5}),
        ("gated-deltanet", {"drop_path": 0.5}),
        ("local", {"dropout": 0.5}),
        ("recurrent", {"dropout": 0.5}),
        ("longformer", {"drop_path": 0.5}),
        ("longformer", {"dropout": 0.5}),
        ("hierarchical", {"drop_path": 0.5}),
        ("vmamba", {"drop_path": 0.5}),
        ("transformer-xl", {"drop_path": 0.5}),
        ("transformer-xl", {"dropout": 0.5}),
        ("sparse", {"drop_path": 0.5}),
        ("sparse", {"dropout": 0.5}),
        ("violin", {"drop_path": 0.5}),
        ("violin", {"dropout": 0.5}),
    ],
)
def test_dropping_acts_in_training_only(name: str, option: dict[str, float]) -> None:
    backbone = build(name, OPTIONS[name][0] | option)
    images = images_of(SMALL)
    torch.testing.assert_close(
        summary(backbone, backbone.tokenize(images)), summary(backbone, backbone.tokenize(images))
    )
    backbone.train()
    first, second = (summary(backbone, backbone.tokenize(images)) for _ in range(2))
    assert not torch.allclose(first, second)


@pytest.mark.parametrize(
    "name",
    [
        "vit",
        "local",
        "longformer",
        "mamba",
        "arm",
        "mamba2",
        "gated-deltanet",
        "transformer-xl",
        "hierarchical",
        "vmamba",
        "sparse",
        "violin",
    ],
)
def test_gradient_checkpointing_recomputes_blocks_and_changes_no_gradient(name: str) -> None:
    calls: dict[bool, int] = {}
    gradients: dict[bool, list[Tensor | None]] = {}
    images = images_of(SMALL)
    for recompute in (False, True):
        backbone = build(name, OPTIONS[name][0] | {"gradient_checkpointing": recompute}).train()
        inside = [
            module
            for module in backbone.modules()
            if type(module).__name__ in ("Mlp", "MambaMixer", "Mamba2Mixer", "SwiGLU")
        ]
        calls[recompute] = 0

        def count(*_: Any, recompute: bool = recompute) -> None:
            calls[recompute] += 1

        for module in inside:
            module.register_forward_pre_hook(count)
        summary(backbone, backbone.tokenize(images)).square().sum().backward()
        gradients[recompute] = [parameter.grad for parameter in backbone.parameters()]
    assert calls[True] == 2 * calls[False] > 0
    torch.testing.assert_close(gradients[True], gradients[False])


@pytest.mark.parametrize(
    "name", ["local", "longformer", "transformer-xl", "mamba", "mamba2", "gated-deltanet", "sparse", "violin"]
)
def test_the_path_of_a_single_block_is_dropped_as_asked(name: str) -> None:
    backbone = build(name, OPTIONS[name][0] | {"depth": 1, "drop_path": 0.5})
    dropping = [module for module in backbone.modules() if isinstance(module, DropPath)]
    assert dropping
    assert all(module.drop_prob == 0.5 for module in dropping)


# All backbones recompute through the same function, so one of each kind is compiled with it. Compiling takes tens of
# seconds, so most are compiled with padding only, which is the longer path.
COMPILED = [(name, False, "padded") for name in sorted(BACKBONES)]
COMPILED += [("local", False, "full"), ("mamba", False, "full"), ("local", True, "padded"), ("mamba", True, "padded")]


# Warnings that torch's compiler raises and catches itself must not become errors inside it.
@pytest.mark.filterwarnings("default")
@pytest.mark.slow
@pytest.mark.parametrize(("name", "recompute", "slots"), COMPILED)
def test_encode_compiles(name: str, recompute: bool, slots: str) -> None:
    options = options_of_4x4_pixels(name) | ({"gradient_checkpointing": True} if recompute else {})
    if "depth" in options:
        options["depth"] = 1  # compiling takes tens of seconds for every block
    backbone = build(name, options).float()
    valid = torch.tensor([[True, True, False, True]] * 3) if slots == "padded" else None
    sequence = PatchSequence(backbone.tokenize(images_of(SMALL).float()).patches, backbone.grid, valid=valid)
    torch.compiler.reset()
    compiled = backbone.summarize(torch.compile(backbone.encode)(sequence))
    torch.testing.assert_close(compiled, summary(backbone, sequence), rtol=1e-4, atol=1e-4)
    compiled.sum().backward()
