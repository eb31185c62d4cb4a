"""The facts of the package's backbones, including options for which they are not obvious."""

from __future__ import annotations

from typing import Any

import pytest

from backbone_cases import BACKBONES, IMAGES, OF_LEVELS, SMALL, build, case_of, every_case, options_of_4x4_pixels
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import BackboneFacts, Grid, Level
from reorder_kit.testing._backbone_facts import is_causal_if_no_slot_depends_on_a_later_one

# Options in which it is not obvious whether a slot sees a later one.
SUBTLE = [
    ("local", {"window": 0, "causal": False, "readout": "mean"}),
    ("local", {"window": 20, "readout": "cls", "depth": 3}),
    ("longformer", {"dim": 16, "heads": 2, "depth": 2, "window": 0, "readout": "mean"}),
    ("longformer", {"dim": 16, "heads": 2, "depth": 1, "window": 0, "readout": "cls"}),
    ("mamba", {"dim": 16, "depth": 2, "bidirectional": False, "cls_position": "middle"}),
    ("mamba2", {"dim": 8, "depth": 2, "head_dim": 8, "state": 4, "bidirectional": False, "cls_position": "middle"}),
    ("transformer-xl", {"dim": 16, "heads": 2, "depth": 2, "segment": 1, "memory": 3, "causal": False}),
    ("transformer-xl", {"dim": 16, "heads": 2, "depth": 3, "segment": 4, "memory": 3, "readout": "cls"}),
]


@every_case
def test_depth_is_the_number_of_blocks(name: str, options: dict[str, Any]) -> None:
    backbone = build(name, options)
    assert (backbone.as_built.levels == (Level(backbone.grid, backbone.dim),)) == (name not in OF_LEVELS)
    blocks = backbone.get_submodule("model.blocks" if name in ("vit", "timm") else "blocks")
    assert len(list(blocks.children())) == backbone.depth


@pytest.mark.parametrize(("name", "options"), SUBTLE)
def test_causal_is_a_backbone_whose_slots_know_nothing_of_later_ones(name: str, options: dict[str, Any]) -> None:
    is_causal_if_no_slot_depends_on_a_later_one(case_of(name, options, IMAGES[1]))


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
def test_only_timm_has_something_to_download(name: str) -> None:
    options = BACKBONES[name].Options(**options_of_4x4_pixels(name))
    assert not BACKBONES[name].facts(options, SMALL).downloads
    assert BACKBONES[name].without_downloads(options) == options


def test_without_downloads_is_the_same_model_without_pretrained_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*arguments: object, **named: object) -> None:
        raise AssertionError("it was asked to fetch weights")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", offline)
    model = BACKBONES["timm"]
    options = model.Options(model="test_vit", pretrained=True, patch_size=4)
    assert model.facts(options, SMALL).downloads
    without = model.without_downloads(options)
    assert without == model.Options(model="test_vit", pretrained=False, patch_size=4)
    assert not model.facts(without, SMALL).downloads
    assert model(without, SMALL).as_built.grid == model.facts(options, SMALL).grid
