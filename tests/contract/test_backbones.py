"""What every backbone promises, for all backbones of the package and several options of each."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import pytest
import torch
from timm.layers import DropPath
from torch import Tensor

import reorder_kit.backbones
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Backbone, Encoded, Grid, ImageShape, Order, PatchSequence

# Option sets by recipe name, for patches of 4x4 pixels unless they say otherwise; with each, all slots of a 2x2 grid
# reach the readout. A new backbone adds its sets here.
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "vit": [
        {"dim": 16, "heads": 2, "depth": 3},
        {"dim": 16, "heads": 2, "depth": 2, "readout": "mean", "positions": "sincos"},
        {"dim": 12, "heads": 3, "depth": 2, "positions": "none", "patch_size": (2, 4)},
        {"model": "test_vit", "patch_size": 4},
    ],
    "local": [
        {"window": 2},
        {"window": 3, "depth": 1},
        {"window": 1, "depth": 3, "causal": False, "positions": "none"},
        {"window": 1, "readout": "mean", "positions": "sincos"},
        {"window": 2, "readout": "cls", "patch_size": (4, 2)},
        {"window": 3, "readout": "cls", "causal": False, "depth": 3},
        {"window": 20, "readout": "cls", "causal": False},
        {"window": 20, "readout": "cls", "depth": 1},
        {"window": 20, "readout": "mean", "causal": False},
        {"window": 20, "readout": "mean"},
        {"window": 0, "readout": "mean"},
    ],
    "longformer": [
        {"dim": 16, "heads": 2, "depth": 2, "window": 1},
        {"dim": 16, "heads": 2, "depth": 1, "window": 1, "positions": "sincos"},
        {"dim": 12, "heads": 3, "depth": 3, "window": 14, "positions": "none", "patch_size": (2, 4)},
        {"dim": 16, "heads": 2, "depth": 2, "window": 0},
        {"dim": 16, "heads": 2, "depth": 2, "window": 2, "readout": "mean"},
        {"dim": 16, "heads": 2, "depth": 1, "window": 1, "readout": "mean", "positions": "none"},
        {"dim": 16, "heads": 2, "depth": 1, "window": 14, "readout": "mean"},
        {"dim": 16, "heads": 2, "depth": 2, "window": 2, "readout": "last", "patch_size": (4, 2)},
    ],
    "mamba": [
        {"dim": 16, "depth": 2},
        {"dim": 16, "depth": 2, "bidirectional": False, "positions": "sincos"},
        {"dim": 12, "depth": 1, "bidirectional": False, "readout": "last", "positions": "none", "patch_size": (2, 4)},
        {"dim": 16, "depth": 1, "bidirectional": False, "readout": "mean", "state": 3, "conv_width": 2},
        {"dim": 16, "depth": 1, "readout": "last", "expand": 1},
        {"dim": 16, "depth": 1, "readout": "mean", "positions": "none"},
        {"dim": 16, "depth": 1, "cls_position": "start", "positions": "none"},
        {"dim": 16, "depth": 2, "cls_position": "end", "conv_width": 1},
    ],
    "recurrent": [
        {},
        {"cell": "lstm", "positions": "sincos", "depth": 1},
        {"bidirectional": True, "positions": "none"},
        {"bidirectional": True, "cell": "lstm", "readout": "mean", "patch_size": (2, 4)},
    ],
    "transformer-xl": [
        {"dim": 16, "heads": 2, "depth": 2, "segment": 2, "memory": 2},
        {"dim": 16, "heads": 2, "depth": 2, "segment": 3, "memory": 1, "readout": "last"},
        {"dim": 12, "heads": 3, "depth": 2, "segment": 2, "memory": 5, "readout": "cls"},
        {"dim": 16, "heads": 2, "depth": 1, "readout": "cls", "positions": "none", "patch_size": (2, 4)},
        {"dim": 16, "heads": 2, "depth": 1, "causal": False, "positions": "sincos"},
        {"dim": 16, "heads": 2, "depth": 2, "segment": 3, "memory": 3, "causal": False, "readout": "cls"},
        {"dim": 16, "heads": 2, "depth": 2, "segment": 2, "memory": 0},
    ],
}
# In the last block of these, some weights act on patches alone: Longformer's CLS looks through its own projections, and
# one of Mamba's two directions starts at a CLS that stands at an end.
PATCHES_READ_TOO = {"longformer", "mamba"}
IMAGES = [ImageShape(1, 8, 8), ImageShape(3, 12, 20), ImageShape(3, 4, 12)]
SMALL = ImageShape(3, 8, 8)


def all_backbones() -> dict[str, type[Backbone]]:
    found: dict[str, type[Backbone]] = {}
    for module in pkgutil.iter_modules(reorder_kit.backbones.__path__, "reorder_kit.backbones."):
        found |= {backbone.name: backbone for backbone in importlib.import_module(module.name).register_backbones()}
    return found


BACKBONES = all_backbones()
CASES = [
    pytest.param(name, options, id=f"{name}-{'-'.join(str(value) for value in options.values())}")
    for name, sets in OPTIONS.items()
    for options in sets
]
every_case = pytest.mark.parametrize(("name", "options"), CASES)
every_image = pytest.mark.parametrize("image", IMAGES, ids=str)


def build(name: str, options: dict[str, Any], image: ImageShape = SMALL, seed: int = 0) -> Backbone:
    geometry = {} if "patch_size" in options else {"patch_size": 4}
    torch.manual_seed(seed)
    backbone = BACKBONES[name](BACKBONES[name].Options(**options, **geometry), image)
    with torch.no_grad():
        for parameter in backbone.parameters():  # no special start (zero biases, tiny CLS) shall hide anything
            parameter.add_(0.2 * torch.randn_like(parameter))
    return backbone.double().eval()


def images_of(image: ImageShape, batch: int = 3) -> Tensor:
    return torch.randn(batch, image.channels, image.height, image.width, dtype=torch.float64)


def summary(backbone: Backbone, sequence: PatchSequence) -> Tensor:
    return backbone.summarize(backbone.encode(sequence))


def test_every_backbone_has_an_entry_in_the_table() -> None:
    assert sorted(OPTIONS) == sorted(BACKBONES)


@every_image
@every_case
def test_shapes_follow_from_the_image(name: str, options: dict[str, Any], image: ImageShape) -> None:
    backbone = build(name, options, image)
    height, width = size if isinstance(size := options.get("patch_size", 4), tuple) else (size, size)
    assert backbone.grid == Grid(image.height // height, image.width // width)

    sequence = backbone.tokenize(images_of(image))
    encoded = backbone.encode(sequence)

    # CLS and register tokens are never among the patches.
    expected = (3, backbone.grid.num_patches, backbone.dim)
    assert sequence.patches.shape == encoded.sequence.patches.shape == expected
    assert encoded.sequence.grid == sequence.grid == backbone.grid
    assert backbone.summarize(encoded).shape == (3, backbone.dim)


@every_case
def test_tokenize_is_row_major_and_each_patch_is_embedded_alone(name: str, options: dict[str, Any]) -> None:
    backbone = build(name, options, IMAGES[1])
    images = images_of(IMAGES[1], batch=1)
    before = backbone.tokenize(images).patches[0]
    height, width = 12 // backbone.grid.height, 20 // backbone.grid.width
    for row in range(backbone.grid.height):
        for column in range(backbone.grid.width):
            changed = images.clone()
            changed[..., row * height : (row + 1) * height, column * width : (column + 1) * width] += 1
            moved = (backbone.tokenize(changed).patches[0] != before).any(dim=-1)
            assert moved.nonzero().flatten().tolist() == [row * backbone.grid.width + column]


@every_case
def test_encoding_in_two_parts_equals_encoding_in_one(name: str, options: dict[str, Any]) -> None:
    backbone = build(name, options)
    sequence = backbone.tokenize(images_of(SMALL))
    whole = backbone.encode(sequence)
    for split in range(backbone.depth + 1):
        first = backbone.encode(sequence, stop=split)
        second = backbone.encode(first.sequence, start=split, extra_tokens=first.extra_tokens)
        torch.testing.assert_close(second.sequence.patches, whole.sequence.patches)
        torch.testing.assert_close(backbone.summarize(second), backbone.summarize(whole))


@every_case
def test_extra_tokens_must_be_handed_on(name: str, options: dict[str, Any]) -> None:
    backbone = build(name, options)
    first = backbone.encode(backbone.tokenize(images_of(SMALL)), stop=1)
    if first.extra_tokens is None:
        return
    with pytest.raises(ReorderKitError, match="extra tokens"):
        backbone.encode(first.sequence, start=1)


def unstopped(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options that let through a gradient which is stopped on purpose, although the slot has an influence."""
    has_memory = name == "transformer-xl" and options.get("memory") != 0
    return {**options, "memory_gradient": True} if has_memory else options


@every_image
@every_case
def test_reach_is_where_the_gradient_of_the_summary_is(name: str, options: dict[str, Any], image: ImageShape) -> None:
    backbone = build(name, unstopped(name, options), image)
    sequence = backbone.tokenize(images_of(image))
    patches = sequence.patches.detach().requires_grad_()
    vectors = summary(backbone, sequence.with_patches(patches))
    (vectors * torch.randn_like(vectors)).sum().backward()
    assert patches.grad is not None
    measured = (patches.grad != 0).any(dim=-1).any(dim=0)
    assert backbone.reach(sequence.num_slots).tolist() == measured.tolist()


@every_image
@every_case
@torch.no_grad()
def test_reach_is_which_slots_change_the_summary(name: str, options: dict[str, Any], image: ImageShape) -> None:
    backbone = build(name, options, image)
    sequence = backbone.tokenize(images_of(image, batch=1))
    before = summary(backbone, sequence)
    measured = []
    for slot in range(sequence.num_slots):
        patches = sequence.patches.clone()
        patches[:, slot] += torch.randn(backbone.dim, dtype=torch.float64)
        measured.append(not torch.equal(summary(backbone, sequence.with_patches(patches)), before))
    assert backbone.reach(sequence.num_slots).tolist() == measured


@every_image
@every_case
def test_order_sensitive_says_whether_an_order_changes_the_summary(
    name: str, options: dict[str, Any], image: ImageShape
) -> None:
    backbone = build(name, options, image)
    sequence = backbone.tokenize(images_of(image)).without_order()
    before = summary(backbone, sequence)
    change = 0.0
    for _ in range(20):
        order = Order(torch.randperm(sequence.num_slots))
        after = summary(backbone, sequence.with_patches(order.apply(sequence.patches)))
        change = max(change, float((after - before).abs().max().detach()))
    assert backbone.order_sensitive == (change > 1e-9)


@every_case
def test_the_gradient_reaches_every_parameter(name: str, options: dict[str, Any]) -> None:
    height, width = size if isinstance(size := options.get("patch_size", 4), tuple) else (size, size)
    image = ImageShape(3, 2 * height, 2 * width)
    backbone = build(name, options, image)
    encoded = backbone.encode(backbone.tokenize(images_of(image)))
    read = [backbone.summarize(encoded), *([encoded.sequence.patches] if name in PATCHES_READ_TOO else [])]
    sum((vectors * torch.randn_like(vectors)).sum() for vectors in read).backward()
    unmoved = [key for key, value in backbone.named_parameters() if value.grad is None or not value.grad.any()]
    assert unmoved == []


@every_case
def test_weights_come_back_from_a_state_dict(name: str, options: dict[str, Any]) -> None:
    one, other = build(name, options, seed=1), build(name, options, seed=2)
    images = images_of(SMALL)
    expected = summary(one, one.tokenize(images))
    assert not torch.equal(summary(other, other.tokenize(images)), expected)
    other.load_state_dict(one.state_dict())
    assert torch.equal(summary(other, other.tokenize(images)), expected)


@every_case
def test_padding_does_not_change_the_summary(name: str, options: dict[str, Any]) -> None:
    image = IMAGES[1]
    backbone = build(name, options, image)
    sequence = backbone.tokenize(images_of(image, batch=4))
    slots = torch.arange(sequence.num_slots)
    valid = torch.stack([slots < 3, slots >= 4, slots % 3 == 1, slots >= 0])
    noisy = sequence.patches.masked_fill(~valid.unsqueeze(-1), 1e3)
    together = summary(backbone, PatchSequence(noisy, sequence.grid, valid=valid))
    for index in range(4):
        alone = PatchSequence(sequence.patches[index : index + 1, valid[index]], sequence.grid)
        torch.testing.assert_close(together[index : index + 1], summary(backbone, alone))


@every_case
def test_an_image_of_padding_alone_gives_no_nan_and_spoils_no_other(name: str, options: dict[str, Any]) -> None:
    backbone = build(name, options)
    sequence = backbone.tokenize(images_of(SMALL, batch=2))
    valid = torch.zeros(2, sequence.num_slots, dtype=torch.bool)
    valid[1] = True
    vectors = summary(backbone, PatchSequence(sequence.patches, sequence.grid, valid=valid))
    vectors.sum().backward()
    assert vectors.isfinite().all()
    assert all(value.grad is None or value.grad.isfinite().all() for value in backbone.parameters())
    torch.testing.assert_close(vectors[1:], summary(backbone, sequence.with_patches(sequence.patches[1:])))


@every_case
def test_fewer_slots_than_patches_are_a_shorter_sequence(name: str, options: dict[str, Any]) -> None:
    backbone = build(name, options, IMAGES[1])
    sequence = backbone.tokenize(images_of(IMAGES[1]))
    partial = Order([7, 2, 11], num_patches=sequence.num_slots)
    encoded: Encoded = backbone.encode(sequence.with_patches(partial.apply(sequence.patches)))
    assert encoded.sequence.num_slots == 3
    assert backbone.summarize(encoded).isfinite().all()


@every_case
def test_bfloat16_autocast_is_finite_both_ways(name: str, options: dict[str, Any]) -> None:
    backbone = build(name, options).float().train()
    images = images_of(SMALL).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        sequence = backbone.tokenize(images)
        vectors = summary(backbone, sequence)
        padded = summary(backbone, PatchSequence(sequence.patches, sequence.grid, valid=sequence.patches[..., 0] < 9))
    (vectors.float().square().mean() + padded.float().square().mean()).backward()
    assert vectors.isfinite().all()
    assert padded.isfinite().all()
    assert all(value.grad.isfinite().all() for value in backbone.parameters() if value.grad is not None)


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_a_grid_instead_of_a_patch_size_fits_images_of_any_size(name: str) -> None:
    options = BACKBONES[name].Options(grid=(4, 4))
    for image in (ImageShape(1, 8, 8), ImageShape(3, 64, 32)):
        backbone = BACKBONES[name](options, image)
        assert backbone.grid == Grid(4, 4)
        assert backbone.tokenize(images_of(image).float()).num_slots == 16


@pytest.mark.parametrize("name", sorted(BACKBONES))
@pytest.mark.parametrize(
    ("geometry", "cut"), [({"patch_size": 3}, "3x3"), ({"patch_size": (4, 3)}, "4x3"), ({"grid": (2, 3)}, "2x3")]
)
def test_patches_that_do_not_fill_the_image_are_refused(name: str, geometry: dict[str, Any], cut: str) -> None:
    with pytest.raises(ReorderKitError, match=rf"8x8 pixels .*{cut}") as caught:
        BACKBONES[name](BACKBONES[name].Options(**geometry), ImageShape(1, 8, 8))
    assert next(iter(geometry)) in str(caught.value.hint)


@pytest.mark.parametrize("name", sorted(BACKBONES))
@pytest.mark.parametrize("geometry", [{}, {"patch_size": 2, "grid": (4, 4)}, {"patch_size": 0}, {"grid": (0, 4)}])
def test_the_patches_are_said_exactly_once(name: str, geometry: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"patch_size|grid"):
        BACKBONES[name].Options(**geometry)


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_images_of_another_size_are_refused(name: str) -> None:
    backbone = BACKBONES[name](BACKBONES[name].Options(patch_size=4), ImageShape(1, 8, 8))
    with pytest.raises(ReorderKitError, match=r"8x8.*8x12"):
        backbone.tokenize(torch.zeros(1, 1, 8, 12))


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("vit", {"drop_path": 0.5}),
        ("local", {"drop_path": 0.5}),
        ("mamba", {"drop_path": 0.5}),
        ("local", {"dropout": 0.5}),
        ("recurrent", {"dropout": 0.5}),
        ("longformer", {"drop_path": 0.5}),
        ("longformer", {"dropout": 0.5}),
        ("transformer-xl", {"drop_path": 0.5}),
        ("transformer-xl", {"dropout": 0.5}),
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


@pytest.mark.parametrize("name", ["vit", "local", "longformer", "mamba", "transformer-xl"])
def test_gradient_checkpointing_recomputes_blocks_and_changes_no_gradient(name: str) -> None:
    calls: dict[bool, int] = {}
    gradients: dict[bool, list[Tensor | None]] = {}
    images = images_of(SMALL)
    for recompute in (False, True):
        backbone = build(name, OPTIONS[name][0] | {"gradient_checkpointing": recompute}).train()
        inside = [module for module in backbone.modules() if type(module).__name__ in ("Mlp", "MambaMixer")]
        calls[recompute] = 0

        def count(*_: Any, recompute: bool = recompute) -> None:
            calls[recompute] += 1

        for module in inside:
            module.register_forward_pre_hook(count)
        summary(backbone, backbone.tokenize(images)).square().sum().backward()
        gradients[recompute] = [parameter.grad for parameter in backbone.parameters()]
    assert calls[True] == 2 * calls[False] > 0
    torch.testing.assert_close(gradients[True], gradients[False])


@pytest.mark.parametrize("name", ["local", "longformer", "transformer-xl", "mamba"])
def test_the_path_of_a_single_block_is_dropped_as_asked(name: str) -> None:
    backbone = build(name, OPTIONS[name][0] | {"depth": 1, "drop_path": 0.5})
    dropping = [module for module in backbone.modules() if isinstance(module, DropPath)]
    assert dropping
    assert all(module.drop_prob == 0.5 for module in dropping)


# Warnings that torch's compiler raises and catches itself must not become errors inside it.
@pytest.mark.filterwarnings("default")
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(BACKBONES))
@pytest.mark.parametrize("recompute", [False, True])
def test_encode_compiles(name: str, recompute: bool) -> None:
    if recompute and "gradient_checkpointing" not in BACKBONES[name].Options.model_fields:
        pytest.skip(f"{name} has no gradient checkpointing")
    options = {"gradient_checkpointing": True} if recompute else {}
    backbone = build(name, OPTIONS[name][0] | options).float()
    images = images_of(SMALL).float()
    for valid in (None, torch.tensor([[True, True, False, True]] * 3)):
        sequence = PatchSequence(backbone.tokenize(images).patches, backbone.grid, valid=valid)
        torch.compiler.reset()
        compiled = backbone.summarize(torch.compile(backbone.encode)(sequence))
        torch.testing.assert_close(compiled, summary(backbone, sequence), rtol=1e-4, atol=1e-4)
        compiled.sum().backward()
