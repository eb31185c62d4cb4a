"""Levels: their content, the order of their cells, and refusals."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from reorder_kit.backbones.hierarchical import Hierarchical
from reorder_kit.backbones.local import Local
from reorder_kit.cli._description import describe_component
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Grid, ImageShape, Level, Order, PatchSequence, Proposal
from reorder_kit.layers.levels import PatchMerging
from reorder_kit.recipe.problems import problems_of
from reorder_kit.testing import host_with
from reorder_kit.testing._backbone_facts import (
    idle_options_change_nothing,
    is_order_sensitive_if_an_order_can_change_the_readout,
    reach_is_the_slots_that_change_the_readout,
)
from reorder_kit.testing.backbone import backbone_case

IMAGE = ImageShape(1, 8, 8)
LOCAL: dict[str, Any] = {"mixer": "local", "heads": 2, "window": 1}
FULL: dict[str, Any] = {"mixer": "attention", "heads": 2}
MAMBA: dict[str, Any] = {"mixer": "mamba", "state": 2}


def options_of(*levels: dict[str, Any], **options: Any) -> Hierarchical.Options:
    made: Hierarchical.Options = Hierarchical.Options(**{"patch_size": 2, "dim": 8, **options}, levels=levels)
    return made


def build(*levels: dict[str, Any], image: ImageShape = IMAGE, **options: Any) -> Hierarchical:
    torch.manual_seed(0)
    return Hierarchical(options_of(*levels, **options), image).double().eval()


def images_of(image: ImageShape = IMAGE, batch: int = 3) -> Tensor:
    return torch.randn(batch, *image.axes, dtype=torch.float64)


def test_levels_have_blocks_of_their_own_kind_and_width() -> None:
    backbone = build(LOCAL | {"depth": 2}, MAMBA, FULL, growth=3)
    levels = (Level(Grid(4, 4), 8), Level(Grid(2, 2), 24, first_block=2), Level(Grid(1, 1), 72, first_block=3))
    assert backbone.as_built.levels == levels
    kinds = [
        type(block.get_submodule("mixer" if index == 2 else "attn")).__name__
        for index, block in enumerate(backbone.blocks)
    ]
    assert kinds == ["WindowedAttention", "WindowedAttention", "MambaMixer", "WindowedAttention"]
    encoded = backbone.encode(backbone.tokenize(images_of()))
    assert [level.patches.shape[1:] for level in encoded.levels] == [(16, 8), (4, 24), (1, 72)]


@torch.no_grad()
def test_a_level_is_what_the_flat_backbone_of_its_mixer_makes_of_its_cells() -> None:
    backbone = build(FULL, LOCAL, growth=1)
    flat = Local(Local.Options(patch_size=2, dim=8, heads=2, window=1, causal=False, depth=1), IMAGE).double().eval()
    flat.blocks.load_state_dict(backbone.blocks[1:].state_dict())
    flat.norm.load_state_dict(backbone.norm.state_dict())
    order = Order(torch.randperm(16))
    first = backbone.encode(Proposal(order).apply(backbone.tokenize(images_of())), stop=1).sequence
    cells = backbone.merges[0](PatchSequence(order.restore(first.patches), Grid(4, 4)), Grid(2, 2)).patches
    walked = order.merged(Grid(2, 2)).apply(cells)
    expected = flat.encode(PatchSequence(walked, Grid(2, 2))).sequence.patches
    torch.testing.assert_close(backbone.encode(first, start=1).sequence.patches, expected)


def test_the_first_cell_is_that_of_the_first_patch() -> None:
    backbone = build(LOCAL, LOCAL)
    # Patch 15 is in the last cell, patches 0 and 1 in the first one, 2 in the one beside it.
    order = Order([15, 0, 1, 2, *range(3, 15)])
    encoded = backbone.encode(Proposal(order).apply(backbone.tokenize(images_of())))
    assert encoded.sequence.order == Order([3, 0, 1, 2])


@torch.no_grad()
def test_merging_keeps_the_squares_of_each_frame_together() -> None:
    merging = PatchMerging(1, 4).double()
    grid = Grid(2, 4, frames=2)
    numbers = torch.arange(16, dtype=torch.float64).reshape(1, 16, 1)
    squares: list[Tensor] = []
    merging.norm.register_forward_pre_hook(lambda _, inputs: squares.append(inputs[0]))
    merging(PatchSequence(numbers, grid), Grid(1, 2, frames=2))
    assert squares[0][0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]


@torch.no_grad()
def test_a_cell_is_padding_if_all_its_patches_are_and_padding_is_merged_as_zeros() -> None:
    backbone = build(LOCAL, LOCAL)
    sequence = backbone.tokenize(images_of(batch=1))
    valid = torch.tensor([[True] * 3 + [False] + [True] * 4 + [True] * 2 + [False] * 2 + [False] * 4])
    encoded = backbone.encode(PatchSequence(sequence.patches, sequence.grid, valid=valid), stop=1)
    merged = backbone._merged(encoded.sequence, 1)
    assert merged.valid is not None
    assert merged.valid.tolist() == [[True, True, True, False]]
    zeroed = encoded.sequence.patches * valid.unsqueeze(-1)
    expected = backbone.merges[0](PatchSequence(zeroed, Grid(4, 4)), Grid(2, 2)).patches
    torch.testing.assert_close(merged.patches[:, :3], expected[:, :3])


@torch.no_grad()
def test_where_padding_stands_does_not_move_a_cell() -> None:
    backbone = build(LOCAL, LOCAL)
    sequence = backbone.tokenize(images_of(batch=1))
    # Patches 0, 1 and 14 are padding: cells 0 and 3, which begin with them, take the places of 4 and 10.
    order = Order([0, 14, 2, 1, 4, *range(15, 4, -1), 3][:5] + [p for p in range(15, 4, -1) if p != 14] + [3])
    valid = ~torch.isin(order.indices, torch.tensor([0, 1, 14])).unsqueeze(0)
    moved = Proposal(order).apply(sequence)
    encoded = backbone.encode(PatchSequence(moved.patches, moved.grid, order, valid))
    assert encoded.sequence.order is not None
    assert encoded.sequence.order.indices.tolist() == [[1, 0, 3, 2]]


@torch.no_grad()
@pytest.mark.parametrize("levels", [(LOCAL, LOCAL, LOCAL), (MAMBA, FULL | {"depth": 2})])
def test_under_autocast_every_level_keeps_single_precision(levels: tuple[dict[str, Any], ...]) -> None:
    backbone = build(*levels).float()
    kept: list[torch.dtype] = []
    for block in backbone.blocks:
        block.register_forward_hook(lambda _, inputs, output: kept.extend((inputs[0].dtype, output.dtype)))
    with torch.autocast("cpu", torch.bfloat16):
        sequence = backbone.tokenize(images_of().float())
        whole = backbone.encode(sequence)
        assert {level.patches.dtype for level in whole.levels} == {*kept} == {torch.float32}
        for split in range(backbone.depth + 1):
            first = backbone.encode(sequence, stop=split)
            second = backbone.encode(first.sequence, start=split)
            assert torch.equal(second.sequence.patches, whole.sequence.patches)


# Levels of 16 and 4 cells, and whether an order changes the readout.
SENSITIVE: list[tuple[tuple[dict[str, Any], ...], dict[str, Any], bool]] = [
    ((FULL, FULL), {}, False),
    ((LOCAL | {"window": 15}, LOCAL | {"window": 0}), {}, False),
    ((LOCAL | {"window": 14}, FULL), {}, True),
    ((FULL, LOCAL | {"window": 2}), {}, True),
    ((FULL, FULL | {"causal": True}), {}, True),
    ((FULL, FULL), {"readout": "last"}, True),
    ((FULL, FULL, FULL), {"readout": "last"}, False),
    ((FULL, FULL, MAMBA), {}, False),
    ((FULL, MAMBA, FULL), {}, True),
]


@pytest.mark.parametrize(("levels", "options", "expected"), SENSITIVE)
def test_it_is_sensitive_to_the_order_where_some_level_or_the_readout_is(
    levels: tuple[dict[str, Any], ...], options: dict[str, Any], expected: bool
) -> None:
    made = options_of(*levels, **options)
    assert Hierarchical.facts(made, IMAGE).order_sensitive == expected
    is_order_sensitive_if_an_order_can_change_the_readout(backbone_case(Hierarchical, made, IMAGE))


# With the readout `last`: levels of 16 and 4 cells in which every patch has a path to the last cell.
READ: list[tuple[dict[str, Any], ...]] = [
    (LOCAL, LOCAL | {"depth": 3}),
    (LOCAL, LOCAL | {"depth": 3, "causal": True}),
    (LOCAL, MAMBA | {"bidirectional": False}),
    (FULL, LOCAL | {"window": 0}),
    (MAMBA, LOCAL | {"window": 0}),
    (LOCAL | {"window": 3, "depth": 5}, LOCAL),
    (LOCAL | {"window": 0}, LOCAL | {"window": 0}, LOCAL),
]


@pytest.mark.parametrize("levels", READ)
def test_the_last_cell_is_read_where_it_sees_everything(levels: tuple[dict[str, Any], ...]) -> None:
    reach_is_the_slots_that_change_the_readout(backbone_case(Hierarchical, options_of(*levels, readout="last"), IMAGE))


@pytest.mark.parametrize(
    "levels",
    [
        (LOCAL, LOCAL | {"depth": 2}),
        (FULL | {"causal": True}, LOCAL),
        (MAMBA | {"bidirectional": False}, LOCAL),
        (LOCAL | {"window": 3, "depth": 4}, LOCAL),
    ],
)
def test_the_last_cell_is_refused_where_the_order_decides_what_it_sees(levels: tuple[dict[str, Any], ...]) -> None:
    made = options_of(*levels, readout="last")
    for build_or_ask in (Hierarchical, Hierarchical.facts):
        with pytest.raises(ReorderKitError, match="the order may decide which patches are read") as caught:
            build_or_ask(made, IMAGE)
        assert "readout: mean" in str(caught.value.hint)


def test_options_of_a_level_that_change_nothing_are_named_by_their_path() -> None:
    made = options_of(LOCAL | {"window": 15}, LOCAL, LOCAL)
    idle = Hierarchical.facts(made, IMAGE).idle
    assert idle == {
        "levels.0.window": "it holds all 16 cells of the level, as does any window from 15 on",
        "levels.2.window": "the level has a single cell",
        "levels.2.causal": "a slot sees only itself",
    }
    idle_options_change_nothing(backbone_case(Hierarchical, made, IMAGE))


@pytest.mark.parametrize(
    ("level", "unused"),
    [
        ({"mixer": "attention", "window": 2}, "window does nothing: the mixer is attention"),
        ({"mixer": "mamba", "heads": 2}, "heads does nothing: the mixer is mamba"),
        ({"mixer": "local", "state": 2}, "state does nothing: the mixer is local"),
        ({"mixer": "local", "heads": 3}, "the width 8 of level 0 is not divisible by 3 heads"),
    ],
)
def test_options_of_other_mixers_are_refused(level: dict[str, Any], unused: str) -> None:
    with pytest.raises(ValueError, match=unused):
        options_of(level, FULL)


@pytest.mark.parametrize("levels", [[], [FULL], [FULL] * 9])
def test_a_single_level_and_too_many_are_refused(levels: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match=f"levels: give 2 to 8, not {len(levels)}"):
        options_of(*levels)


def test_a_misspelt_option_of_a_level_gets_a_suggestion() -> None:
    with pytest.raises(ValidationError) as caught:
        options_of({"mixer": "local", "windw": 2}, FULL)
    (problem,) = problems_of(caught.value, Hierarchical.Options, "backbone")
    assert (problem.path, problem.hint) == ("backbone.levels.0.windw", "did you mean 'window'?")


def test_describe_shows_the_options_of_a_level() -> None:
    names = [option["name"] for option in describe_component(host_with().backbones, "hierarchical")["options"]]
    assert {"levels", "levels.*.mixer", "levels.*.window"} <= set(names)


def test_a_backend_without_a_scan_is_refused() -> None:
    with pytest.raises(ValueError, match="backend does nothing: no level has the mixer mamba"):
        options_of(FULL, FULL, backend="torch")


@pytest.mark.parametrize("patch_size", [(2, 8), 8])
def test_a_grid_that_cannot_be_halved_is_refused(patch_size: Any) -> None:
    for build_or_ask in (Hierarchical, Hierarchical.facts):
        with pytest.raises(ReorderKitError, match=r"a (4x1|1x1) grid cannot have 2 levels") as caught:
            build_or_ask(options_of(FULL, FULL, patch_size=patch_size), IMAGE)
        assert "multiples of 2" in str(caught.value.hint)


def test_a_partial_order_is_refused_in_words() -> None:
    backbone = build(FULL, FULL)
    partial = Proposal(Order([3, 1], num_patches=16)).apply(backbone.tokenize(images_of()))
    with pytest.raises(ReorderKitError, match="a sequence has 2 of the 16 patches of a 4x4 grid") as caught:
        backbone.encode(partial)
    assert caught.value.hint == "use a full order"
