"""The rectangle of patches that an image is cut into."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass

from reorder_kit.errors import ReorderKitError, quoted

MOST_PATCHES = 2**16
"""Most patches of a grid: an order of this many takes seconds, and no model reads this many."""
_MOST_DIGITS = 9


@dataclass(frozen=True)
class Grid:
    """Height and width in patches, and the number of frames of a video.

    The row-major index of a patch is ``(frame * height + row) * width + column``.

    Args:
        height: rows of patches, at least 1.
        width: columns of patches, at least 1.
        frames: number of frames, at least 1.

    Raises:
        ReorderKitError: if one of them is not a whole number, or less than 1, or there are more than
            :data:`MOST_PATCHES` patches.
    """

    height: int
    width: int
    frames: int = 1

    def __post_init__(self) -> None:
        for name in ("height", "width", "frames"):
            object.__setattr__(self, name, _whole(getattr(self, name)))
        if min(self.height, self.width, self.frames) < 1:
            raise ReorderKitError(
                f"a grid needs at least one patch in each direction, not {self}", "as in --grid 14x14"
            )
        if self.num_patches > MOST_PATCHES:
            raise _too_many(str(self))

    @property
    def num_patches(self) -> int:
        """All patches of all frames."""
        return self.frames * self.height * self.width

    @property
    def transposed(self) -> Grid:
        """The grid with rows and columns exchanged."""
        return Grid(self.width, self.height, self.frames)

    def index(self, row: int, column: int, frame: int = 0) -> int:
        """The row-major index of a patch."""
        return (frame * self.height + row) * self.width + column

    def cell(self, index: int) -> tuple[int, int, int]:
        """The (frame, row, column) of a row-major index."""
        frame, within = divmod(index, self.height * self.width)
        return (frame, *divmod(within, self.width))

    @classmethod
    def parse(cls, text: str) -> Grid:
        """Read ``14x14``, or ``8x14x14`` for frames x height x width.

        >>> Grid.parse("3x5")
        Grid(height=3, width=5, frames=1)
        """
        if not re.fullmatch(r"\d+x\d+(x\d+)?", text):
            raise ReorderKitError(f"{text!r} is not a grid", "write HEIGHTxWIDTH in patches, as in 14x14")
        parts = text.split("x")
        if max(map(len, parts)) > _MOST_DIGITS:
            raise _too_many(f"{text:.40}...")
        *frames, height, width = map(int, parts)
        return cls(height, width, *frames)

    @classmethod
    def of(cls, value: Grid | str | Sequence[int]) -> Grid:
        """A grid from any way of writing one: ``"14x14"``, ``(14, 14)``, ``(frames, height, width)``, or a grid.

        Raises:
            ReorderKitError: if it is none of these.

        >>> Grid.of((8, 14, 14))
        Grid(height=14, width=14, frames=8)
        """
        if isinstance(value, Grid):
            return value
        if isinstance(value, str):
            return cls.parse(value)
        try:
            *frames, height, width = map(operator.index, value)
        except (TypeError, ValueError):
            frames = [0, 0]
        if len(frames) > 1:
            raise ReorderKitError(f"{quoted(value)} is not a grid", "give (height, width) in patches, as in (14, 14)")
        return cls(height, width, *frames)

    def __str__(self) -> str:
        return f"{self.height}x{self.width}" if self.frames == 1 else f"{self.frames}x{self.height}x{self.width}"


def _whole(patches: int) -> int:
    try:
        return operator.index(patches)
    except TypeError:
        raise ReorderKitError(
            f"a grid has a whole number of patches in each direction, not {quoted(patches)}",
            "give integers: 224 // 16 is one, 224 / 16 is not",
        ) from None


def _too_many(grid: str) -> ReorderKitError:
    return ReorderKitError(
        f"a grid of {grid} has more than {MOST_PATCHES:,} patches", "use larger patches, or a smaller grid"
    )
