"""Findings of a pass over a split: unreadable images, and what was converted while reading the others."""

from __future__ import annotations

from accelerate.utils import gather_object

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Batch, Finding, merged

NAMED_IN_MESSAGE = 10


class ReadingLog:
    """Findings of one pass over a split.

    Args:
        limit: the most unreadable images allowed in a pass; None for any number.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._unreadable: dict[str, str] = {}
        self._findings: tuple[Finding, ...] = ()

    def add(self, batch: Batch) -> None:
        """Count the findings of a batch of this process.

        Raises:
            ReorderKitError: above the limit, naming the files.
        """
        self._unreadable |= {image.path: image.reason for image in batch.unreadable}
        self._findings = merged([*self._findings, *batch.findings])
        self._check()

    def gather(self) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
        """The unreadable files of all processes, and the findings about the others.

        Every process must call it.

        Raises:
            ReorderKitError: if there are too many in total, naming the files.
        """
        self._unreadable = dict(sorted(gather_object(list(self._unreadable.items()))))
        self._check()
        self._findings = merged(gather_object(list(self._findings)))
        return tuple(self._unreadable), self._findings

    def describe(self) -> str:
        """The first unreadable files with reasons, one per line."""
        lines = [f"  {path}: {reason}" for path, reason in self._unreadable.items()]
        more = [f"  and {len(lines) - NAMED_IN_MESSAGE} more"] if len(lines) > NAMED_IN_MESSAGE else []
        return "\n".join(lines[:NAMED_IN_MESSAGE] + more)

    def _check(self) -> None:
        if self._limit is not None and len(self._unreadable) > self._limit:
            raise ReorderKitError(
                f"{len(self._unreadable)} images could not be read, more than train.max_unreadable: {self._limit}\n"
                + self.describe(),
                "repair or remove them, or start over with a larger train.max_unreadable; a run with a checkpoint keeps"
                " its images, and has to start over in any case",
            )
