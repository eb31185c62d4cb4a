"""Orders on disk: JSON that people and other programs can read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reorder_kit.errors import ReorderKitError
from reorder_kit.grid import Grid
from reorder_kit.patch_order import Order

FORMAT_VERSION = 1


@dataclass(frozen=True)
class OrderFile:
    """A static order with its grid and a name.

    Args:
        name: what the order is called.
        grid: the grid it was made for.
        order: the order.
    """

    name: str
    grid: Grid
    order: Order

    def as_dict(self) -> dict[str, Any]:
        """``{"name", "grid": [height, width], "order": [...]}``; grid is [frames, height, width] for a video."""
        frames = [self.grid.frames] if self.grid.frames > 1 else []
        grid = [*frames, self.grid.height, self.grid.width]
        return {"name": self.name, "grid": grid, "order": self.order.indices.tolist()}

    def save(self, path: Path) -> None:
        """Write the file."""
        path.write_text(json.dumps({"format_version": FORMAT_VERSION, **self.as_dict()}) + "\n")

    @classmethod
    def load(cls, path: Path) -> OrderFile:
        """Read the file.

        Raises:
            ReorderKitError: if it is missing, is not such a file, or holds no valid order of its grid.
        """
        try:
            content = json.loads(path.read_text())
        except OSError as error:
            raise ReorderKitError(f"{path}: {error.strerror}") from None
        except ValueError as error:
            raise ReorderKitError(f"{path}: not JSON: {error}") from None
        expected = 'write {"name": ..., "grid": [height, width], "order": [...]}, as `show-order --json` does'
        if not isinstance(content, dict) or not isinstance(content.get("order"), list):
            raise ReorderKitError(f"{path}: not an order", expected)
        if content.get("format_version", FORMAT_VERSION) != FORMAT_VERSION:
            raise ReorderKitError(f"{path}: format_version {content['format_version']} is not {FORMAT_VERSION}")
        sizes = content.get("grid")
        if not isinstance(sizes, list) or len(sizes) not in (2, 3) or not all(isinstance(size, int) for size in sizes):
            raise ReorderKitError(f"{path}: grid {sizes!r} is not [height, width]", expected)
        if not all(isinstance(index, int) for index in content["order"]):
            raise ReorderKitError(f"{path}: the order holds something other than patch numbers", expected)
        grid = Grid(*sizes[-2:], *sizes[:-2])
        try:
            order = Order(content["order"], grid.num_patches)
        except ReorderKitError as error:
            raise ReorderKitError(f"{path}: {error.message}", error.hint) from None
        return cls(str(content.get("name", path.stem)), grid, order)
