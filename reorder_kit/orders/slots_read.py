"""How many patches of an image a model reads."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class SlotsRead:
    """Whether an order also selects patches: it does if some patches have no slot, or some slots are not read.

    Args:
        reached: number of slots with a path to the readout; None if patches are ordered again before a later block.
        of: number of slots in use.
        left_out: number of patches without a slot.

    >>> SlotsRead(5, 16).words
    '5 of 16 slots reach the readout'
    >>> SlotsRead(None, 6, left_out=10).words
    'which slots reach the readout is not known, and 10 of 16 patches have no slot'
    """

    reached: int | None
    of: int
    left_out: int = 0

    @property
    def is_selection(self) -> bool:
        """Whether some patches are known not to be read."""
        return self.left_out > 0 or (self.reached is not None and self.reached < self.of)

    @property
    def words(self) -> str:
        """The counts, without a period."""
        said = f"{self.reached} of {self.of} slots reach the readout"
        if self.reached is None:
            said = "which slots reach the readout is not known"
        if not self.left_out:
            return said
        return f"{said}, and {self.left_out} of {self.of + self.left_out} patches have no slot"

    @property
    def clause(self) -> str:
        """The counts, as the start of a sentence."""
        if self.reached is not None and self.reached < self.of and not self.left_out:
            return f"Only {self.words}"
        return f"{self.words[0].upper()}{self.words[1:]}"


def slots_kept(share: float, patches: int) -> int:
    """The number of slots in a share of all patches: rounded to a whole number, halves up, and at least 1.

    Args:
        share: above 0, at most 1.
        patches: number of patches of the grid.

    >>> slots_kept(0.25, 64), slots_kept(0.5, 9), slots_kept(0.01, 16)
    (16, 5, 1)
    """
    return max(1, math.floor(share * patches + 0.5))
