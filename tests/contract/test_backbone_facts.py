"""What a backbone says of itself before it is built, for all backbones of the package and several options of each."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from backbone_cases import BACKBONES, CASES, IMAGES, OPTIONS, SMALL, build, every_case, every_image, images_of, summary
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import BackboneFacts, Grid, ImageShape, Level, PatchSequence

# Options in which it is not obvious whether a slot sees a later one.
SUBTLE = [
    ("local", {"window": 0, "causal": False, "readout": "mean"}),
    ("local", {"window": 20, "readout": "cls", "depth": 3}),
    ("longformer", {"dim": 16, "heads": 2, "depth": 2, "window": 0, "readout": "mean"}),
    ("longformer", {"dim": 16, "heads": 2, "depth": 1, "window": 0, "readout": "cls"}),
    ("mamba", {"dim": 16, "depth": 2, "bidirectional": False, "cls_position": "middle"}),
    ("transformer-xl", {"dim": 16, "heads": 2, "depth": 2, "segment": 1, "memory": 3, "causal": False}),
    ("transformer-xl", {"dim": 16, "heads": 2, "depth": 3, "segment": 4, "memory": 3, "readout": "cls"}),
]


def facts_of(name: str, options: dict[str, Any], image: ImageShape = SMALL) -> BackboneFacts:
    geometry = {} if "patch_size" in options else {"patch_size": 4}
    return BACKBONES[name].facts(BACKBONES[name].Options(**options, **geometry), image)


@every_image
@every_case
def test_what_is_built_is_what_the_facts_say(name: str, options: dict[str, Any], image: ImageShape) -> None:
    facts, backbone = facts_of(name, options, image), build(name, options, image)
    assert backbone.as_built == facts
    assert (backbone.grid, backbone.dim, backbone.depth) == (facts.grid, facts.dim, facts.depth)
    assert backbone.order_sensitive == facts.order_sensitive
    assert facts.levels == (Level(facts.grid, facts.dim),)
    blocks = backbone.get_submodule("model.blocks" if name == "vit" else "blocks")
    assert len(list(blocks.children())) == facts.depth

    sequence = backbone.tokenize(images_of(image))
    assert sequence.grid == facts.grid
    assert sequence.patches.shape == (3, facts.grid.num_patches, facts.dim)
    assert summary(backbone, sequence).shape == (3, facts.dim)


@every_case
def test_patches_of_one_color_differ_only_by_their_positions(name: str, options: dict[str, Any]) -> None:
    patches = build(name, options).tokenize(torch.ones(1, *SMALL.axes, dtype=torch.float64)).patches[0]
    assert facts_of(name, options).has_positions == (not torch.equal(patches, patches[:1].expand_as(patches)))


@every_case
def test_facts_build_no_weights_and_draw_nothing(
    name: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []
    register = nn.Module.register_parameter

    def watched(module: nn.Module, key: str, parameter: nn.Parameter | None) -> None:
        if parameter is not None and not parameter.is_meta:
            built.append(key)
        register(module, key, parameter)

    monkeypatch.setattr(nn.Module, "register_parameter", watched)
    before = torch.get_rng_state()
    facts_of(name, options)
    assert torch.equal(torch.get_rng_state(), before)
    assert built == []


@pytest.mark.parametrize(("name", "options"), [*CASES, *SUBTLE])
@torch.no_grad()
def test_causal_is_a_backbone_whose_slots_know_nothing_of_later_ones(name: str, options: dict[str, Any]) -> None:
    image = IMAGES[1]
    backbone, facts = build(name, options, image), facts_of(name, options, image)
    sequence = backbone.tokenize(images_of(image, batch=2))
    assert facts.is_causal == knows_nothing_of_later_slots(backbone, sequence)
    if facts.is_causal:
        valid = torch.rand(2, sequence.num_slots) < 0.7
        assert knows_nothing_of_later_slots(backbone, PatchSequence(sequence.patches, sequence.grid, valid=valid))


def knows_nothing_of_later_slots(backbone: Any, sequence: PatchSequence) -> bool:
    before = backbone.encode(sequence).sequence.patches
    for slot in range(1, sequence.num_slots):
        patches = sequence.patches.clone()
        patches[:, slot:] += torch.randn_like(patches[:, slot:])
        after = backbone.encode(sequence.with_patches(patches)).sequence.patches
        change = (after - before)[:, :slot]
        if sequence.valid is not None:
            change = change[sequence.valid[:, :slot]]
        if change.numel() and float(change.abs().max()) > 1e-9:
            return False
    return True


def test_facts_are_read_only() -> None:
    backbone = build("local", {})
    for name in ("grid", "dim", "depth", "order_sensitive"):
        with pytest.raises(AttributeError):
            setattr(backbone, name, getattr(backbone, name))


def test_the_finest_level_is_the_grid_of_patches() -> None:
    with pytest.raises(ReorderKitError, match="finest level has a 2x2 grid, but the patches have a 4x4 grid"):
        BackboneFacts(Grid(4, 4), 8, 2, levels=(Level(Grid(2, 2), 8), Level(Grid(4, 4), 4)))


@pytest.mark.parametrize("first_blocks", [(0, 0), (1, 2), (0, 3, 2)])
def test_a_level_begins_after_the_finer_one(first_blocks: tuple[int, ...]) -> None:
    levels = tuple(Level(Grid(4 >> depth, 4), 8, first) for depth, first in enumerate(first_blocks))
    with pytest.raises(ReorderKitError, match=r"the levels begin with the blocks \["):
        BackboneFacts(Grid(4, 4), 8, 4, levels=levels)


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_only_vit_has_something_to_download(name: str) -> None:
    options = BACKBONES[name].Options(**OPTIONS[name][0], patch_size=4)
    assert not BACKBONES[name].facts(options, SMALL).downloads
    assert BACKBONES[name].without_downloads(options) == options


def test_without_downloads_is_the_same_vit_without_pretrained_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*arguments: object, **named: object) -> None:
        raise AssertionError("it was asked to fetch weights")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", offline)
    vit = BACKBONES["vit"]
    options = vit.Options(model="test_vit", pretrained=True, patch_size=4)
    assert vit.facts(options, SMALL).downloads
    without = vit.without_downloads(options)
    assert without == vit.Options(model="test_vit", pretrained=False, patch_size=4)
    assert not vit.facts(without, SMALL).downloads
    assert vit(without, SMALL).as_built.grid == vit.facts(options, SMALL).grid
