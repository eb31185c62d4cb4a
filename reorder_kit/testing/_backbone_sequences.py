"""Rules of backbones: sequences, whole and in parts, with padding, and in other orders."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reorder_kit.interfaces import Backbone, Encoded, Grid, Order, PatchSequence, Proposal, ReorderKitError
from reorder_kit.orders.patches import paste
from reorder_kit.testing._backbone_case import BackboneCase, level_sequences, moved, summary
from reorder_kit.testing.rule import SeenError, expect, expect_close, expect_equal, rule


@rule
@torch.no_grad()
def patches_are_row_major_and_embedded_alone(case: BackboneCase) -> None:
    """Let patch ``(frame * height + row) * width + column`` of ``tokenize`` depend only on its own pixels."""
    backbone, grid, image = case.build(), case.facts.grid, case.image
    images = case.images(batch=1)
    before = backbone.tokenize(images).patches[0]
    pixels = image.channels * image.height * image.width * image.frames // grid.num_patches
    for patch in range(grid.num_patches):
        change = torch.zeros(1, grid.num_patches, pixels, dtype=torch.float64)
        change[:, patch] = 1
        after = backbone.tokenize(images + paste(change, grid, image)).patches[0]
        differ = (after != before).any(dim=-1).nonzero().flatten().tolist()
        expect_equal(differ, [patch], f"when the pixels of patch {patch} change, what changes")


@rule
@torch.no_grad()
def encoding_in_two_parts_equals_encoding_in_one(case: BackboneCase) -> None:
    """Run only the blocks ``start`` to ``stop``. The final norm belongs to the last block; CLS and register tokens are
    made before the first one and passed on as ``extra_tokens``.
    """
    backbone = case.build()
    sequence = backbone.tokenize(case.images())
    whole = backbone.encode(sequence)
    for split in range(backbone.depth + 1):
        first = backbone.encode(sequence, stop=split)
        second = backbone.encode(first.sequence, start=split, extra_tokens=first.extra_tokens)
        what = f"stopped before block {split} and continued, it gives another result"
        expect_close(second.sequence.patches, whole.sequence.patches, what)
        expect_close(backbone.summarize(second), backbone.summarize(whole), what)


@rule
@torch.no_grad()
def extra_tokens_must_be_passed_on(case: BackboneCase) -> None:
    """Raise a ReorderKitError if ``start`` is above 0 and the extra tokens are missing."""
    backbone = case.build()
    first = backbone.encode(backbone.tokenize(case.images()), stop=1)
    if first.extra_tokens is None:
        return
    try:
        backbone.encode(first.sequence, start=1)
    except ReorderKitError as error:
        expect("extra tokens" in error.message, f"the error does not name the extra tokens: {error.message}")
        return
    raise SeenError("encoding continues from block 1 without the extra tokens of block 0")


@rule
@torch.no_grad()
def an_image_is_encoded_the_same_in_any_batch(case: BackboneCase) -> None:
    """Normalize over channels, as LayerNorm does, not over a batch; draw random numbers only in training mode."""
    backbone = case.build()
    images = case.images()
    together = summary(backbone, backbone.tokenize(images))
    alone = torch.cat([summary(backbone, backbone.tokenize(image)) for image in torch.split(images, 1)])
    expect_close(alone, together, "images read one by one have a different readout than in a batch")


@rule
def padding_is_not_read(case: BackboneCase) -> None:
    """Let no valid slot and no readout depend on slots where ``sequence.valid`` is False."""
    if case.is_hierarchical:
        return
    backbone = case.build()
    sequence = backbone.tokenize(case.images(batch=4))
    slots = torch.arange(sequence.num_slots)
    order = Order(torch.randperm(len(slots), generator=torch.Generator().manual_seed(3)))
    whole = moved(backbone, sequence, order)
    masks = [slots < (len(slots) + 1) // 2, slots >= len(slots) // 3, slots % 3 == min(1, len(slots) - 1), slots >= 0]
    valid = torch.stack(masks)
    with torch.no_grad():
        noisy = whole.patches.masked_fill(~valid.unsqueeze(-1), 1e3)
        together = summary(backbone, PatchSequence(noisy, whole.grid, whole.order, valid))
        for index in range(4):
            image = sequence.with_patches(sequence.patches[index : index + 1])
            alone = moved(backbone, image, Order(order.indices[valid[index]], num_patches=len(slots)))
            what = f"the readout with padding differs from that without; valid were {valid[index].long().tolist()}"
            expect_close(together[index : index + 1], summary(backbone, alone), what)


@rule
@torch.no_grad()
def padding_in_levels_is_refused_or_not_read(case: BackboneCase) -> None:
    """In a hierarchical backbone, raise a ReorderKitError for padding, or let no readout and no valid cell of any level
    depend on the content or place of padding slots. A cell is valid if one of its patches is, and stands where the
    first valid one stood, as in ``sequence.order.merged(grid, valid)``.
    """
    if not case.is_hierarchical:
        return
    backbone = case.build()
    sequence = backbone.tokenize(case.images(batch=5))
    slots = torch.arange(sequence.num_slots)
    order = Order(torch.randperm(len(slots), generator=torch.Generator().manual_seed(3)))
    whole = moved(backbone, sequence, order)
    half, third = len(slots) // 2, len(slots) // 3
    valid = torch.stack([slots < half, slots >= third, slots % 3 == 1, slots >= 0, slots < 0])
    padded = PatchSequence(whole.patches.masked_fill(~valid.unsqueeze(-1), 0), whole.grid, whole.order, valid)
    try:
        encoded = backbone.encode(padded)
    except ReorderKitError:
        return
    readout, levels = backbone.summarize(encoded), _level_places(encoded)
    expected = [_valid_cells(order.restore(valid), whole.grid, level.grid) for level in case.facts.levels]
    for level, (found, cells) in enumerate(zip(levels, expected, strict=True)):
        if found.valid is None:
            raise SeenError(f"level {level} does not mark which of its cells are padding")
        expect_equal(_cells(found.valid), _cells(cells), f"for each image, the valid cells of level {level}")
        stand, grid = level_sequences(encoded)[level].order, found.grid
        merged = order if level == 0 else order.merged(grid, order.restore(valid))
        given = _slots(stand or Order.identity(grid.num_patches), cells)
        what = f"for each image, the valid cell in each slot of level {level} (-1: padding)"
        expect_equal(given, _slots(merged, cells), what)
    valid_last, valid_first = valid.int().argsort(stable=True), (~valid).int().argsort(stable=True)
    others = {
        "has other content": padded.with_patches(whole.patches.masked_fill(~valid.unsqueeze(-1), 1e3)),
        "is behind the valid slots": Proposal(Order(valid_first)).apply(padded),
        "is before the valid slots": Proposal(Order(valid_last)).apply(padded),
    }
    for what, sequence in others.items():
        other = backbone.encode(sequence)
        expect_close(backbone.summarize(other), readout, f"when padding {what}, the readout differs")
        for level, (one, two, cells) in enumerate(zip(levels, _level_places(other), expected, strict=True)):
            text = f"when padding {what}, a valid cell of level {level} differs"
            expect_close(two.patches[cells], one.patches[cells], text)
    alone = [backbone.encode(PatchSequence(whole.patches[[i]], whole.grid, whole.order, valid[[i]])) for i in range(5)]
    together = torch.cat([backbone.summarize(each) for each in alone])
    expect_close(together, readout, "in a batch of images with other padding, the readout differs")


def _level_places(encoded: Encoded) -> list[PatchSequence]:
    """Each level restored to its places by its own order."""
    levels = level_sequences(encoded)
    return [level if level.order is None else Proposal(level.order).restore(level) for level in levels]


def _valid_cells(valid: Bool[Tensor, "batch patch"], fine: Grid, coarse: Grid) -> Bool[Tensor, "batch cell"]:
    """Which cells have a valid patch, determined patch by patch."""
    side = fine.height // coarse.height
    found = torch.zeros(len(valid), coarse.num_patches, dtype=torch.bool)
    for patch in range(fine.num_patches):
        frame, row, column = fine.cell(patch)
        found[:, coarse.index(row // side, column // side, frame)] |= valid[:, patch]
    return found


def _slots(order: Order, valid: Bool[Tensor, "batch cell"]) -> list[list[int]]:
    """The cell in each slot, -1 for padding."""
    cells: list[list[int]] = order.per_image(len(valid)).masked_fill(~order.apply(valid), -1).tolist()
    return cells


def _cells(valid: Bool[Tensor, "batch cell"]) -> list[list[int]]:
    return [image.nonzero().flatten().tolist() for image in valid]


@rule
def an_image_of_only_padding_gives_no_nan_and_affects_no_other(case: BackboneCase) -> None:
    """Do not divide by the number of valid slots or take a softmax over them without care: an image may have none."""
    if case.is_hierarchical:
        return
    backbone = case.build()
    sequence = backbone.tokenize(case.images(batch=2))
    valid = torch.zeros(2, sequence.num_slots, dtype=torch.bool)
    valid[1] = True
    vectors = summary(backbone, PatchSequence(sequence.patches, sequence.grid, valid=valid))
    torch.autograd.backward(vectors.sum())
    expect(vectors.isfinite().all(), "the readout is not finite")
    finite = all(value.grad is None or value.grad.isfinite().all() for value in backbone.parameters())
    expect(finite, "a gradient is not finite")
    alone = summary(backbone, sequence.with_patches(sequence.patches[1:]))
    expect_close(vectors[1:], alone, "the other image has a different readout")


@rule
@torch.no_grad()
def fewer_slots_than_patches_are_a_shorter_sequence(case: BackboneCase) -> None:
    """Take the number of slots from the sequence, not from the grid; a hierarchical backbone refuses partial orders."""
    backbone = case.build()
    sequence = backbone.tokenize(case.images())
    kept = list(range(sequence.num_slots))[1::2][::-1]
    if not kept:
        return
    partial = moved(backbone, sequence, Order(kept, num_patches=sequence.num_slots))
    if case.is_hierarchical:
        try:
            backbone.encode(partial)
        except ReorderKitError:
            return
        raise SeenError("a partial order is accepted, although some patches of a merged cell are missing")
    encoded = backbone.encode(partial)
    expect_equal(encoded.sequence.num_slots, len(kept), "the number of slots after encoding")
    expect(backbone.summarize(encoded).isfinite().all(), "the readout is not finite")


@rule
@torch.no_grad()
def each_level_is_restored_by_its_own_order(case: BackboneCase) -> None:
    """Give each level its order, ``sequence.order.merged(grid, valid)`` for a coarser one, and put its cells in that
    order.
    """
    if not case.is_hierarchical or case.facts.slots_order_sensitive:
        return
    backbone = case.build()
    sequence = backbone.tokenize(case.images(batch=5))
    expected = _row_major(backbone, sequence)
    noise = torch.Generator().manual_seed(2)
    rows = torch.stack([torch.randperm(sequence.num_slots, generator=noise) for _ in range(5)])
    orders = [Order(rows[0]), Order(rows[:2], groups=torch.tensor([1, 0, 1, 1, 0])), Order(rows)]
    for order in orders:
        found = _row_major(backbone, moved(backbone, sequence, order))
        for level, (one, other) in enumerate(zip(found, expected, strict=True)):
            expect_close(one, other, f"level {level}, restored by its order, differs from the level without an order")


def _row_major(backbone: Backbone, sequence: PatchSequence) -> list[Float[Tensor, "batch cell dim"]]:
    return [level.patches for level in _level_places(backbone.encode(sequence))]


SEQUENCE_RULES = (
    patches_are_row_major_and_embedded_alone,
    encoding_in_two_parts_equals_encoding_in_one,
    extra_tokens_must_be_passed_on,
    an_image_is_encoded_the_same_in_any_batch,
    padding_is_not_read,
    padding_in_levels_is_refused_or_not_read,
    an_image_of_only_padding_gives_no_nan_and_affects_no_other,
    fewer_slots_than_patches_are_a_shorter_sequence,
    each_level_is_restored_by_its_own_order,
)
