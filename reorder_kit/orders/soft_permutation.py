"""A permutation that gradients can pass through."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import save
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.tensor_file import load_tensors
from reorder_kit.whole_file import write_whole


@dataclass(frozen=True)
class SoftPermutation:
    """``matrix[slot, patch]`` is the share of a patch in a slot; every row sums to one.

    Args:
        matrix: one matrix for all images, or one for each image.
    """

    matrix: Float[Tensor, "*batch slot patch"]

    @classmethod
    def from_order(cls, order: Order, dtype: torch.dtype = torch.float32) -> SoftPermutation:
        """The matrix of zeros and ones of a hard order."""
        if order.groups is not None:
            order = Order.trusted(order.per_image(len(order.groups)), order.num_patches)
        return cls(torch.nn.functional.one_hot(order.indices, order.num_patches).to(dtype))

    def apply(self, patches: Float[Tensor, "batch patch dim"]) -> Float[Tensor, "batch slot dim"]:
        """Mix the patches of each slot.

        Raises:
            ReorderKitError: if it was made for another number of patches or images.
        """
        *images, _, num_patches = self.matrix.shape
        if patches.shape[1] != num_patches:
            raise ReorderKitError(f"a soft permutation of {num_patches} patches was given {patches.shape[1]}")
        if images not in ([], [len(patches)]):
            raise ReorderKitError(f"a soft permutation made for {images[0]} images was given {len(patches)}")
        return self.matrix.to(patches.dtype) @ patches

    def restore(self, slots: Float[Tensor, "batch slot dim"]) -> Float[Tensor, "batch patch dim"]:
        """Return to row-major order with the column-normalized transpose.

        Rows of SoftSort's matrix sum to one but its columns do not, so a plain transpose would rescale patches. A patch
        without a share in any slot becomes zero.
        """
        return self.inverse().apply(slots)

    def inverse(self) -> SoftPermutation:
        """The column-normalized transpose; exact for a hard permutation."""
        transpose = self.matrix.transpose(-1, -2)
        total = transpose.sum(dim=-1, keepdim=True)
        # A patch in no slot keeps its zeros: dividing them by a tiny number would make their gradient infinite.
        return SoftPermutation(transpose / total.where(total > torch.finfo(total.dtype).tiny, 1.0))

    def compose(self, then: SoftPermutation) -> SoftPermutation:
        """This permutation first, then ``then`` on its result."""
        return SoftPermutation(then.matrix @ self.matrix)

    def residual(self) -> float:
        """The largest distance of a row or column sum from one: 0 if every patch and slot has a full share."""
        matrix = self.matrix.detach()
        rows, columns = matrix.sum(dim=-1), matrix.sum(dim=-2)
        return float(torch.maximum((rows - 1).abs().max(), (columns - 1).abs().max()))

    def to_order(self) -> Order:
        """The nearest hard order: the one with the largest sum of shares."""
        return largest_assignment(self.matrix)

    def straight_through(self, order: Order) -> SoftPermutation:
        """A permutation that is hard in the forward pass, with the gradient of this soft permutation."""
        hard = SoftPermutation.from_order(order, self.matrix.dtype).matrix
        return SoftPermutation(hard + (self.matrix - self.matrix.detach()))

    def kendall_tau(self, other: Order) -> float:
        """Kendall's rank correlation of the nearest hard order with another."""
        return self.to_order().kendall_tau(other)

    def mean_rank_shift(self, other: Order) -> float:
        """The mean number of slots by which patches move between the nearest hard order and another."""
        return self.to_order().mean_rank_shift(other)

    def adjacency(self, grid: Grid) -> float:
        """The share of consecutive slots of the nearest hard order whose patches share an edge."""
        return self.to_order().adjacency(grid)

    def save(self, path: Path) -> None:
        """Write the matrix as safetensors."""
        write_whole(path, save({"matrix": self.matrix.detach().contiguous()}))

    @classmethod
    def load(cls, path: Path) -> SoftPermutation:
        """Read what :meth:`save` wrote.

        Raises:
            ReorderKitError: if it is missing or is not such a file.
        """
        tensors = load_tensors(path)
        if "matrix" not in tensors:
            raise ReorderKitError(f"{path}: holds no soft permutation", f"it holds: {', '.join(tensors) or 'nothing'}")
        return cls(tensors["matrix"])


def largest_assignment(values: Float[Tensor, "*batch slot patch"]) -> Order:
    """The order whose ``values[slot, patch]`` have the largest sum, without gradient (Kuhn, 1955; scipy's solver).

    Args:
        values: how well each patch fits each slot; no more slots than patches.

    Raises:
        ReorderKitError: if one is NaN or infinite.
    """
    # Imported on first use: SciPy takes a while.
    from scipy.optimize import linear_sum_assignment

    matrices = values.detach().double().cpu()
    if not bool(torch.isfinite(matrices).all()):
        raise ReorderKitError(
            "the matrix to be assigned holds NaN or infinity", "raise the temperature or lower the step size"
        )
    rows = [
        torch.from_numpy(linear_sum_assignment(matrix.numpy(), maximize=True)[1])
        for matrix in matrices.reshape(-1, *matrices.shape[-2:])
    ]
    indices = torch.stack(rows).reshape(values.shape[:-1])
    return Order.trusted(indices.to(values.device), values.shape[-1])
