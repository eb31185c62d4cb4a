"""The order itself: which patch is in which slot."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.kendall_tau import kendall_tau
from reorder_kit.orders.patch_numbers import whole_numbers

if TYPE_CHECKING:
    from reorder_kit.orders.order_figure import OrderFigure


class Order:
    """``indices[slot]`` is the row-major index of the patch in that slot (gather convention).

    One order for all images has the shape ``(slot)``; one for each group of images has ``(group, slot)``, with the
    group of every image in ``groups``; one for each image has ``(batch, slot)``. An order may leave patches out (a
    *partial* order) but never holds a patch twice. An invalid order cannot be built.

    Args:
        indices: the patch in each slot.
        num_patches: the number of patches to choose from; if not given, the grid's, or without a grid, that of slots.
        groups: the group of each image, for the shape ``(group, slot)``.
        grid: the grid of the patches, if known, in any form that ``Grid.of`` takes. It is ignored when orders are
            compared.

    Raises:
        ReorderKitError: if a patch is not a whole number, is out of range or appears twice, or the grid has another
            number of patches.

    >>> order = Order([2, 0, 1])
    >>> order.rank.tolist()
    [1, 2, 0]
    >>> order[0], list(order), order[:2]
    (2, [2, 0, 1], Order(2 of 3 patches: 2 0))
    """

    __slots__ = ("grid", "groups", "indices", "num_patches")

    def __init__(
        self,
        indices: Int[Tensor, "*batch slot"] | NDArray[Any] | Sequence[int],
        num_patches: int | None = None,
        groups: Int[Tensor, " batch"] | None = None,
        grid: Grid | str | Sequence[int] | None = None,
    ) -> None:
        self.grid: Grid | None = None if grid is None else Grid.of(grid)
        self.indices: Int[Tensor, "*batch slot"] = whole_numbers(indices)
        if num_patches is None:
            num_patches = self.num_slots if self.grid is None else self.grid.num_patches
        self.num_patches: int = num_patches
        self.groups: Int[Tensor, " batch"] | None = groups
        self._check()

    @classmethod
    def trusted(
        cls,
        indices: Int[Tensor, "*batch slot"],
        num_patches: int,
        groups: Int[Tensor, " batch"] | None = None,
        grid: Grid | None = None,
    ) -> Order:
        """Build an order without checks, for the result of an ``argsort`` in a training step, valid by construction."""
        order = cls.__new__(cls)
        order.indices, order.num_patches, order.groups, order.grid = indices, num_patches, groups, grid
        return order

    @classmethod
    def identity(cls, num_patches: int) -> Order:
        """The row-major order."""
        return cls(torch.arange(num_patches))

    def _check(self) -> None:
        if self.indices.ndim not in (1, 2) or self.num_slots == 0:
            raise ReorderKitError(f"an order has the shape (slot) or (batch, slot), not {tuple(self.indices.shape)}")
        if self.indices.numel() and not 0 <= int(self.indices.min()) <= int(self.indices.max()) < self.num_patches:
            raise ReorderKitError(
                f"an order of {self.num_patches} patches holds a patch outside 0..{self.num_patches - 1}"
            )
        ascending = self.indices.sort(dim=-1).values
        repeated = ascending[..., 1:][ascending[..., 1:] == ascending[..., :-1]]
        if repeated.numel():
            raise ReorderKitError(f"patch {int(repeated[0])} appears twice in an order")
        if self.groups is not None:
            self._check_groups(self.groups)
        if self.grid is not None:
            self._check_grid(self.grid)

    def _check_grid(self, grid: Grid) -> None:
        if self.num_patches != grid.num_patches:
            raise ReorderKitError(f"an order of {self.num_patches} patches does not fit the {grid} grid")
        if self.grid is not None and self.grid != grid:
            raise ReorderKitError(f"the order is for a {self.grid} grid, not {grid}")

    def _check_groups(self, groups: Int[Tensor, " batch"]) -> None:
        if self.indices.ndim != 2:
            raise ReorderKitError("groups need an order for each group, of shape (group, slot)")
        if groups.ndim != 1:
            raise ReorderKitError(f"groups have the shape (batch), not {tuple(groups.shape)}")
        if groups.numel() and not 0 <= int(groups.min()) <= int(groups.max()) < len(self.indices):
            raise ReorderKitError(f"a group is outside 0..{len(self.indices) - 1}")

    @property
    def num_slots(self) -> int:
        """Number of slots in the sequence."""
        return self.indices.shape[-1] if self.indices.ndim else 0

    @property
    def is_static(self) -> bool:
        """Whether there is one order for all images."""
        return self.indices.ndim == 1

    @property
    def is_full(self) -> bool:
        """Whether every patch has a slot, so that the order is a permutation."""
        return self.num_slots == self.num_patches

    @property
    def rank(self) -> Int[Tensor, "*batch patch"]:
        """The slot of each patch; -1 for a patch without a slot."""
        slots = torch.arange(self.num_slots, device=self.indices.device).expand_as(self.indices)
        empty = self.indices.new_full((*self.indices.shape[:-1], self.num_patches), -1)
        return empty.scatter(-1, self.indices, slots)

    @property
    def rank_with_absent_last(self) -> Int[Tensor, "*batch patch"]:
        """The slot of each patch; for a patch without a slot, the number of patches, which is after every slot."""
        rank = self.rank
        return rank.masked_fill(rank < 0, self.num_patches)

    def with_grid(self, grid: Grid | str | Sequence[int]) -> Order:
        """The same order, with the grid of its patches.

        Raises:
            ReorderKitError: if it is an order of another grid, or of another number of patches.
        """
        grid = Grid.of(grid)
        self._check_grid(grid)
        return Order.trusted(self.indices, self.num_patches, self.groups, grid)

    def inverse(self) -> Order:
        """The order that undoes this one, which must be full. It applies to slots, so it has no grid."""
        if not self.is_full:
            raise ReorderKitError("a partial order has no inverse", "restore() fills in the patches that it left out")
        return Order.trusted(self.rank, self.num_patches, self.groups)

    def first(self, slots: int) -> Order:
        """The first slots of the order; the other patches are left out.

        Args:
            slots: how many, from 1 to the number of slots.

        >>> Order([2, 0, 1]).first(2)
        Order(2 of 3 patches: 2 0)
        """
        if not 1 <= slots <= self.num_slots:
            raise ReorderKitError(f"an order of {self.num_slots} slots cannot be cut to the first {slots}")
        return Order.trusted(self.indices[..., :slots], self.num_patches, self.groups, self.grid)

    def compose(self, then: Order) -> Order:
        """This order first, then ``then`` on its result: ``composed[slot] = self[then[slot]]``, with this grid."""
        if then.num_patches != self.num_slots:
            raise ReorderKitError(f"an order of {then.num_patches} patches cannot follow one of {self.num_slots} slots")
        if self.is_static:
            return Order.trusted(self.indices[then.indices], self.num_patches, then.groups, self.grid)
        if then.is_static:
            return Order.trusted(self.indices[:, then.indices], self.num_patches, self.groups, self.grid)
        batch = len(self.indices if self.groups is None else self.groups)
        composed = self.per_image(batch).gather(1, then.per_image(batch))
        return Order.trusted(composed, self.num_patches, grid=self.grid)

    def merged(self, grid: Grid | str | Sequence[int], valid: Bool[Tensor, "batch patch"] | None = None) -> Order:
        """The order of the cells of a coarser grid: a merged cell takes the place of its first patch.

        A cell covers a square of patches within a frame; its side follows from the number of patches.

        Args:
            grid: the coarser grid, with the same number of frames.
            valid: False for padding, row-major. A cell then takes the place of its first valid patch, and cells of only
                padding come last; there is one order for each image.

        Raises:
            ReorderKitError: if the order is partial, or its patches do not make up squares.

        >>> Order([6, 0, 7, 3, 2, 1, 5, 4]).merged(Grid(1, 2)).indices.tolist()  # from a 2x4 grid
        [1, 0]
        """
        grid = Grid.of(grid)
        if not self.is_full:
            raise ReorderKitError(
                "a partial order cannot be merged: some patches of a cell would be missing", "use a full order"
            )
        side = math.isqrt(self.num_patches // grid.num_patches)
        if side * side * grid.num_patches != self.num_patches:
            raise ReorderKitError(
                f"{self.num_patches} patches do not make up a {grid} grid of cells that each cover a square of patches",
                "merge as many rows as columns, as in 2x2",
            )
        rank = self.rank if valid is None else self._rank_per_image(len(valid)) + self.num_slots * ~valid
        first = rank.reshape(*rank.shape[:-1], grid.frames, grid.height, side, grid.width, side).amin(dim=(-3, -1))
        groups = self.groups if valid is None else None
        return Order.trusted(first.flatten(-3).argsort(dim=-1), grid.num_patches, groups, grid)

    def per_image(self, batch: int) -> Int[Tensor, "batch slot"]:
        """The order of every image of a batch.

        Raises:
            ReorderKitError: if the order was made for another number of images.
        """
        if self.is_static:
            return self.indices.expand(batch, -1)
        rows = self.indices if self.groups is None else self.indices[self.groups]
        if len(rows) != batch:
            raise ReorderKitError(f"an order made for {len(rows)} images was given {batch}")
        return rows

    def to(self, device: torch.device | str) -> Order:
        """The same order on another device."""
        groups = None if self.groups is None else self.groups.to(device)
        return Order.trusted(self.indices.to(device), self.num_patches, groups, self.grid)

    def apply(self, patches: Tensor) -> Tensor:
        """Move the values of patches into slots: ``(batch, patch, ...) -> (batch, slot, ...)``."""
        if patches.shape[1] != self.num_patches:
            raise ReorderKitError(f"an order of {self.num_patches} patches was given {patches.shape[1]}")
        if self.is_static:
            return patches.index_select(1, self.indices)
        return _gather(patches, self.per_image(len(patches)))

    def restore(self, slots: Tensor) -> Tensor:
        """Move the values of slots back to row-major order: ``(batch, slot, ...) -> (batch, patch, ...)``.

        A patch without a slot becomes zero.
        """
        if slots.shape[1] != self.num_slots:
            raise ReorderKitError(f"an order of {self.num_slots} slots was given {slots.shape[1]}")
        if self.is_full:
            return self.inverse().apply(slots)
        rank = self._rank_per_image(len(slots))
        missing = (rank < 0).reshape(*rank.shape, *[1] * (slots.ndim - 2))
        return _gather(slots, rank.clamp(min=0)).masked_fill(missing, 0)

    def has_slot(self, batch: int) -> Bool[Tensor, "batch patch"]:
        """Which patches of each image have a slot."""
        return self._rank_per_image(batch) >= 0

    def _rank_per_image(self, batch: int) -> Int[Tensor, "batch patch"]:
        return Order.trusted(self.rank, self.num_patches, self.groups).per_image(batch)

    def kendall_tau(self, other: Order) -> float:
        """Kendall's rank correlation of two static orders: 1 the same, -1 reversed (Kendall, Biometrika 1938).

        Patches that a partial order leaves out tie after its last slot; ties are corrected for (tau-b, Kendall 1945).
        """
        _check_comparable(self, other)
        if self.num_patches == 1:
            return 1.0
        return kendall_tau(self.rank_with_absent_last.tolist(), other.rank_with_absent_last.tolist())

    def mean_rank_shift(self, other: Order) -> float:
        """The mean number of slots by which patches move between two static orders; left-out patches come last."""
        _check_comparable(self, other)
        return float((self.rank_with_absent_last.cpu() - other.rank_with_absent_last.cpu()).abs().double().mean())

    def adjacency(self, grid: Grid | str | Sequence[int]) -> float:
        """The share of consecutive slots whose patches share an edge, or a position in consecutive frames.

        It is 1 for a single slot.
        """
        grid = Grid.of(grid)
        if not self.is_static or grid.num_patches != self.num_patches:
            raise ReorderKitError(f"adjacency needs a static order of the {grid} grid's {grid.num_patches} patches")
        if self.num_slots == 1:
            return 1.0
        cells = torch.tensor([grid.cell(int(index)) for index in self.indices])
        steps: Int[Tensor, " step"] = (cells[1:] - cells[:-1]).abs().sum(dim=-1)
        return float((steps == 1).double().mean())

    def save(self, path: str | Path) -> None:
        """Write the order, in the format given by the ending of the file.

        Args:
            path: ends with ``.json`` (one order with its grid, for people and other programs), ``.npy`` (only the patch
                numbers of one order), or ``.safetensors`` (an order of any shape, and its grid).

        Raises:
            ReorderKitError: if it has another ending, the format cannot hold the order, or it cannot be written.
        """
        from reorder_kit.orders.saved_order import save_order

        save_order(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Order:
        """Read what :meth:`save` wrote. :func:`reorder_kit.load_order` also reads runs and names, and takes a grid.

        Raises:
            ReorderKitError: if it is missing, is not such a file, is damaged, or holds an invalid order.
        """
        from reorder_kit.orders.saved_order import read_order

        return read_order(Path(path))

    def plot(self, image: Any = None, title: str | None = None) -> OrderFigure:
        """A Matplotlib figure of the path over the grid, which notebooks display and ``savefig`` writes.

        Args:
            image: the image below the path: a PIL image, a tensor ``(channel, height, width)``, an array
                ``(height, width, channel)``, or a clip with as many frames as the grid. Values outside 0 to 1 are
                rescaled to this range.
            title: the title; the grid and the number of patches if not given.

        Raises:
            ReorderKitError: if the order has no grid, differs between images, or has too many patches for a picture; if
                the image is invalid, or the grid does not divide it into patches.
        """
        # Imported on first use: Matplotlib takes a second.
        from reorder_kit.orders.order_figure import plot_order

        return plot_order(self, image, title)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Order):
            return NotImplemented
        same_groups = (self.groups is None) == (other.groups is None) and (
            self.groups is None or other.groups is None or torch.equal(self.groups.cpu(), other.groups.cpu())
        )
        same_indices = torch.equal(self.indices.cpu(), other.indices.cpu())
        return self.num_patches == other.num_patches and same_indices and same_groups

    def __hash__(self) -> int:
        return hash((self.num_patches, tuple(self.indices.flatten().tolist())))

    def __len__(self) -> int:
        return self.num_slots

    @overload
    def __getitem__(self, slot: SupportsIndex) -> int: ...

    @overload
    def __getitem__(self, slot: slice) -> Order: ...

    def __getitem__(self, slot: SupportsIndex | slice) -> int | Order:
        """The patch in a slot; for a slice, the order of these slots: ``order[:49]`` reads 49 patches."""
        if isinstance(slot, slice):
            slots = torch.tensor(range(self.num_slots)[slot], dtype=torch.long)  # torch takes no negative steps
            return Order(self._single()[slots], self.num_patches, grid=self.grid)
        place = index(slot)
        if not -self.num_slots <= place < self.num_slots:
            raise IndexError(f"there is no slot {place} in an order of {self.num_slots} slots")
        return int(self._single()[place])

    def __iter__(self) -> Iterator[int]:
        return iter(self._single().tolist())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.indices.cpu().numpy(), dtype=dtype)

    def _single(self) -> Int[Tensor, " slot"]:
        if not self.is_static:
            raise ReorderKitError(
                f"{self!r} differs between images, so a slot has no single patch",
                "order.per_image(batch)[image, slot] is the patch of an image",
            )
        return self.indices

    def __repr__(self) -> str:
        from reorder_kit.orders.order_words import order_in_words

        return order_in_words(self)

    def _repr_html_(self) -> str:
        from reorder_kit.orders.order_html import order_as_html

        return order_as_html(self)


def _gather(values: Tensor, index: Int[Tensor, "batch place"]) -> Tensor:
    index = index.reshape(*index.shape, *[1] * (values.ndim - 2))
    return values.gather(1, index.expand(-1, -1, *values.shape[2:]))


def _check_comparable(first: Order, second: Order) -> None:
    if not (first.is_static and second.is_static):
        raise ReorderKitError("only orders that are the same for all images can be compared")
    if first.num_patches != second.num_patches:
        raise ReorderKitError(f"orders of {first.num_patches} and {second.num_patches} patches cannot be compared")
