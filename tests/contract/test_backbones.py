"""What every backbone promises of its sequences, for all backbones of the package and several options of each."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from backbone_cases import BACKBONES, IMAGES, OPTIONS, SMALL, build, every_case, every_image, images_of, summary
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Encoded, Grid, ImageShape, Order, PatchSequence


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
    for build_or_ask in (BACKBONES[name], BACKBONES[name].facts):
        with pytest.raises(ReorderKitError, match=rf"8x8 pixels .*{cut}") as caught:
            build_or_ask(BACKBONES[name].Options(**geometry), ImageShape(1, 8, 8))
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
