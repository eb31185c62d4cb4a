"""Clips of several frames, for every backbone of the package that reads them."""

from __future__ import annotations

import pytest
import torch

from backbone_cases import BACKBONES, CLIP, OPTIONS, SMALL, build, images_of, summary
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Grid, Order, PatchSequence
from reorder_kit.orders.patches import paste

READ_CLIPS = sorted(BACKBONES.keys() - {"vit"})
every_reader = pytest.mark.parametrize("name", READ_CLIPS)
GRID = Grid(2, 2, frames=3)


@every_reader
def test_shapes_follow_from_the_clip(name: str) -> None:
    backbone = build(name, OPTIONS[name][0], CLIP)
    assert backbone.grid == GRID
    sequence = backbone.tokenize(images_of(CLIP))
    encoded = backbone.encode(sequence)
    assert sequence.patches.shape == encoded.sequence.patches.shape == (3, 12, backbone.dim)
    assert backbone.summarize(encoded).shape == (3, backbone.dim)
    assert backbone.reach(12).shape == (12,)


@every_reader
def test_patches_are_numbered_by_frame_row_and_column_and_embedded_alone(name: str) -> None:
    backbone = build(name, OPTIONS[name][0], CLIP)
    clips = images_of(CLIP, batch=1)
    before = backbone.tokenize(clips).patches[0]
    for patch in range(GRID.num_patches):
        change = torch.zeros(1, 12, 48, dtype=torch.float64)
        change[:, patch] = 1
        moved = (backbone.tokenize(clips + paste(change, GRID, CLIP)).patches[0] != before).any(dim=-1)
        assert moved.nonzero().flatten().tolist() == [patch]


@every_reader
def test_a_frame_is_cut_as_an_image_is(name: str) -> None:
    options = OPTIONS[name][0] | {"positions": "none"}
    on_clips, on_images = build(name, options, CLIP), build(name, options, SMALL)
    on_images.load_state_dict(on_clips.state_dict())
    clips = images_of(CLIP)
    by_frame = [on_images.tokenize(clips[:, :, frame]).patches for frame in range(CLIP.frames)]
    torch.testing.assert_close(on_clips.tokenize(clips).patches, torch.cat(by_frame, dim=1))


@every_reader
def test_every_patch_of_every_frame_has_a_position_of_its_own(name: str) -> None:
    backbone = build(name, OPTIONS[name][0] | {"positions": "learned"}, CLIP)
    patches = backbone.tokenize(torch.ones(1, *CLIP.axes, dtype=torch.float64)).patches[0]
    assert len(patches.unique(dim=0)) == GRID.num_patches


@every_reader
def test_orders_and_padding_run_over_all_frames(name: str) -> None:
    backbone = build(name, OPTIONS[name][0], CLIP)
    sequence = backbone.tokenize(images_of(CLIP, batch=1))
    order = Order(torch.randperm(12))
    moved = summary(backbone, sequence.with_patches(order.apply(sequence.patches)))
    assert backbone.order_sensitive == (not torch.allclose(moved, summary(backbone, sequence)))
    valid = torch.arange(12)[None] % 3 != 1
    alone = PatchSequence(sequence.patches[:, valid[0]], GRID)
    padded = PatchSequence(sequence.patches.masked_fill(~valid[..., None], 1e3), GRID, valid=valid)
    torch.testing.assert_close(summary(backbone, padded), summary(backbone, alone))


@every_reader
def test_sincos_positions_are_refused_for_clips(name: str) -> None:
    options = BACKBONES[name].Options(**OPTIONS[name][0] | {"positions": "sincos", "patch_size": 4})
    for build_or_ask in (BACKBONES[name], BACKBONES[name].facts):
        with pytest.raises(ReorderKitError, match="not the 3 frames of a clip") as caught:
            build_or_ask(options, CLIP)
        assert caught.value.hint == "use positions: learned"


@every_reader
def test_clips_are_no_images_and_images_no_clips(name: str) -> None:
    with pytest.raises(ReorderKitError, match="images of 3x3x8x8 was given images of 3x8x8"):
        build(name, OPTIONS[name][0], CLIP).tokenize(images_of(SMALL))
    with pytest.raises(ReorderKitError, match="images of 3x8x8 was given images of 3x3x8x8"):
        build(name, OPTIONS[name][0], SMALL).tokenize(images_of(CLIP))


@pytest.mark.parametrize("options", [{"patch_size": 4}, {"model": "test_vit", "patch_size": 4}])
def test_vit_refuses_clips_and_names_who_reads_them(options: dict[str, object]) -> None:
    vit = BACKBONES["vit"]
    for build_or_ask in (vit, vit.facts):
        with pytest.raises(ReorderKitError, match="vit reads single images, not clips of 3 frames") as caught:
            build_or_ask(vit.Options(**options), CLIP)
        assert all(name in str(caught.value.hint) for name in READ_CLIPS)
