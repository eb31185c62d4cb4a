"""The fixed orders from which the best one is chosen, and the seeds that are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reorder_kit.studies.paired_scores import common_seeds
from reorder_kit.studies.results import Row


@dataclass(frozen=True)
class FixedPool:
    """The part of a pool that can be compared with an order.

    Args:
        kept: places of the rows that are compared.
        left_out: places of rows with fewer than half of the order's seeds, or without all validation scores.
        seeds: the seeds that the order and all kept rows have. They choose the best order and test it.
    """

    kept: tuple[int, ...]
    left_out: tuple[int, ...]
    seeds: tuple[int, ...]

    @property
    def is_enough(self) -> bool:
        """Whether its best order represents the pool: at least half of the pool is kept, and there are common seeds."""
        return len(self.kept) >= len(self.left_out) and bool(self.seeds)


def fixed_pool(candidate: int, pool: Sequence[int], rows: Sequence[Row]) -> FixedPool:
    """Leave out rows with too few finished runs, so that one such row does not remove the seeds of all others.

    Args:
        candidate: place of the row that is compared with the pool.
        pool: places of fixed rows; at least one.
        rows: the table.
    """
    own = set(rows[candidate].seeds)
    kept = tuple(place for place in pool if 2 * shared(rows[place], own) >= len(own) and has_validation(rows[place]))
    left_out = tuple(place for place in pool if place not in kept)
    return FixedPool(kept, left_out, tuple(common_seeds([rows[candidate], *(rows[place] for place in kept)])))


def shared(row: Row, seeds: set[int]) -> int:
    """How many of the given seeds a row has."""
    return len(seeds & set(row.seeds))


def has_validation(row: Row) -> bool:
    """Whether the row has a validation score for every seed."""
    return len(row.validation) == len(row.seeds)
