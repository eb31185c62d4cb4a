"""The order itself: which patch stands in which slot."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from scipy.stats import kendalltau
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.grid import Grid


class Order:
    """``indices[slot]`` is the row-major index of the patch in that slot (gather convention).

    One order for all images has the shape ``(slot)``; one for each group of images ``(group, slot)``, with the group of
    every image beside it; one for each image ``(batch, slot)``. An order may leave patches out (a *partial* order) but
    never holds one twice. An invalid order cannot be built.

    Args:
        indices: the patch in each slot.
        num_patches: patches there are to choose from; the number of slots if not given.
        groups: the group of each image, for the shape ``(group, slot)``.

    Raises:
        ReorderKitError: if a patch is out of range or appears twice.

    >>> order = Order([2, 0, 1])
    >>> order.rank.tolist()
    [1, 2, 0]
    """

    __slots__ = ("groups", "indices", "num_patches")

    def __init__(
        self,
        indices: Int[Tensor, "*batch slot"] | Sequence[int],
        num_patches: int | None = None,
        groups: Int[Tensor, " batch"] | None = None,
    ) -> None:
        self.indices: Int[Tensor, "*batch slot"] = torch.as_tensor(indices, dtype=torch.long)
        self.num_patches: int = self.indices.shape[-1] if num_patches is None else num_patches
        self.groups: Int[Tensor, " batch"] | None = groups
        self._check()

    @classmethod
    def trusted(
        cls, indices: Int[Tensor, "*batch slot"], num_patches: int, groups: Int[Tensor, " batch"] | None = None
    ) -> Order:
        """Without the check: for the result of an ``argsort`` in a training step, valid by construction."""
        order = cls.__new__(cls)
        order.indices, order.num_patches, order.groups = indices, num_patches, groups
        return order

    @classmethod
    def identity(cls, num_patches: int) -> Order:
        """Every patch in its row-major place."""
        return cls(torch.arange(num_patches))

    def _check(self) -> None:
        if self.indices.ndim not in (1, 2) or self.num_slots == 0:
            raise ReorderKitError(f"an order has the shape (slot) or (batch, slot), not {tuple(self.indices.shape)}")
        if int(self.indices.min()) < 0 or int(self.indices.max()) >= self.num_patches:
            raise ReorderKitError(
                f"an order of {self.num_patches} patches holds a patch outside 0..{self.num_patches - 1}"
            )
        ascending = self.indices.sort(dim=-1).values
        repeated = ascending[..., 1:][ascending[..., 1:] == ascending[..., :-1]]
        if repeated.numel():
            raise ReorderKitError(f"patch {int(repeated[0])} appears twice in an order")
        if self.groups is not None:
            if self.indices.ndim != 2:
                raise ReorderKitError("groups need an order for each group, of shape (group, slot)")
            if self.groups.numel() and not 0 <= int(self.groups.min()) <= int(self.groups.max()) < len(self.indices):
                raise ReorderKitError(f"a group is outside 0..{len(self.indices) - 1}")

    @property
    def num_slots(self) -> int:
        """Places in the sequence."""
        return self.indices.shape[-1]

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

    def inverse(self) -> Order:
        """The order that undoes this one, which must be full."""
        if not self.is_full:
            raise ReorderKitError("a partial order has no inverse", "restore() fills the patches it left out")
        return Order.trusted(self.rank, self.num_patches, self.groups)

    def compose(self, then: Order) -> Order:
        """This order first, ``then`` on its result: ``composed[slot] = self[then[slot]]``."""
        if then.num_patches != self.num_slots:
            raise ReorderKitError(f"an order of {then.num_patches} patches cannot follow one of {self.num_slots} slots")
        if self.is_static:
            return Order.trusted(self.indices[then.indices], self.num_patches, then.groups)
        if then.is_static:
            return Order.trusted(self.indices[:, then.indices], self.num_patches, self.groups)
        batch = len(self.indices if self.groups is None else self.groups)
        return Order.trusted(self.per_image(batch).gather(1, then.per_image(batch)), self.num_patches)

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
        return Order.trusted(self.indices.to(device), self.num_patches, groups)

    def apply(self, patches: Tensor) -> Tensor:
        """Put what each patch has into slots: ``(batch, patch, ...) -> (batch, slot, ...)``."""
        if patches.shape[1] != self.num_patches:
            raise ReorderKitError(f"an order of {self.num_patches} patches was given {patches.shape[1]}")
        if self.is_static:
            return patches.index_select(1, self.indices)
        return _gather(patches, self.per_image(len(patches)))

    def restore(self, slots: Tensor) -> Tensor:
        """Bring what each slot has back to row-major: ``(batch, slot, ...) -> (batch, patch, ...)``; zero where missing."""
        if slots.shape[1] != self.num_slots:
            raise ReorderKitError(f"an order of {self.num_slots} slots was given {slots.shape[1]}")
        rank = Order.trusted(self.rank, self.num_patches, self.groups).per_image(len(slots))
        restored = (
            slots.index_select(1, rank[0]) if self.is_static and self.is_full else _gather(slots, rank.clamp(min=0))
        )
        if self.is_full:
            return restored
        missing = (rank < 0).reshape(*rank.shape, *[1] * (slots.ndim - 2))
        return restored.masked_fill(missing, 0)

    def has_slot(self, batch: int) -> Bool[Tensor, "batch patch"]:
        """Which patches of each image have a slot."""
        return Order.trusted(self.rank, self.num_patches, self.groups).per_image(batch) >= 0

    def kendall_tau(self, other: Order) -> float:
        """Kendall's rank correlation of two static full orders: 1 the same, -1 reversed (Kendall, Biometrika 1938)."""
        _check_comparable(self, other)
        if self.num_patches == 1:
            return 1.0
        return float(kendalltau(self.rank.cpu().numpy(), other.rank.cpu().numpy()).statistic)

    def mean_rank_shift(self, other: Order) -> float:
        """By how many slots a patch moves between two static full orders, on average."""
        _check_comparable(self, other)
        return float((self.rank.cpu() - other.rank.cpu()).abs().double().mean())

    def adjacency(self, grid: Grid) -> float:
        """The share of consecutive slots whose patches share an edge (or follow each other in time); 1 for one patch."""
        if not self.is_static or grid.num_patches != self.num_patches:
            raise ReorderKitError(f"adjacency needs a static order of the {grid} grid's {grid.num_patches} patches")
        if self.num_slots == 1:
            return 1.0
        cells = torch.tensor([grid.cell(int(index)) for index in self.indices])
        steps: Float[Tensor, " step"] = (cells[1:] - cells[:-1]).abs().sum(dim=-1).float()
        return float((steps == 1).float().mean())

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


def _gather(values: Tensor, index: Int[Tensor, "batch place"]) -> Tensor:
    index = index.reshape(*index.shape, *[1] * (values.ndim - 2))
    return values.gather(1, index.expand(-1, -1, *values.shape[2:]))


def _check_comparable(first: Order, second: Order) -> None:
    if not (first.is_static and second.is_static and first.is_full and second.is_full):
        raise ReorderKitError("only full orders that are the same for all images can be compared")
    if first.num_patches != second.num_patches:
        raise ReorderKitError(f"orders of {first.num_patches} and {second.num_patches} patches cannot be compared")
