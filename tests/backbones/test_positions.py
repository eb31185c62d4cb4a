"""Positions in the image stay with the patch, positions in the sequence with the slot, in every backbone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from backbone_cases import BACKBONES, CLIP, build, case_of
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Encoded, ImageShape, Order, PatchSequence, Proposal
from reorder_kit.testing import check_backbone
from reorder_kit.testing._backbone_facts import is_order_sensitive_if_an_order_can_change_the_readout

IMAGE = ImageShape(3, 8, 12)
TINY: dict[str, Any] = {"dim": 16, "heads": 2, "depth": 2, "positions": "none"}
# With windows that cover everything, so that the slots themselves carry no information.
WHOLE: dict[str, dict[str, Any]] = {
    "vit": TINY,
    "local": TINY | {"window": 20, "causal": False, "readout": "cls"},
    "longformer": TINY | {"window": 20},
}
every_attention = pytest.mark.parametrize("name", sorted(WHOLE))
NOISE = torch.Generator().manual_seed(0)
ROWS = torch.stack([torch.randperm(6, generator=NOISE) for _ in range(3)])
ORDERS = [Order(ROWS[0]), Order(ROWS), Order(ROWS[:2], groups=torch.tensor([1, 0, 1]))]


def given_to(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Those that the backbone has."""
    return {key: value for key, value in options.items() if key in BACKBONES[name].Options.model_fields}


def tokens_of(backbone: Any, order: Order | None = None) -> PatchSequence:
    images = torch.randn(3, *IMAGE.axes, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    sequence: PatchSequence = backbone.tokenize(images)
    return sequence if order is None else Proposal(order).apply(sequence)


def readout(backbone: Any, sequence: PatchSequence) -> Tensor:
    vectors: Tensor = backbone.summarize(backbone.encode(sequence))
    return vectors


@torch.no_grad()
@pytest.mark.parametrize("positions", ["rope", "relative"])
@every_attention
def test_positions_in_the_image_stay_with_the_patch(name: str, positions: str) -> None:
    backbone = build(name, WHOLE[name] | {"positions": positions}, IMAGE)
    facts = backbone.as_built
    assert not facts.order_sensitive
    assert not facts.has_positions  # nothing is added by patch
    expected = readout(backbone, tokens_of(backbone))
    for order in ORDERS:
        torch.testing.assert_close(readout(backbone, tokens_of(backbone, order)), expected)
        first = backbone.encode(tokens_of(backbone), stop=1)
        later = backbone.encode(Proposal(order).apply(first.sequence), start=1, extra_tokens=first.extra_tokens)
        torch.testing.assert_close(backbone.summarize(later), expected)
    kept = torch.tensor([4, 1, 2])
    partial = [Order(kept[turn], num_patches=6) for turn in ([0, 1, 2], [2, 0, 1])]
    one, other = (readout(backbone, tokens_of(backbone, order)) for order in partial)
    torch.testing.assert_close(one, other)
    # They do depend on where patches are: at other locations, the same patches are a different image.
    moved = tokens_of(backbone)
    moved = moved.with_patches(moved.patches.flip(1))
    assert not torch.allclose(readout(backbone, moved), expected, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("slot_positions", ["learned", "sincos", "rope", "relative"])
@every_attention
def test_positions_in_the_sequence_stay_with_the_slot(name: str, slot_positions: str) -> None:
    backbone = build(name, WHOLE[name] | {"slot_positions": slot_positions}, IMAGE)
    assert backbone.order_sensitive
    sequence = tokens_of(backbone)
    expected = readout(backbone, sequence)
    ordered = readout(backbone, tokens_of(backbone, ORDERS[0]))
    assert not torch.allclose(ordered, expected, atol=1e-5)
    # The order itself is not used: equal patches in equal slots are equal, whatever their numbers.
    renamed = sequence.with_patches(ORDERS[0].apply(sequence.patches))
    torch.testing.assert_close(readout(backbone, renamed), ordered)


@torch.no_grad()
@pytest.mark.parametrize("slot_positions", ["rope", "relative"])
@every_attention
def test_an_order_before_a_later_block_gives_patches_the_places_of_their_new_slots(
    name: str, slot_positions: str
) -> None:
    backbone: Any = build(name, WHOLE[name] | {"slot_positions": slot_positions}, IMAGE)
    first: Encoded = backbone.encode(tokens_of(backbone), stop=1)
    moved = Proposal(ORDERS[1]).apply(first.sequence)
    expected = backbone.encode(moved, start=1, extra_tokens=first.extra_tokens).sequence.patches
    anew = PatchSequence(moved.patches, moved.grid)  # as if the patches had always been there
    found = backbone.encode(anew, start=1, extra_tokens=first.extra_tokens).sequence.patches
    torch.testing.assert_close(found, expected)
    still = backbone.encode(first.sequence, start=1, extra_tokens=first.extra_tokens).sequence.patches
    assert not torch.allclose(ORDERS[1].apply(still), expected, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", ["vit", "local", "longformer", "mamba", "recurrent", "transformer-xl"])
def test_added_slot_positions_are_given_once(name: str) -> None:
    options = given_to(name, TINY | {"slot_positions": "learned"})
    backbone: Any = build(name, options, IMAGE)
    given = tokens_of(backbone)
    added = backbone.slot_embedding(given).patches
    torch.testing.assert_close(added, given.patches + backbone.slot_embedding.table)
    backbone.slot_embedding.table.data.zero_()
    torch.testing.assert_close(
        backbone.encode(given.with_patches(added)).sequence.patches,
        backbone.encode(given.with_patches(added), start=0).sequence.patches,
    )
    begun = backbone.encode(given, stop=1)
    backbone.slot_embedding.table.data.fill_(1e3)
    torch.testing.assert_close(
        backbone.encode(begun.sequence, start=1, extra_tokens=begun.extra_tokens).sequence.patches,
        _without_positions(backbone, begun),
    )


def _without_positions(backbone: Any, begun: Encoded) -> Tensor:
    backbone.slot_embedding.table.data.zero_()
    encoded: Encoded = backbone.encode(begun.sequence, start=1, extra_tokens=begun.extra_tokens)
    return encoded.sequence.patches


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("vit", {"positions": "rope", "readout": "mean"}),
        ("vit", {"positions": "relative", "slot_positions": "rope"}),
        ("vit", {"depth": 1, "slot_positions": "relative"}),
        ("local", {"positions": "rope", "slot_positions": "relative", "readout": "cls"}),
        ("local", {"positions": "relative", "slot_positions": "rope"}),
        ("longformer", {"window": 1, "positions": "relative", "slot_positions": "relative"}),
        ("longformer", {"window": 1, "slot_positions": "rope", "readout": "last"}),
        ("longformer", {"depth": 1, "slot_positions": "relative"}),
        ("mamba", {"slot_positions": "sincos", "depth": 1}),
        ("recurrent", {"slot_positions": "learned", "depth": 1}),
        ("transformer-xl", {"segment": 2, "memory": 1, "slot_positions": "learned", "depth": 1}),
    ],
)
def test_the_contract_is_kept(name: str, options: dict[str, Any]) -> None:
    check_backbone(BACKBONES[name], {"patch_size": 4, **given_to(name, TINY), **options}, [ImageShape(1, 8, 12)])


def test_slots_that_see_themselves_alone_are_told_apart_by_positions() -> None:
    alone = TINY | {"segment": 1, "memory": 0}
    for slot_positions in ("none", "sincos"):
        case = case_of("transformer-xl", alone | {"slot_positions": slot_positions})
        assert case.facts.order_sensitive == (slot_positions != "none")
        is_order_sensitive_if_an_order_can_change_the_readout(case)


@pytest.mark.parametrize("options", [{"positions": "relative"}, {"slot_positions": "rope", "positions": "none"}])
def test_clips_have_positions_in_the_image_and_in_the_sequence(options: dict[str, Any]) -> None:
    check_backbone(BACKBONES["longformer"], {"patch_size": 4, **TINY, "window": 2, **options}, [CLIP])


def test_frames_are_not_turned() -> None:
    with pytest.raises(ReorderKitError, match="not by the 3 frames") as caught:
        _ = case_of("local", {"positions": "rope"}, CLIP).facts
    assert caught.value.hint == "use positions: learned or relative"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("vit", {"positions": "rope", "slot_positions": "rope"}, "not by both"),
        ("vit", {"dim": 12, "heads": 2, "positions": "rope"}, "positions: rope needs a head width divisible by 4"),
        (
            "local",
            {"dim": 6, "heads": 2, "slot_positions": "rope"},
            "slot_positions: rope needs a head width divisible by 2",
        ),
        ("local", {"window": 0, "slot_positions": "relative"}, "slots see no other slot"),
        ("longformer", {"dim": 16, "heads": 2, "window": 0, "positions": "rope"}, "slots see no other slot"),
        ("recurrent", {"dim": 7, "slot_positions": "sincos"}, "sincos slot_positions need an even dim, not 7"),
        ("mamba", {"slot_positions": "rope"}, "'none', 'learned' or 'sincos'"),
        ("transformer-xl", {"positions": "relative"}, "'learned', 'sincos' or 'none'"),
    ],
)
def test_positions_that_cannot_be_had_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BACKBONES[name].Options(patch_size=4, **options)


IDLE_READOUTS = [
    ("vit", {"readout": "mean"}),
    ("vit", {"readout": "cls"}),
    ("longformer", {"readout": "mean"}),
    ("longformer", {"readout": "cls"}),
    ("local", {"readout": "last"}),
    ("local", {"readout": "cls"}),
    ("local", {"readout": "cls", "causal": False}),
]


@pytest.mark.parametrize(("name", "options"), IDLE_READOUTS)
@pytest.mark.parametrize("axis", ["positions", "slot_positions"])
@pytest.mark.parametrize("kind", ["rope", "relative"])
@torch.no_grad()
def test_positions_of_a_single_patch_are_idle_where_they_change_nothing(
    name: str, options: dict[str, Any], axis: str, kind: str
) -> None:
    image = ImageShape(3, 4, 4)
    given = {"patch_size": 4, "dim": 16, "heads": 2, "depth": 2, "positions": "none", **options}
    if name != "vit":
        given["window"] = 2
    case = case_of(name, {**given, axis: kind}, image)
    acting, plain = case.build(), case_of(name, given, image).build()
    acting.load_state_dict(plain.state_dict(), strict=False)
    found = [each.encode(each.tokenize(case.images())) for each in (acting, plain)]
    same = torch.allclose(found[0].sequence.patches, found[1].sequence.patches)
    same &= torch.allclose(acting.summarize(found[0]), plain.summarize(found[1]))
    assert (axis in case.facts.idle) == same
