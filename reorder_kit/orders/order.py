"""The order itself: which patch stands in which slot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.kendall_tau import kendall_tau
from reorder_kit.whole_file import write_whole


class Order:
    """``indices[slot]`` is the row-major index of the patch in that slot (gather convention).

    One order for all images has the shape ``(slot)``; one for each group of images ``(group, slot)``, with the group of
    every image beside it; one for each image ``(batch, slot)``. An order may leave patches out (a *partial* order) but
    never holds one twice. An invalid order cannot be built.

    Args:
        indices: the patch in each slot.
        num_patches: patches there are to choose from; those of the grid if not given, or else the number of slots.
        groups: the group of each image, for the shape ``(group, slot)``.
        grid: the grid of the patches, where it is known. Orders are equal whether or not they know it.

    Raises:
        ReorderKitError: if a patch is no whole number, is out of range or appears twice, or the grid has another number
            of patches.

    >>> order = Order([2, 0, 1])
    >>> order.rank.tolist()
    [1, 2, 0]
    """

    __slots__ = ("grid", "groups", "indices", "num_patches")

    def __init__(
        self,
        indices: Int[Tensor, "*batch slot"] | NDArray[Any] | Sequence[int],
        num_patches: int | None = None,
        groups: Int[Tensor, " batch"] | None = None,
        grid: Grid | None = None,
    ) -> None:
        self.indices: Int[Tensor, "*batch slot"] = whole_numbers(indices)
        if num_patches is None:
            num_patches = self.num_slots if grid is None else grid.num_patches
        self.num_patches: int = num_patches
        self.groups: Int[Tensor, " batch"] | None = groups
        self.grid: Grid | None = grid
        self._check()

    @classmethod
    def trusted(
        cls,
        indices: Int[Tensor, "*batch slot"],
        num_patches: int,
        groups: Int[Tensor, " batch"] | None = None,
        grid: Grid | None = None,
    ) -> Order:
        """Without the check: for the result of an ``argsort`` in a training step, valid by construction."""
        order = cls.__new__(cls)
        order.indices, order.num_patches, order.groups, order.grid = indices, num_patches, groups, grid
        return order

    @classmethod
    def identity(cls, num_patches: int) -> Order:
        """Every patch in its row-major place."""
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
            raise ReorderKitError(f"an order of {self.num_patches} patches is none of the {grid} grid")
        if self.grid is not None and self.grid != grid:
            raise ReorderKitError(f"an order of the {self.grid} grid is none of the {grid} grid")

    def _check_groups(self, groups: Int[Tensor, " batch"]) -> None:
        if self.indices.ndim != 2:
            raise ReorderKitError("groups need an order for each group, of shape (group, slot)")
        if groups.ndim != 1:
            raise ReorderKitError(f"groups have the shape (batch), not {tuple(groups.shape)}")
        if groups.numel() and not 0 <= int(groups.min()) <= int(groups.max()) < len(self.indices):
            raise ReorderKitError(f"a group is outside 0..{len(self.indices) - 1}")

    @property
    def num_slots(self) -> int:
        """Places in the sequence."""
        return self.indices.shape[-1] if self.indices.ndim else 0

    @property
    def is_static(self) -> bool:
        """One order for all images."""
        return self.indices.ndim == 1

    @property
    def is_full(self) -> bool:
        """Every patch has a slot: the order is a permutation."""
        return self.num_slots == self.num_patches

    @property
    def rank(self) -> Int[Tensor, "*batch patch"]:
        """The slot of each patch; -1 for a patch that has none."""
        slots = torch.arange(self.num_slots, device=self.indices.device).expand_as(self.indices)
        empty = self.indices.new_full((*self.indices.shape[:-1], self.num_patches), -1)
        return empty.scatter(-1, self.indices, slots)

    @property
    def rank_with_absent_last(self) -> Int[Tensor, "*batch patch"]:
        """The slot of each patch; the number of patches for one that has none, behind every slot."""
        rank = self.rank
        return rank.masked_fill(rank < 0, self.num_patches)

    def with_grid(self, grid: Grid) -> Order:
        """The same order, which knows the grid of its patches.

        Raises:
            ReorderKitError: if it is an order of another grid, or of another number of patches.
        """
        self._check_grid(grid)
        return Order.trusted(self.indices, self.num_patches, self.groups, grid)

    def inverse(self) -> Order:
        """The order that undoes this one, which must be full. It takes slots, and so has no grid."""
        if not self.is_full:
            raise ReorderKitError("a partial order has no inverse", "restore() fills the patches it left out")
        return Order.trusted(self.rank, self.num_patches, self.groups)

    def first(self, slots: int) -> Order:
        """The order cut off after so many slots; the patches beyond are left out.

        Args:
            slots: 1 to the number of slots there are.

        >>> Order([2, 0, 1]).first(2)
        Order(2 of 3 patches)
        """
        if not 1 <= slots <= self.num_slots:
            raise ReorderKitError(f"an order of {self.num_slots} slots has no first {slots}")
        return Order.trusted(self.indices[..., :slots], self.num_patches, self.groups, self.grid)

    def compose(self, then: Order) -> Order:
        """This order first, ``then`` on its result: ``composed[slot] = self[then[slot]]``, of this order's grid."""
        if then.num_patches != self.num_slots:
            raise ReorderKitError(f"an order of {then.num_patches} patches cannot follow one of {self.num_slots} slots")
        if self.is_static:
            return Order.trusted(self.indices[then.indices], self.num_patches, then.groups, self.grid)
        if then.is_static:
            return Order.trusted(self.indices[:, then.indices], self.num_patches, self.groups, self.grid)
        batch = len(self.indices if self.groups is None else self.groups)
        composed = self.per_image(batch).gather(1, then.per_image(batch))
        return Order.trusted(composed, self.num_patches, grid=self.grid)

    def merged(self, grid: Grid) -> Order:
        """The order of the cells of a coarser grid: a merged cell stands where its first patch stood.

        A cell covers a square of patches within a frame; how many on a side follows from the number of patches.

        Args:
            grid: the coarser grid, of as many frames.

        Raises:
            ReorderKitError: if the order is partial, or its patches do not make up squares.

        >>> Order([6, 0, 7, 3, 2, 1, 5, 4]).merged(Grid(1, 2)).indices.tolist()  # of a 2x4 grid
        [1, 0]
        """
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
        rank = self.rank
        by_cell = rank.reshape(*rank.shape[:-1], grid.frames, grid.height, side, grid.width, side)
        first = by_cell.amin(dim=(-3, -1))
        return Order.trusted(first.flatten(-3).argsort(dim=-1), grid.num_patches, self.groups, grid)

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
        """Put what each patch has into slots: ``(batch, patch, ...) -> (batch, slot, ...)``."""
        if patches.shape[1] != self.num_patches:
            raise ReorderKitError(f"an order of {self.num_patches} patches was given {patches.shape[1]}")
        if self.is_static:
            return patches.index_select(1, self.indices)
        return _gather(patches, self.per_image(len(patches)))

    def restore(self, slots: Tensor) -> Tensor:
        """Bring what each slot has back to row-major: ``(batch, slot, ...) -> (batch, patch, ...)``.

        A patch that has no slot becomes zero.
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

        Patches that a partial order leaves out tie behind its last slot; ties are corrected for (tau-b, Kendall 1945).
        """
        _check_comparable(self, other)
        if self.num_patches == 1:
            return 1.0
        return kendall_tau(self.rank_with_absent_last.tolist(), other.rank_with_absent_last.tolist())

    def mean_rank_shift(self, other: Order) -> float:
        """By how many slots a patch moves between two static orders, on average; one left out stands behind the end."""
        _check_comparable(self, other)
        return float((self.rank_with_absent_last.cpu() - other.rank_with_absent_last.cpu()).abs().double().mean())

    def adjacency(self, grid: Grid) -> float:
        """The share of consecutive slots whose patches share an edge, or a place in frames that follow each other.

        It is 1 for a single slot.
        """
        if not self.is_static or grid.num_patches != self.num_patches:
            raise ReorderKitError(f"adjacency needs a static order of the {grid} grid's {grid.num_patches} patches")
        if self.num_slots == 1:
            return 1.0
        cells = torch.tensor([grid.cell(int(index)) for index in self.indices])
        steps: Int[Tensor, " step"] = (cells[1:] - cells[:-1]).abs().sum(dim=-1)
        return float((steps == 1).double().mean())

    def save(self, path: Path) -> None:
        """Write the order, of any shape, as safetensors. :class:`OrderFile` is for people and other programs."""
        tensors = {"indices": self.indices.contiguous(), "num_patches": torch.tensor(self.num_patches)}
        write_whole(path, save(tensors if self.groups is None else {**tensors, "groups": self.groups.contiguous()}))

    @classmethod
    def load(cls, path: Path) -> Order:
        """Read what :meth:`save` wrote.

        Raises:
            ReorderKitError: if it is missing, is not such a file, or holds an invalid order.
        """
        tensors = load_tensors(path)
        if not {"indices", "num_patches"} <= tensors.keys():
            raise ReorderKitError(f"{path}: holds no order", f"it holds: {', '.join(tensors) or 'nothing'}")
        try:
            return cls(tensors["indices"], int(tensors["num_patches"]), tensors.get("groups"))
        except ReorderKitError as error:
            raise ReorderKitError(f"{path}: {error.message}", error.hint) from None

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

    def __repr__(self) -> str:
        shape = "x".join(str(size) for size in self.indices.shape)
        return f"Order({shape} of {self.num_patches} patches)"


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        ReorderKitError: if it is missing or is not such a file.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ReorderKitError(f"{path}: cannot be read as safetensors: {error}") from None


def whole_numbers(indices: Tensor | NDArray[Any] | Sequence[int]) -> Int[Tensor, "*batch slot"]:
    """Patch numbers as a tensor.

    Raises:
        ReorderKitError: if they are anything else.
    """
    try:
        # numpy gives views that are reversed or cannot be written, and unsigned numbers: torch takes none of these.
        numbers = torch.from_numpy(_copied(indices)) if isinstance(indices, np.ndarray) else torch.as_tensor(indices)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ReorderKitError(f"an order holds patch numbers, in rows of one length: {error}") from None
    if numbers.numel() and (numbers.is_floating_point() or numbers.is_complex() or numbers.dtype == torch.bool):
        raise ReorderKitError(
            f"an order holds patch numbers, not {numbers.dtype}", "an array of whole numbers: array.astype(int)"
        )
    return numbers.long()


def _copied(array: NDArray[Any]) -> NDArray[Any]:
    return np.array(array, dtype=np.int64 if array.dtype.kind in "iu" else None, order="C")


def _gather(values: Tensor, index: Int[Tensor, "batch place"]) -> Tensor:
    index = index.reshape(*index.shape, *[1] * (values.ndim - 2))
    return values.gather(1, index.expand(-1, -1, *values.shape[2:]))


def _check_comparable(first: Order, second: Order) -> None:
    if not (first.is_static and second.is_static):
        raise ReorderKitError("only orders that are the same for all images can be compared")
    if first.num_patches != second.num_patches:
        raise ReorderKitError(f"orders of {first.num_patches} and {second.num_patches} patches cannot be compared")
