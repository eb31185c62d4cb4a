"""Clips of several frames, for every backbone of the package that reads them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from backbone_cases import BACKBONES, CLIP, OPTIONS, SMALL, build, case_of, images_of, options_of_4x4_pixels
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Grid
from reorder_kit.testing._backbone_facts import (
    encoding_keeps_slots_and_has_the_levels_of_the_facts,
    is_order_sensitive_if_an_order_can_change_the_readout,
)
from reorder_kit.testing._backbone_sequences import (
    encoding_in_two_parts_equals_encoding_in_one,
    padding_is_not_read,
    patches_are_row_major_and_embedded_alone,
)
from reorder_kit.testing.rule import Rule

READ_CLIPS = sorted(BACKBONES.keys() - {"vit", "timm"})
every_reader = pytest.mark.parametrize("name", READ_CLIPS)
RULES = [
    encoding_keeps_slots_and_has_the_levels_of_the_facts,
    is_order_sensitive_if_an_order_can_change_the_readout,
    patches_are_row_major_and_embedded_alone,
    padding_is_not_read,
    encoding_in_two_parts_equals_encoding_in_one,
]


@pytest.mark.parametrize("rule", RULES, ids=str)
@every_reader
def test_a_backbone_keeps_the_rule_for_clips(name: str, rule: Rule[Any]) -> None:
    case = case_of(name, options_of_4x4_pixels(name), CLIP)
    assert case.facts.grid == Grid(2, 2, frames=3)
    rule(case)


@every_reader
def test_a_frame_is_cut_as_an_image_is(name: str) -> None:
    options = options_of_4x4_pixels(name) | {"positions": "none"}
    on_clips, on_images = build(name, options, CLIP), build(name, options, SMALL)
    on_images.load_state_dict(on_clips.state_dict())
    clips = images_of(CLIP)
    by_frame = [on_images.tokenize(clips[:, :, frame]).patches for frame in range(CLIP.frames)]
    torch.testing.assert_close(on_clips.tokenize(clips).patches, torch.cat(by_frame, dim=1))


@every_reader
def test_every_patch_of_every_frame_has_a_position_of_its_own(name: str) -> None:
    backbone = build(name, options_of_4x4_pixels(name) | {"positions": "learned"}, CLIP)
    patches = backbone.tokenize(torch.ones(1, *CLIP.axes, dtype=torch.float64)).patches[0]
    assert len(patches.unique(dim=0)) == 12


@every_reader
def test_sincos_positions_are_refused_for_clips(name: str) -> None:
    options = BACKBONES[name].Options(**options_of_4x4_pixels(name) | {"positions": "sincos"})
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


@pytest.mark.parametrize(("name", "options"), [("vit", {}), ("timm", {"model": "test_vit"})])
def test_a_backbone_of_images_refuses_clips_and_names_who_reads_them(name: str, options: dict[str, object]) -> None:
    backbone = BACKBONES[name]
    for build_or_ask in (backbone, backbone.facts):
        with pytest.raises(ReorderKitError, match=f"{name} reads single images, not clips of 3 frames") as caught:
            build_or_ask(backbone.Options(**options, patch_size=4), CLIP)
        assert all(name in str(caught.value.hint) for name in READ_CLIPS)
