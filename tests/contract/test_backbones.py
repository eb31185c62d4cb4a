"""Every backbone with several options keeps the contract; additional guarantees of the package's own."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from backbone_cases import (
    BACKBONES,
    IMAGES,
    OPTIONS,
    REQUIRED,
    SMALL,
    build,
    case_of,
    every_case,
    every_image,
    images_of,
    options_of_4x4_pixels,
)
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Grid, ImageShape
from reorder_kit.testing import BACKBONE_RULES
from reorder_kit.testing._backbone_case import summary
from reorder_kit.testing.component import options_of
from reorder_kit.testing.rule import Rule

# What depends on the shape of the grid is tried on several; what depends on many slots, on many.
ON_EVERY_IMAGE = {
    "what is built matches the facts",
    "encoding keeps slots and has the levels of the facts",
    "reach is the slots that change the readout",
    "is order sensitive if an order can change the readout",
}
ON_MANY_PATCHES = {
    "patches are row major and embedded alone",
    "is causal if no slot depends on a later one",
    "padding is not read",
    "padding in levels is refused or not read",
    "fewer slots than patches are a shorter sequence",
}


def images_for(rule: Rule[Any]) -> list[ImageShape]:
    if rule.name in ON_EVERY_IMAGE:
        return IMAGES
    return IMAGES[1:2] if rule.name in ON_MANY_PATCHES else [SMALL]


PAIRS = [pytest.param(rule, image, id=f"{rule}-{image}") for rule in BACKBONE_RULES for image in images_for(rule)]


def test_every_backbone_has_an_entry_in_the_table() -> None:
    assert sorted(OPTIONS) == sorted(BACKBONES)


def test_the_rules_of_many_images_are_rules() -> None:
    assert {rule.name for rule in BACKBONE_RULES} >= ON_EVERY_IMAGE | ON_MANY_PATCHES


@pytest.mark.parametrize(("rule", "image"), PAIRS)
@every_case
def test_a_backbone_keeps_the_rule(name: str, options: dict[str, Any], rule: Rule[Any], image: ImageShape) -> None:
    rule(case_of(name, options, image))


@every_image
@every_case
def test_the_grid_follows_from_the_image(name: str, options: dict[str, Any], image: ImageShape) -> None:
    size = options.get("patch_size", 4)
    height, width = size if isinstance(size, tuple) else (size, size)
    expected = Grid.of(options["grid"]) if size is None else Grid(image.height // height, image.width // width)
    assert build(name, options, image).grid == expected


def unstopped(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Options that let a deliberately stopped gradient through, although the slot has an influence."""
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


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_a_grid_instead_of_a_patch_size_fits_images_of_any_size(name: str) -> None:
    options = options_of(BACKBONES[name], {**OPTIONS[name][0], "patch_size": None, "grid": (4, 4)})
    for image in (ImageShape(1, 8, 8), ImageShape(3, 64, 32)):
        backbone = BACKBONES[name](options, image)
        assert backbone.grid == Grid(4, 4)
        assert backbone.tokenize(images_of(image).float()).num_slots == 16


@pytest.mark.parametrize("name", sorted(BACKBONES))
@pytest.mark.parametrize(
    ("geometry", "cut"), [({"patch_size": 3}, "3x3"), ({"patch_size": (4, 3)}, "4x3"), ({"grid": (2, 3)}, "2x3")]
)
def test_patches_that_do_not_fill_the_image_are_refused(name: str, geometry: dict[str, Any], cut: str) -> None:
    for build_or_ask in (BACKBONES[name], BACKBONES[name].facts):
        with pytest.raises(ReorderKitError, match=rf"8x8 pixels .*{cut}") as caught:
            build_or_ask(BACKBONES[name].Options(**REQUIRED.get(name, {}), **geometry), ImageShape(1, 8, 8))
        assert next(iter(geometry)) in str(caught.value.hint)


@pytest.mark.parametrize("name", sorted(BACKBONES.keys() - {"timm"}))
def test_the_patches_must_be_said(name: str) -> None:
    with pytest.raises(ValueError, match=r"patch_size .*grid"):
        BACKBONES[name].Options()


@pytest.mark.parametrize("name", sorted(BACKBONES))
@pytest.mark.parametrize("geometry", [{"patch_size": 2, "grid": (4, 4)}, {"patch_size": 0}, {"grid": (0, 4)}])
def test_the_patches_are_said_once(name: str, geometry: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"patch_size|grid"):
        BACKBONES[name].Options(**REQUIRED.get(name, {}), **geometry)


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_images_of_another_size_are_refused_by_naming_both(name: str) -> None:
    backbone = BACKBONES[name](options_of(BACKBONES[name], options_of_4x4_pixels(name)), ImageShape(1, 8, 8))
    with pytest.raises(ReorderKitError, match=r"8x8.*8x12"):
        backbone.tokenize(torch.zeros(1, 1, 8, 12))
