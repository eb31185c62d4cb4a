"""VIOLIN: its attention by hand, orders, curves, and the sequence as a curve."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import reorder_kit
from reorder_kit.backbones.violin import Violin, places_on
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.loaded_run import LoadedRun
from reorder_kit.interfaces import Batch, Grid, ImageShape, Order, Part, PatchSequence, Proposal
from reorder_kit.orderings.column import Column
from reorder_kit.orderings.custom import Custom
from reorder_kit.orderings.hilbert import Hilbert
from reorder_kit.orderings.row import Row
from reorder_kit.testing import host_with
from reorder_kit.testing.component import options_of

HOST = host_with()
IMAGE = ImageShape(1, 6, 8)
TINY: dict[str, Any] = {"patch_size": 2, "dim": 8, "heads": 2, "depth": 2}


def build(image: ImageShape = IMAGE, **options: Any) -> Violin:
    torch.manual_seed(0)
    violin = Violin(options_of(Violin, {**TINY, **options}), image)
    with torch.no_grad():
        for name, parameter in violin.named_parameters():
            # Initial decays are near 1; distances only matter if they are smaller.
            parameter.add_(0.2 * torch.randn_like(parameter) - (6 if "decay" in name else 0))
    return violin.double().eval()


def sequence_of(violin: Violin) -> PatchSequence:
    return violin.tokenize(torch.randn(3, *violin.image.axes, dtype=torch.float64))


def attention_by_hand(violin: Violin, tokens: Tensor, curves: list[list[int]]) -> Tensor:
    """The first block's, token by token; the first token is CLS."""
    attention: Any = violin.blocks[0].get_submodule("attn")
    heads, result = 2, torch.zeros_like(tokens)
    query, key, value = attention.qkv(tokens).reshape(*tokens.shape[:2], 3, heads, 4).unbind(2)
    for image in range(len(tokens)):
        for head in range(heads):
            for here in range(tokens.shape[1]):
                scores = []
                for there in range(tokens.shape[1]):
                    masks = [1.0]
                    if here and there:
                        gammas = [1 / (1 + math.exp(-float(beta))) for beta in attention.decay[:, head]]
                        masks = [
                            gamma ** abs(curve.index(here - 1) - curve.index(there - 1))
                            for gamma, curve in zip(gammas, curves, strict=True)
                        ]
                    score = query[image, here, head] @ key[image, there, head] / 2
                    scores.append(score * float(attention.strength[head]) * sum(masks) / len(masks))
                shares = torch.stack(scores).softmax(dim=0)
                result[image, here, 4 * head : 4 * head + 4] = shares @ value[image, :, head]
    mixed: Tensor = attention.proj(result)
    return mixed


@torch.no_grad()
def test_attention_is_the_formula() -> None:
    violin = build(readout="cls", curves=["column", "snake"])
    attention = violin.blocks[0].get_submodule("attn")
    columns = [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]
    diagonals = [0, 1, 4, 8, 5, 2, 3, 6, 9, 10, 7, 11]
    places = places_on(violin.options.curves, Grid(3, 4))
    assert [place.argsort().tolist() for place in places] == [columns, diagonals]
    tokens = torch.randn(2, 13, 8, dtype=torch.float64)
    torch.testing.assert_close(attention(tokens), attention_by_hand(violin, tokens, [columns, diagonals]))


def test_the_published_curves_are_the_defaults() -> None:
    options = options_of(Violin, TINY)
    names = [(curve.name, curve.options.transpose) for curve in options.curves]
    rules = ("boustrophedon", "snake", "morton", "hilbert")
    assert names == [(rule, transposed) for rule in rules for transposed in (False, True)]
    violin = Violin(options, IMAGE)
    decay = violin.blocks[0].get_submodule("attn").get_parameter("decay")
    assert decay.shape == (8, 2)
    assert 5 <= decay.min() < decay.max() <= 9


ORDERS = {
    "static": Order(torch.randperm(12, generator=torch.Generator().manual_seed(1))),
    "grouped": Order(
        torch.stack([torch.randperm(12, generator=torch.Generator().manual_seed(seed)) for seed in (2, 3)]),
        groups=torch.tensor([1, 0, 1]),
    ),
    "per-image": Order(
        torch.stack([torch.randperm(12, generator=torch.Generator().manual_seed(seed)) for seed in (4, 5, 6)])
    ),
}


@torch.no_grad()
@pytest.mark.parametrize("readout", ["mean", "cls"])
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_curves_belong_to_patches_so_an_order_changes_nothing(order: Order, readout: str) -> None:
    violin = build(readout=readout)
    sequence = sequence_of(violin)
    expected = violin.encode(sequence)
    found = violin.encode(Proposal(order).apply(sequence))
    torch.testing.assert_close(order.restore(found.sequence.patches), expected.sequence.patches)
    torch.testing.assert_close(violin.summarize(found), violin.summarize(expected))
    hidden = violin.encode(Proposal(order).apply(sequence).without_order())
    assert not torch.allclose(violin.summarize(hidden), violin.summarize(expected))


@torch.no_grad()
def test_patches_left_out_are_padding_elsewhere() -> None:
    violin = build(along_sequence=True)
    sequence = sequence_of(violin)
    kept = [7, 0, 11, 4]
    partial = violin.encode(Proposal(Order(kept, num_patches=12)).apply(sequence))
    full = Order([7, 3, 0, 1, 11, 2, 4, 5, 6, 8, 9, 10])
    padded = Proposal(full).apply(sequence)
    valid = torch.isin(full.indices, torch.tensor(kept)).expand(3, -1)
    padded = PatchSequence(padded.patches, padded.grid, padded.order, valid)
    torch.testing.assert_close(violin.summarize(partial), violin.summarize(violin.encode(padded)))


@torch.no_grad()
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_the_sequence_is_a_curve_that_stays_where_it_is(order: Order) -> None:
    """In row-major order it is the curve `row`; in another, it is that of the slots, and the order matters."""
    along = build(curves=[], along_sequence=True)
    through_rows = build(curves=[Part.of(Row)])
    through_rows.load_state_dict(along.state_dict())
    sequence = sequence_of(along)
    row_major = along.summarize(along.encode(sequence))
    torch.testing.assert_close(row_major, through_rows.summarize(through_rows.encode(sequence)))
    moved = Proposal(order).apply(sequence)
    found = along.summarize(along.encode(moved))
    assert not torch.allclose(found, row_major)
    torch.testing.assert_close(found, through_rows.summarize(through_rows.encode(moved.without_order())))


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ([], "give a curve, or set along_sequence"),
        (["row", "hilbert", "row"], "curve row is given twice"),
        (["hilbert", {"name": "hilbert", "reverse": True}], "curve hilbert is given twice; walked backward"),
    ],
)
def test_curves_that_add_nothing_are_refused(curves: list[Any], message: str) -> None:
    with pytest.raises(ReorderKitError, match=message):
        options_of(Violin, {**TINY, "curves": curves})


def test_a_curve_leaves_no_patch_out(tmp_path: Path) -> None:
    Order([0, 5, 3], num_patches=12, grid=Grid(3, 4)).save(tmp_path / "few.json")
    with pytest.raises(ReorderKitError, match="the curve custom leaves out 9 of the 3x4 grid's patches"):
        build(curves=[Part.of(Custom, file=tmp_path / "few.json")])


def test_a_curve_from_a_file_is_kept_with_the_weights(tmp_path: Path) -> None:
    file = tmp_path / "curve.json"
    Order(ORDERS["static"].indices, grid=Grid(3, 4)).save(file)
    curves = [Part.of(Hilbert), Part.of(Custom, file=file)]
    trained = build(curves=curves)
    Order.identity(12).with_grid(Grid(3, 4)).save(file)
    opened = build(curves=curves)
    opened.load_state_dict(trained.state_dict())
    assert torch.equal(opened.blocks[1].get_buffer("attn.places"), trained.blocks[1].get_buffer("attn.places"))
    assert not any("places" in name for name in build(curves=[Part.of(Column)]).state_dict())


def test_a_run_is_opened_without_the_file_of_its_curve(tmp_path: Path) -> None:
    file = tmp_path / "curve.json"
    indices = torch.randperm(16, generator=torch.Generator().manual_seed(6))
    Order(indices, grid=Grid(4, 4)).save(file)
    recipe = {
        "format_version": 1,
        "name": "curved",
        "data": {"name": "digits", "batch_size": 500},
        "backbone": {"name": "violin", **TINY, "curves": ["hilbert", {"name": "custom", "file": str(file)}]},
        "train": {"steps": 1, "device": "cpu"},
    }
    reorder_kit.run(recipe, out=tmp_path / "run", host=HOST)
    before = LoadedRun.open(tmp_path / "run", HOST)
    file.unlink()
    after = LoadedRun.open(tmp_path / "run", HOST)
    for run in (before, after):
        places = run.model.backbone.get_buffer("blocks.1.attn.places")
        assert places[1].tolist() == indices.argsort().tolist()
    images = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(after.model(Batch(images)).outputs, before.model(Batch(images)).outputs)


@pytest.mark.parametrize(
    ("image", "curves", "told"),
    [
        (
            (1, 8, 8),
            ["column", {"name": "row", "transpose": True}],
            "column and row transposed have the same distances",
        ),
        ((1, 8, 8), ["column", {"name": "row", "transpose": True, "reverse": True}], "on a 4x4 grid"),
        ((1, 8, 8), ["row", "boustrophedon"], ""),
        ((1, 2, 12), ["row", "boustrophedon"], "row and boustrophedon have the same distances on a 1x6 grid"),
        ((1, 2, 12), None, "boustrophedon and boustrophedon transposed"),
        ((1, 8, 8), None, ""),
    ],
)
def test_curves_that_are_one_on_a_grid_are_warned_of(image: Any, curves: list[Any] | None, told: str) -> None:
    options = options_of(Violin, {**TINY, **({} if curves is None else {"curves": curves})})
    caution = Violin.facts(options, ImageShape(*image)).caution
    assert told in caution
    assert caution.startswith("curves: ") == bool(told)
