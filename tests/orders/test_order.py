"""The order itself: every shape, its effect on patches, and how orders combine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.order import Order

# One row for each image, one column for each patch: image 0 has patches 0 1 2, image 1 has 10 11 12, ...
THREE = torch.tensor([[0.0, 1, 2], [10, 11, 12], [20, 21, 22]])

STATIC = Order([2, 0, 1])
GROUPED = Order(torch.tensor([[2, 0, 1], [1, 0, 2]]), groups=torch.tensor([0, 1, 1]))
PER_IMAGE = Order(torch.tensor([[0, 1, 2], [2, 1, 0], [1, 2, 0]]))
PARTIAL = Order([2, 0], num_patches=3)
PARTIAL_PER_IMAGE = Order(torch.tensor([[0, 1], [2, 1], [1, 2]]), num_patches=3)
PARTIAL_GROUPED = Order(torch.tensor([[2, 0], [1, 2]]), num_patches=3, groups=torch.tensor([1, 0, 1]))
SHAPES = [STATIC, GROUPED, PER_IMAGE, PARTIAL, PARTIAL_PER_IMAGE, PARTIAL_GROUPED]
FULL = [STATIC, GROUPED, PER_IMAGE]

permutations = st.integers(1, 9).flatmap(lambda patches: st.permutations(range(patches)))


Shape = tuple[list[int] | list[list[int]], list[int] | None]


def shapes(num_patches: int, images: int) -> st.SearchStrategy[Shape]:
    """Indices and groups of a full order, of any shape, for a given number of images."""
    row = st.permutations(range(num_patches))
    static = st.tuples(row, st.none())
    per_image = st.tuples(st.lists(row, min_size=images, max_size=images), st.none())
    groups = st.lists(st.integers(0, 1), min_size=images, max_size=images)
    return static | per_image | st.tuples(st.lists(row, min_size=2, max_size=2), groups)


def built(shape: Shape) -> Order:
    indices, groups = shape
    return Order(torch.tensor(indices), groups=None if groups is None else torch.tensor(groups))


# of the same patches, for four images
two_shapes = st.integers(1, 6).flatmap(lambda patches: st.tuples(*[shapes(patches, images=4)] * 2))
three_shapes = st.integers(1, 6).flatmap(lambda patches: st.tuples(*[shapes(patches, images=4)] * 3))
any_shape = st.integers(1, 6).flatmap(lambda patches: shapes(patches, images=4))


@pytest.fixture
def without_type_checks() -> Iterator[None]:
    """Annotations are not checked, as in an ordinary run, so the error must be ours."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (STATIC, [[2, 0, 1], [12, 10, 11], [22, 20, 21]]),
        (GROUPED, [[2, 0, 1], [11, 10, 12], [21, 20, 22]]),
        (PER_IMAGE, [[0, 1, 2], [12, 11, 10], [21, 22, 20]]),
        (PARTIAL, [[2, 0], [12, 10], [22, 20]]),
        (PARTIAL_PER_IMAGE, [[0, 1], [12, 11], [21, 22]]),
        (PARTIAL_GROUPED, [[1, 2], [12, 10], [21, 22]]),
    ],
)
def test_apply_puts_patches_into_slots(order: Order, expected: list[list[float]]) -> None:
    assert order.apply(THREE).tolist() == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (STATIC, [[1, 2, 0], [11, 12, 10], [21, 22, 20]]),
        (GROUPED, [[1, 2, 0], [11, 10, 12], [21, 20, 22]]),
        (PER_IMAGE, [[0, 1, 2], [12, 11, 10], [22, 20, 21]]),
    ],
)
def test_restore_brings_slots_back_to_patches(order: Order, expected: list[list[float]]) -> None:
    assert order.restore(THREE).tolist() == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (PARTIAL, [[1, 0, 0], [11, 0, 10], [21, 0, 20]]),
        (PARTIAL_PER_IMAGE, [[0, 1, 0], [0, 11, 10], [0, 20, 21]]),
        (PARTIAL_GROUPED, [[0, 0, 1], [11, 0, 10], [0, 20, 21]]),
    ],
)
def test_restore_leaves_zero_where_a_partial_order_has_no_slot(order: Order, expected: list[list[float]]) -> None:
    assert order.restore(THREE[:, :2]).tolist() == expected


def test_a_missing_patch_is_zero_even_beside_infinite_ones() -> None:
    slots = torch.full((1, 2), float("inf"))
    assert PARTIAL.restore(slots).tolist() == [[float("inf"), 0, float("inf")]]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (STATIC, [1, 2, 0]),
        (GROUPED, [[1, 2, 0], [1, 0, 2]]),
        (PER_IMAGE, [[0, 1, 2], [2, 1, 0], [2, 0, 1]]),
        (PARTIAL, [1, -1, 0]),
        (PARTIAL_PER_IMAGE, [[0, 1, -1], [-1, 1, 0], [-1, 0, 1]]),
    ],
)
def test_rank_is_the_slot_of_each_patch(order: Order, expected: list[int]) -> None:
    assert order.rank.tolist() == expected


def test_has_slot_says_which_patches_are_there() -> None:
    assert PARTIAL.has_slot(2).tolist() == [[True, False, True]] * 2
    assert PARTIAL_GROUPED.has_slot(3).tolist() == [[False, True, True], [True, False, True], [False, True, True]]
    assert STATIC.has_slot(1).tolist() == [[True, True, True]]


@pytest.mark.parametrize("trailing", [(), (4,), (4, 2)])
@pytest.mark.parametrize("order", FULL)
def test_moves_whatever_each_patch_has(order: Order, trailing: tuple[int, ...]) -> None:
    patches = torch.randn(3, 3, *trailing, generator=torch.Generator().manual_seed(0))
    moved = order.apply(patches)
    for image, row in enumerate(order.per_image(3).tolist()):
        for slot, patch in enumerate(row):
            assert torch.equal(moved[image, slot], patches[image, patch])
    assert torch.equal(order.restore(moved), patches)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("order", SHAPES)
def test_keeps_the_type_of_what_it_moves(order: Order, dtype: torch.dtype) -> None:
    ones = torch.ones(3, 3, dtype=dtype)
    assert order.apply(ones).dtype == dtype
    assert order.restore(order.apply(ones)).dtype == dtype


@pytest.mark.parametrize("order", SHAPES)
def test_gradients_reach_the_patches_that_have_a_slot(order: Order) -> None:
    patches = THREE.clone().requires_grad_()
    order.restore(order.apply(patches)).sum().backward()
    assert torch.equal(patches.grad, order.has_slot(3).float())


@pytest.mark.parametrize("order", [STATIC, PARTIAL])
def test_a_batch_without_images_stays_one(order: Order) -> None:
    slots = order.apply(THREE[:0])
    assert slots.shape == (0, order.num_slots)
    assert order.restore(slots).shape == (0, 3)


def test_groups_follow_an_uneven_last_batch() -> None:
    rows = torch.tensor([[2, 0, 1], [1, 0, 2]])
    last = Order(rows, groups=torch.tensor([1]))
    assert last.apply(THREE[:1]).tolist() == [[1, 0, 2]]
    with pytest.raises(ReorderKitError, match="made for 1 images was given 3"):
        last.apply(THREE)


@pytest.mark.parametrize("order", [GROUPED, PER_IMAGE, PARTIAL_GROUPED, PARTIAL_PER_IMAGE])
def test_refuses_a_batch_of_another_size(order: Order) -> None:
    for move, places in ((order.apply, 3), (order.restore, order.num_slots)):
        with pytest.raises(ReorderKitError, match="made for 3 images was given 2"):
            move(THREE[:2, :places])


@pytest.mark.parametrize("order", SHAPES)
def test_refuses_another_number_of_patches_or_slots(order: Order) -> None:
    with pytest.raises(ReorderKitError, match="of 3 patches was given 4"):
        order.apply(torch.zeros(3, 4))
    with pytest.raises(ReorderKitError, match=f"of {order.num_slots} slots was given 4"):
        order.restore(torch.zeros(3, 4))


@pytest.mark.parametrize(
    ("order", "is_static", "is_full", "num_slots", "text"),
    [
        (STATIC, True, True, 3, "Order(3 of 3 patches: 2 0 1)"),
        (GROUPED, False, True, 3, "Order(2x3 of 3 patches)"),
        (PER_IMAGE, False, True, 3, "Order(3x3 of 3 patches)"),
        (PARTIAL, True, False, 2, "Order(2 of 3 patches: 2 0)"),
        (PARTIAL_PER_IMAGE, False, False, 2, "Order(3x2 of 3 patches)"),
    ],
)
def test_says_what_it_is(order: Order, is_static: bool, is_full: bool, num_slots: int, text: str) -> None:
    assert (order.is_static, order.is_full, len(order), repr(order)) == (is_static, is_full, num_slots, text)


@pytest.mark.usefixtures("without_type_checks")
@pytest.mark.parametrize(
    ("indices", "num_patches", "message"),
    [
        ([0, 1, 1], None, "patch 1 appears twice"),
        ([2, 0, 2], 4, "patch 2 appears twice"),
        ([0, 1, 3], None, "outside 0..2"),
        ([0, -1, 2], None, "outside 0..2"),
        ([0, 1, 2, 3], 3, "outside 0..2"),
        ([0, 10**30], None, "patch numbers"),
        ([], None, "shape"),
        (torch.tensor(0), None, "shape"),
        (torch.zeros(0, 0, dtype=torch.long), None, "shape"),
        (torch.zeros(1, 1, 1, dtype=torch.long), None, "shape"),
        (torch.tensor([[0, 1], [1, 1]]), None, "patch 1 appears twice"),
        (torch.tensor([[0, 1], [1, 2]]), None, "outside 0..1"),
    ],
)
def test_an_invalid_order_cannot_be_built(indices: Tensor | list[int], num_patches: int | None, message: str) -> None:
    with pytest.raises(ReorderKitError, match=re.escape(message)):
        Order(indices, num_patches)


@pytest.mark.usefixtures("without_type_checks")
@pytest.mark.parametrize("indices", [[0.0, 1.0], [0.0, 1.7], [True, False], [[0, 1], [0]], ["0", "1"]])
def test_patches_are_whole_numbers(indices: list) -> None:
    with pytest.raises(ReorderKitError, match="patch numbers"):
        Order(indices)


@pytest.mark.usefixtures("without_type_checks")
@pytest.mark.parametrize(
    ("indices", "groups", "message"),
    [
        ([0, 1], [0], "for each group"),
        ([[0, 1], [1, 0]], [0, 2], "outside 0..1"),
        ([[0, 1], [1, 0]], [-1, 0], "outside 0..1"),
        ([[0, 1], [1, 0]], [[0, 1]], "shape"),
    ],
)
def test_groups_must_fit(indices: list, groups: list, message: str) -> None:
    with pytest.raises(ReorderKitError, match=re.escape(message)):
        Order(torch.tensor(indices), groups=torch.tensor(groups))


def test_identity_leaves_everything_in_place() -> None:
    assert torch.equal(Order.identity(3).apply(THREE), THREE)


def test_inverse_undoes() -> None:
    assert STATIC.inverse().indices.tolist() == [1, 2, 0]
    assert torch.equal(GROUPED.inverse().apply(GROUPED.apply(THREE)), THREE)
    assert torch.equal(PER_IMAGE.apply(PER_IMAGE.inverse().apply(THREE)), THREE)


@pytest.mark.parametrize("order", [PARTIAL, PARTIAL_PER_IMAGE, PARTIAL_GROUPED])
def test_a_partial_order_has_no_inverse(order: Order) -> None:
    with pytest.raises(ReorderKitError, match="partial order has no inverse"):
        order.inverse()


def test_compose_worked_out_by_hand() -> None:
    # slots hold 3 1 0 2 after the first order; the second takes slots 1 0 3 2 of those
    composed = Order([3, 1, 0, 2]).compose(Order([1, 0, 3, 2]))
    assert composed.indices.tolist() == [1, 3, 2, 0]


def test_composing_partial_orders_drops_patches_twice() -> None:
    composed = Order([4, 2, 0], num_patches=5).compose(Order([2, 0], num_patches=3))
    assert composed.indices.tolist() == [0, 4]
    assert composed.num_patches == 5


@pytest.mark.parametrize("first", SHAPES)
@pytest.mark.parametrize("partial", [False, True])
def test_a_composed_order_does_both_in_turn(first: Order, partial: bool) -> None:
    slots = first.num_slots
    keep = slots - 1 if partial else slots
    turned = torch.arange(slots).roll(1)[:keep]
    flipped = torch.arange(slots).flip(0)[:keep]
    for then in (
        Order(turned, slots),
        Order(torch.stack([turned, flipped]), slots, groups=torch.tensor([1, 0, 1])),
        Order(torch.stack([flipped, turned, flipped]), slots),
    ):
        assert torch.equal(first.compose(then).apply(THREE), then.apply(first.apply(THREE)))


def test_compose_refuses_orders_that_do_not_meet() -> None:
    with pytest.raises(ReorderKitError, match="of 3 patches cannot follow one of 2 slots"):
        PARTIAL.compose(STATIC)
    with pytest.raises(ReorderKitError, match="made for 2 images was given 3"):
        PER_IMAGE.compose(Order(torch.tensor([[0, 1, 2], [1, 2, 0]])))


@given(any_shape)
def test_apply_then_restore_is_the_identity(shape: Shape) -> None:
    order = built(shape)
    patches = torch.arange(4 * order.num_patches).reshape(4, -1)
    assert torch.equal(order.restore(order.apply(patches)), patches)
    assert torch.equal(order.apply(order.restore(patches)), patches)


@given(three_shapes)
def test_compose_is_associative(three: tuple[Shape, Shape, Shape]) -> None:
    first, second, third = map(built, three)
    left, right = first.compose(second).compose(third), first.compose(second.compose(third))
    assert torch.equal(left.per_image(4), right.per_image(4))


@given(two_shapes)
def test_the_inverse_of_both_is_the_inverses_in_turn(two: tuple[Shape, Shape]) -> None:
    first, second = map(built, two)
    undone, turned = first.compose(second).inverse(), second.inverse().compose(first.inverse())
    assert torch.equal(undone.per_image(4), turned.per_image(4))


@given(permutations)
def test_an_order_and_its_inverse_cancel(permutation: list[int]) -> None:
    order = Order(permutation)
    assert order.compose(order.inverse()) == Order.identity(len(permutation))
    assert order.inverse().compose(order) == Order.identity(len(permutation))
    assert order.inverse().inverse() == order


def test_equal_orders_are_equal_and_hash_alike() -> None:
    assert Order([2, 0, 1]) == STATIC
    assert hash(Order([2, 0, 1])) == hash(STATIC)
    different = [
        Order([2, 1, 0]),
        Order([2, 0, 1], num_patches=4),
        Order(torch.tensor([[2, 0, 1]])),
        Order(torch.tensor([[2, 0, 1]]), groups=torch.tensor([0])),
        [2, 0, 1],
    ]
    assert all(other != STATIC for other in different)
    assert Order(GROUPED.indices, groups=torch.tensor([0, 0, 1])) != GROUPED


@pytest.mark.parametrize("order", SHAPES)
def test_is_the_same_on_another_device(order: Order) -> None:
    assert order.to("cpu") == order
    assert order.to("meta").indices.device.type == "meta"


@pytest.mark.parametrize("order", SHAPES)
def test_loads_what_it_saves(order: Order, tmp_path: Path) -> None:
    order.save(tmp_path / "order.safetensors")
    assert Order.load(tmp_path / "order.safetensors") == order


def test_saves_an_order_that_is_a_view(tmp_path: Path) -> None:
    every_second = Order.trusted(torch.arange(8)[::2], num_patches=8)
    every_second.save(tmp_path / "order.safetensors")
    assert Order.load(tmp_path / "order.safetensors").indices.tolist() == [0, 2, 4, 6]


def test_refuses_to_load_what_is_no_order(tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("not an order")
    save_file({"weight": torch.zeros(2)}, tmp_path / "weights.safetensors")
    twice = {"indices": torch.tensor([0, 0]), "num_patches": torch.tensor(2)}
    save_file(twice, tmp_path / "twice.safetensors")
    for name, message in [
        ("absent", "No such file"),
        ("text", "cannot be read"),
        ("weights", "holds no order"),
        ("twice", "patch 0 appears twice"),
    ]:
        path = tmp_path / f"{name}.safetensors"
        with pytest.raises(ReorderKitError, match=message) as refusal:
            Order.load(path)
        assert str(path) in refusal.value.message
