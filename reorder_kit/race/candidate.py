"""An order in a race, and its trials."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import ConfigDict

from reorder_kit.orders.order import Order

MOST_SEEDS = 1_000
"""The range of trial seeds of a race; seeds of the proof runs come after it."""


@dataclass(frozen=True)
class Candidate:
    """An order in a race.

    Args:
        name: name of the order.
        indices: the patch in each slot.
        patches: number of patches of the grid.
        is_fixed: whether the order comes from a fixed rule.
    """

    name: str
    indices: tuple[int, ...]
    patches: int
    is_fixed: bool = field(default=False)

    __pydantic_config__ = ConfigDict(extra="forbid")

    @classmethod
    def of(cls, name: str, order: Order, is_fixed: bool = False) -> Candidate:
        """Make a candidate from an order."""
        return cls(name, tuple(order.indices.tolist()), order.num_patches, is_fixed)

    @property
    def order(self) -> Order:
        """The order of the candidate."""
        return Order(list(self.indices), self.patches)

    @property
    def key(self) -> str:
        """A text that is the same for equal orders, whatever their names."""
        return hashlib.sha256(json.dumps([self.patches, *self.indices]).encode()).hexdigest()[:12]

    def read(self, reached: Sequence[bool]) -> tuple[int, ...]:
        """The patches in the slots that the model reads; orders with the same patches there are equal to the model.

        Args:
            reached: whether the model reads each slot.
        """
        return tuple(patch for patch, is_read in zip(self.indices, reached, strict=True) if is_read)

    @property
    def root(self) -> str:
        """The name of the pool candidate that it was mutated from; its own name if it is not a mutation."""
        return self.name.partition("~")[0]


@dataclass(frozen=True)
class Trial:
    """A short training of a candidate.

    Args:
        candidate: the candidate.
        number: number of its seed in the race, from 0.
        steps: optimizer steps.
    """

    candidate: Candidate
    number: int
    steps: int

    @property
    def key(self) -> str:
        """Its name in the storage, and the name of its folder."""
        return f"{self.candidate.key}-steps-{self.steps}-seed-{self.number}"

    def __str__(self) -> str:
        return f"{self.candidate.name}, {self.steps} steps, seed {self.number}"


def trial_seed(seed: int, number: int) -> int:
    """The seed with a given number for the trials of a race.

    Args:
        seed: seed of the recipe.
        number: number of the seed, from 0.
    """
    return (seed + 1 + number) % 2**32


def proof_seed(seed: int, number: int) -> int:
    """A seed that no trial of the race uses, for the runs that prove its winner.

    Args:
        seed: seed of the recipe.
        number: number of the seed, from 0.
    """
    return (seed + 1 + MOST_SEEDS + number) % 2**32


def unlike(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Candidates with different orders; of equal ones, the first is kept."""
    found: dict[str, Candidate] = {}
    for candidate in candidates:
        found.setdefault(candidate.key, candidate)
    return list(found.values())
