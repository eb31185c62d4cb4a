"""The options of sparse patterns, and what a pattern shows in sequences of a given length."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from reorder_kit.interfaces.numbers import Seed, Size, Whole
from reorder_kit.layers.transformer_options import TransformerOptions
from reorder_kit.ops.bigbird_pattern import BigBirdPattern, most_random_blocks
from reorder_kit.ops.fixed_pattern import FixedPattern
from reorder_kit.ops.sparse_pattern import SparsePattern
from reorder_kit.ops.strided_pattern import StridedPattern

_OPTIONS_OF = {
    "strided": {"stride"},
    "fixed": {"block", "num_summary"},
    "bigbird": {"block", "window", "num_random", "num_global", "random_seed"},
}


class SparseOptions(TransformerOptions):
    """Options of a transformer with a sparse pattern of attention; options of other patterns are refused."""

    pattern: Literal["strided", "fixed", "bigbird"] = Field("strided", description="which slots see each other")
    stride: Size = Field(
        14, description="for strided: slots seen on each side; slots at multiples of this distance are also seen, slots"
    )
    block: Size = Field(14, description="for fixed and bigbird: length of a block, slots")
    num_summary: Size = Field(1, description="for fixed: last slots of each block, which all slots see; at most block")
    window: Whole = Field(
        1, ge=0, le=65_536, description="for bigbird: blocks seen on each side besides the block itself, blocks"
    )
    num_random: Whole = Field(3, ge=0, le=64, description="for bigbird: random blocks that a block sees, blocks")
    num_global: Whole = Field(
        2, ge=0, le=65_536, description="for bigbird: number of first blocks that see all and are seen by all, blocks"
    )
    random_seed: Seed = Field(
        0, description="for bigbird: seed of the random blocks; the seed of the run does not change them"
    )
    causal: bool = Field(False, description="see only earlier slots")

    def unused(self) -> dict[str, str]:
        """The options of other patterns, and the seed if nothing is drawn."""
        used = _OPTIONS_OF[self.pattern]
        others = set().union(*_OPTIONS_OF.values()) - used
        found = dict.fromkeys(sorted(others), f"the pattern {self.pattern} uses only {', '.join(sorted(used))}")
        if self.pattern == "bigbird" and self.num_random == 0:
            found["random_seed"] = "num_random is 0"
        return super().unused() | found

    @model_validator(mode="after")
    def _summary_fits(self) -> SparseOptions:
        if self.pattern == "fixed" and self.num_summary > self.block:
            raise ValueError(f"num_summary {self.num_summary} is more than the {self.block} slots of a block")
        return self

    def built_pattern(self, num_slots: int, layer: int) -> SparsePattern:
        """The pattern of a block of the network, for sequences of at most ``num_slots``.

        Args:
            num_slots: length of the longest sequence.
            layer: number of the block of the network, from 0: random blocks differ between blocks.
        """
        if self.pattern == "strided":
            return StridedPattern(self.stride)
        if self.pattern == "fixed":
            return FixedPattern(self.block, self.num_summary)
        # No network has that many blocks, so every pair of a seed and a block gives a different seed.
        seed = 1_001 * self.random_seed + layer
        return BigBirdPattern.drawn(self.block, self.window, self.num_random, self.num_global, num_slots, seed)

    def sees_all(self, num_slots: int) -> bool:
        """Whether every slot sees all slots; when causal, all earlier ones."""
        if self.pattern == "strided":
            return self.stride == 1 or self.stride >= num_slots - 1
        if self.pattern == "fixed":
            return self.num_summary == self.block or self.block >= num_slots
        left = most_random_blocks(num_slots, self.block, self.window, self.num_global, self.causal)
        return left <= self.num_random

    def sees_itself_alone(self, num_slots: int) -> bool:
        """Whether no slot sees any other slot."""
        if num_slots == 1:
            return True
        lonely = (self.block, self.window, self.num_random, self.num_global) == (1, 0, 0, 0)
        return self.pattern == "bigbird" and lonely

    def idle(self, num_slots: int) -> dict[str, str]:
        """Options that change nothing in a sequence of this length, with the reason."""
        found = {}
        if self.sees_itself_alone(num_slots):
            found["causal"] = "a slot sees only itself"
        if self.pattern == "bigbird":
            if self.sees_all(num_slots):
                reason = f"every slot sees all {num_slots} slots, as with any larger number"
                found |= dict.fromkeys(("window", "num_random", "num_global"), reason)
                if self.num_random:
                    found["random_seed"] = f"every slot sees all {num_slots} slots, whatever is drawn"
            if self.block >= num_slots:
                found["block"] = f"it holds all {num_slots} slots, as does any longer one"
        elif self.pattern == "strided" and self.stride >= num_slots - 1:
            found["stride"] = f"a slot sees all {num_slots} slots, as with any longer one"
        elif self.pattern == "fixed" and self.block >= num_slots:
            reason = f"a block holds all {num_slots} slots"
            found |= {"block": f"{reason}, as does any longer one", "num_summary": reason}
        return found
