"""Orders on disk: JSON that people and other programs can read."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeGuard

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.checksums import CHECKSUM, digest_of_text, strict_json, with_checksum, without_checksum
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.slots_read import slots_kept
from reorder_kit.whole_file import write_unless_same

FORMAT_VERSION = 1
_MOST_BYTES = 2**26
"""Largest order file: its examples are as many orders as a person looks at, of as many patches as a grid can have."""
EXPECTED = 'write {"name": ..., "grid": [height, width], "order": [...]}, as `show-order --json` does'


@dataclass(frozen=True)
class OrderFile:
    """One order with its grid and a name.

    Args:
        name: the name of the order.
        grid: the grid it was made for.
        order: the best order of a run, or the consensus if each image has its own order.
        spread: for a consensus, the mean Kendall distance of the images' orders to it, 0 to 1; None for a best order.
        examples: for a consensus, the orders of some images.

    Raises:
        ReorderKitError: if the order is not the same for all images, or not one of the grid's patches.
    """

    name: str
    grid: Grid
    order: Order
    spread: float | None = None
    examples: tuple[Order, ...] = ()

    def __post_init__(self) -> None:
        if not self.order.is_static:
            raise ReorderKitError(f"{self.order!r} differs between images, but an order file holds a single order")
        # The only way to set a field of a frozen class; an order from a file should have its grid.
        object.__setattr__(self, "order", self.order.with_grid(self.grid))

    @property
    def is_consensus(self) -> bool:
        """Whether the run has no single order."""
        return self.spread is not None

    def kept(self, share: float) -> OrderFile:
        """What ``order.keep`` keeps of it: the first slots, as a share of all patches.

        Args:
            share: above 0, at most 1; at 1, all slots of the order.

        Raises:
            ReorderKitError: if the order has fewer slots, or the share is invalid.
        """
        if not 0 < share <= 1:
            raise ReorderKitError(f"a share of {share:g} of the patches cannot be kept", "as in --keep 0.25")
        slots = self.order.num_slots if share == 1 else slots_kept(share, self.grid.num_patches)
        if slots > self.order.num_slots:
            raise ReorderKitError(
                f"{self.name} holds {self.order.num_slots} of {self.grid.num_patches} patches, fewer than {slots}",
                "keep fewer",
            )
        examples = tuple(each.first(slots) for each in self.examples)
        return replace(self, order=self.order.first(slots), examples=examples)

    def as_dict(self) -> dict[str, Any]:
        """``{"name", "grid": [height, width], "order": [...]}``; for a video, grid is [frames, height, width].

        A consensus also has ``is_consensus``, ``spread`` and ``examples``.
        """
        frames = [self.grid.frames] if self.grid.frames > 1 else []
        grid = [*frames, self.grid.height, self.grid.width]
        content = {"name": self.name, "grid": grid, "order": self.order.indices.tolist()}
        if self.spread is None:
            return content
        examples = [order.indices.tolist() for order in self.examples]
        return {**content, "is_consensus": True, "spread": self.spread, "examples": examples}

    @property
    def text(self) -> str:
        """The content of the file: a format version, :meth:`as_dict`, and a checksum of both."""
        return json.dumps(with_checksum({"format_version": FORMAT_VERSION, **self.as_dict()})) + "\n"

    @property
    def digest(self) -> str:
        """The SHA-256 of the file."""
        return digest_of_text(self.text)

    def save(self, path: Path) -> None:
        """Write the file."""
        write_unless_same(path, self.text)

    @classmethod
    def load(cls, path: Path) -> OrderFile:
        """Read the file. A file written by hand needs no checksum.

        Raises:
            ReorderKitError: if it is missing, is not such a file, does not hold a valid order of its grid, or does not
                match its checksum.
        """
        try:
            with path.open("rb") as file:
                text = file.read(_MOST_BYTES + 1)
            if len(text) > _MOST_BYTES:
                raise ReorderKitError(f"{path}: not an order: it has more than {_MOST_BYTES // 2**20} MB", EXPECTED)
            content = strict_json(text)
        except OSError as error:
            raise ReorderKitError(f"{path}: {error.strerror}") from None
        except ValueError as error:
            raise ReorderKitError(f"{path}: not JSON: {error}", EXPECTED) from None
        try:
            if isinstance(content, dict) and CHECKSUM in content:
                without_checksum(content, "the order")
            return cls._parse(content, path.stem)
        except ReorderKitError as error:
            raise ReorderKitError(f"{path}: {error.message}", error.hint) from None

    @classmethod
    def _parse(cls, content: object, default_name: str) -> OrderFile:
        if not isinstance(content, dict):
            raise ReorderKitError("not an order", EXPECTED)
        version = content.get("format_version", FORMAT_VERSION)
        if type(version) is not int or version != FORMAT_VERSION:
            raise ReorderKitError(f"format_version {version!r} is not {FORMAT_VERSION}")
        name, sizes, indices = content.get("name", default_name), content.get("grid"), content.get("order")
        if not isinstance(name, str):
            raise ReorderKitError(f"name {name!r} is not text", EXPECTED)
        if not _are_whole_numbers(sizes) or len(sizes) not in (2, 3):
            raise ReorderKitError(f"grid {sizes!r} is not [height, width]", EXPECTED)
        if not _are_whole_numbers(indices):
            raise ReorderKitError("order is not a list of patch numbers", EXPECTED)
        grid = Grid(*sizes[-2:], *sizes[:-2])
        order = Order(indices, grid=grid)
        is_consensus = content.get("is_consensus", False)
        if type(is_consensus) is not bool:
            raise ReorderKitError(f"is_consensus {is_consensus!r} is not true or false")
        if not is_consensus:
            return cls(name, grid, order)
        spread, examples = content.get("spread"), content.get("examples", [])
        if not isinstance(spread, int | float) or isinstance(spread, bool) or not 0 <= spread <= 1:
            raise ReorderKitError("a consensus has a spread from 0 to 1")
        if not isinstance(examples, list) or not all(map(_are_whole_numbers, examples)):
            raise ReorderKitError("the examples of a consensus are lists of patch numbers")
        return cls(name, grid, order, float(spread), tuple(Order(each, grid=grid) for each in examples))


def words_of_spread(spread: float) -> str:
    """What must be said about every consensus order.

    Args:
        spread: the mean Kendall distance of the images' orders to it.

    >>> words_of_spread(0.25)
    'each image has its own order; their mean Kendall distance to the consensus is 0.250'
    """
    return f"each image has its own order; their mean Kendall distance to the consensus is {spread:.3f}"


def _are_whole_numbers(values: object) -> TypeGuard[list[int]]:
    # type() rather than isinstance(), because True and False are also integers.
    return isinstance(values, list) and all(type(value) is int for value in values)
