"""Rules of backbones: the facts declared before building match the built module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from reorder_kit.interfaces import Encoded, ImageShape, Order, PatchSequence, ReorderKitError
from reorder_kit.testing._backbone_case import (
    BackboneCase,
    knows_nothing_of_later_slots,
    level_sequences,
    moved,
    summary,
)
from reorder_kit.testing.component import expect_no_draw
from reorder_kit.testing.rule import SeenError, expect, expect_equal, rule


@rule
def facts_build_no_weights_and_draw_nothing(case: BackboneCase) -> None:
    """Compute the facts from the options and the image only: ``validate`` asks for them, for backbones of any size."""
    built: list[str] = []
    register = nn.Module.register_parameter

    def watched(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        if parameter is not None and not parameter.is_meta:
            built.append(name)
        register(module, name, parameter)

    with patch.object(nn.Module, "register_parameter", watched):
        expect_no_draw(lambda: case.facts)
    expect(not built, f"facts() builds the weights {', '.join(built[:3])}")


@rule
def what_is_built_matches_the_facts(case: BackboneCase) -> None:
    """Make ``grid``, ``dim`` and ``depth`` of the facts match the module; do not override the properties."""
    facts, backbone = case.facts, case.build()
    expect_equal(backbone.as_built, facts, "as_built")
    found = (backbone.grid, backbone.dim, backbone.depth, backbone.order_sensitive)
    expect_equal(found, (facts.grid, facts.dim, facts.depth, facts.order_sensitive), "grid, dim, depth and sensitivity")
    sequence = backbone.tokenize(case.images())
    expect_equal(sequence.grid, facts.grid, "the grid of the patches")
    expected = (3, facts.grid.num_patches, facts.levels[0].dim)
    expect_equal(tuple(sequence.patches.shape), expected, "the shape of the patches")


@rule
def encoding_keeps_slots_and_has_the_levels_of_the_facts(case: BackboneCase) -> None:
    """Return a vector for each slot, but none for CLS and register tokens: they belong in ``extra_tokens``."""
    facts, backbone = case.facts, case.build()
    encoded = backbone.encode(backbone.tokenize(case.images()))
    for level, found in zip(facts.levels, level_sequences(encoded), strict=True):
        expect_equal(found.grid, level.grid, "the grid of a level")
        expect_equal(
            tuple(found.patches.shape), (3, level.grid.num_patches, level.dim), "the shape of the encoded level"
        )
    expect(encoded.sequence is level_sequences(encoded)[-1], "the sequence is not that of the last level")
    readout = backbone.summarize(encoded)
    expect_equal(tuple(readout.shape), (3, facts.dim), "the shape of the readout")
    slots = facts.grid.num_patches
    reach = backbone.reach(slots)
    expect_equal((tuple(reach.shape), reach.dtype), ((slots,), torch.bool), "shape and type of reach")


@rule
@torch.no_grad()
def is_causal_if_no_slot_depends_on_a_later_one(case: BackboneCase) -> None:
    """Declare ``is_causal`` in the facts exactly if no slot depends on a later one: tasks rely on it."""
    facts, backbone = case.facts, case.build()
    if case.is_hierarchical or facts.grid.num_patches == 1:
        return
    sequence = backbone.tokenize(case.images(batch=2))
    measured = knows_nothing_of_later_slots(backbone, sequence)
    expect_equal(facts.is_causal, measured, "is_causal")
    if measured:
        valid = torch.rand(2, sequence.num_slots, generator=torch.Generator().manual_seed(0)) < 0.7
        padded = PatchSequence(sequence.patches, sequence.grid, valid=valid)
        expect(knows_nothing_of_later_slots(backbone, padded), "with padding, a slot depends on a later one")


@rule
@torch.no_grad()
def is_order_sensitive_if_an_order_can_change_the_readout(case: BackboneCase) -> None:
    """Declare ``order_sensitive`` in the facts exactly if the readout can change when patches swap places, and
    ``slots_order_sensitive`` exactly if the slots can change, after they are restored to the image.
    """
    facts, backbone = case.facts, case.build()
    if facts.grid.num_patches == 1:
        return
    sequence = backbone.tokenize(case.images())
    before, noise = backbone.encode(sequence), torch.Generator().manual_seed(0)
    readout, slots = backbone.summarize(before), _in_image(before, Order.identity(sequence.num_slots))
    of_readout = of_slots = 0.0
    for _ in range(20):
        order = Order(torch.randperm(sequence.num_slots, generator=noise))
        after = backbone.encode(moved(backbone, sequence, order))
        of_readout = max(of_readout, _farthest([backbone.summarize(after)], [readout]))
        of_slots = max(of_slots, _farthest(_in_image(after, order), slots))
    for name, change in (("order_sensitive", of_readout), ("slots_order_sensitive", of_slots)):
        said = getattr(facts, name)
        expect_equal(said, change > 1e-9, f"although 20 orders change the output by {change}, the fact {name}")


def _in_image(encoded: Encoded, order: Order) -> list[Tensor]:
    """The slots of each level, restored to their places in the image."""
    return [
        (order if level.order is None else level.order).restore(level.patches) for level in level_sequences(encoded)
    ]


def _farthest(after: list[Tensor], before: list[Tensor]) -> float:
    return max(float((one - other).abs().max()) for one, other in zip(after, before, strict=True))


@rule
@torch.no_grad()
def has_positions_if_equal_patches_are_distinguished(case: BackboneCase) -> None:
    """Declare ``has_positions`` in the facts exactly if ``tokenize`` adds positions: equal patches then differ."""
    patches = case.build().tokenize(torch.ones(1, *case.image.axes, dtype=torch.float64)).patches[0]
    if len(patches) > 1:
        differ = not torch.equal(patches, patches[:1].expand_as(patches))
        expect_equal(case.facts.has_positions, differ, "has_positions")


@rule
@torch.no_grad()
def reach_is_the_slots_that_change_the_readout(case: BackboneCase) -> None:
    """Return from ``reach`` True for the slots with a path to the readout through all blocks, and False for the
    others.
    """
    backbone = case.build()
    sequence = backbone.tokenize(case.images(batch=8))
    before, noise = summary(backbone, sequence), torch.Generator().manual_seed(6)

    def changes_it(slot: int, scale: float) -> bool:
        patches = sequence.patches.clone()
        patches[:, slot] += scale * torch.randn(patches[:, slot].shape, generator=noise, dtype=torch.float64)
        return not torch.equal(summary(backbone, sequence.with_patches(patches)), before)

    # A readout may ignore a small change, as a maximum ignores values below it.
    measured = [any(changes_it(slot, scale) for scale in (1, 10, 100)) for slot in range(sequence.num_slots)]
    expect_equal(backbone.reach(sequence.num_slots).tolist(), measured, "reach")


@rule
def slots_in_reach_have_influence(case: BackboneCase) -> None:
    """Let the gradient of the readout reach every slot in ``reach``, or explain in ``no_influence`` of the facts why it
    need not: a run warns of slots in reach without influence.
    """
    if case.facts.no_influence:
        return
    backbone, noise = case.build(), torch.Generator().manual_seed(7)
    sequence = backbone.tokenize(case.images(batch=32))
    patches = sequence.patches.detach().requires_grad_()
    readout = summary(backbone, sequence.with_patches(patches))
    weights = torch.randn(readout.shape, generator=noise, dtype=readout.dtype)
    (gradient,) = torch.autograd.grad((readout * weights).sum(), patches)
    moved_by = gradient.abs().amax(dim=(0, 2)) > 0
    expect_equal(moved_by.tolist(), backbone.reach(sequence.num_slots).tolist(), "which slots get a gradient")


@rule
@torch.no_grad()
def idle_options_change_nothing(case: BackboneCase) -> None:
    """List an option in ``idle`` of the facts only if it has no effect for such images: neither a flipped boolean nor a
    larger number may change anything.
    """
    before = _output(case)
    for name in case.facts.idle:
        path = name.split(".")
        for value in _others(_option(case.options, path)):
            after = _output(replace(case, options=_with_option(case.options, path, value)))
            same = all(
                one.shape == other.shape and bool((one - other).abs().max() < 1e-9)
                for one, other in zip(before, after, strict=True)
            )
            expect(same, f"{name} is idle, but {value!r} changes the output")


def _output(case: BackboneCase) -> tuple[Tensor, Tensor]:
    """The encoded slots and the readout."""
    backbone = case.build()
    encoded = backbone.encode(backbone.tokenize(case.images()))
    return encoded.sequence.patches, backbone.summarize(encoded)


def _option(options: Any, path: Sequence[str]) -> Any:
    """The option at a path."""
    for key in path:
        entries = _entries(options)
        expect(key in entries, f"{'.'.join(path)!r} is in idle, but is not an option")
        options = entries[key]
    return options


def _entries(options: Any) -> dict[str, Any]:
    """The parts of options, by their names in a path."""
    if isinstance(options, Mapping):
        return {str(key): value for key, value in options.items()}
    if isinstance(options, list | tuple):
        return {str(place): value for place, value in enumerate(options)}
    return {name: getattr(options, name) for name in getattr(type(options), "model_fields", ())}


def _with_option(options: Any, path: Sequence[str], value: object) -> Any:
    """Options with another value at a path."""
    if not path:
        return value
    key, *rest = path
    inner = _with_option(_entries(options)[key], rest, value)
    if isinstance(options, Mapping):
        return {each: inner if str(each) == key else old for each, old in options.items()}
    if isinstance(options, list | tuple):
        return type(options)(inner if str(place) == key else old for place, old in enumerate(options))
    return options.model_copy(update={key: inner})


def _others(value: object) -> list[Any]:
    if isinstance(value, bool):
        return [not value]
    return [value + 1, 2 * value + 3] if isinstance(value, int) else []


@rule
def images_of_another_shape_are_refused(case: BackboneCase) -> None:
    """Raise a ReorderKitError in ``tokenize`` for images of another shape, as ``PatchEmbedding`` does."""
    image = case.image
    wider = ImageShape(image.channels, image.height, 2 * image.width, image.frames)
    try:
        case.build().tokenize(torch.zeros(1, *wider.axes, dtype=torch.float64))
    except ReorderKitError:
        return
    raise SeenError(f"images of {wider} are accepted, although it was built for {image}")


@rule
def without_downloads_is_the_same_backbone(case: BackboneCase) -> None:
    """Override ``without_downloads`` if building downloads weights: what it returns must be equal but download
    nothing.
    """
    options = case.component.without_downloads(case.options)
    facts = case.component.facts(options, case.image)
    expect(not facts.downloads, "the options without downloads still download")
    expect_equal((facts.grid, facts.dim, facts.depth), (case.facts.grid, case.facts.dim, case.facts.depth), "the model")


FACT_RULES = (
    facts_build_no_weights_and_draw_nothing,
    what_is_built_matches_the_facts,
    encoding_keeps_slots_and_has_the_levels_of_the_facts,
    is_causal_if_no_slot_depends_on_a_later_one,
    is_order_sensitive_if_an_order_can_change_the_readout,
    has_positions_if_equal_patches_are_distinguished,
    reach_is_the_slots_that_change_the_readout,
    slots_in_reach_have_influence,
    idle_options_change_nothing,
    images_of_another_shape_are_refused,
    without_downloads_is_the_same_backbone,
)
