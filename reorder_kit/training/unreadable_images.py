"""Images that could not be read: counted, named, and the end of a run when there are too many."""

from __future__ import annotations

from collections.abc import Iterable

from accelerate.utils import gather_object

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Unreadable

NAMED_IN_MESSAGE = 10


class UnreadableImages:
    """The unreadable images of one pass over a split.

    Args:
        limit: how many a pass bears with; None for any number.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._found: dict[str, str] = {}

    def add(self, unreadable: Iterable[Unreadable]) -> None:
        """Count some of this process.

        Raises:
            ReorderKitError: above the limit, naming the files.
        """
        self._found |= {image.path: image.reason for image in unreadable}
        self._check()

    def gather(self) -> list[str]:
        """The files that no process could read. Every process has to call it.

        Raises:
            ReorderKitError: if they are too many together, naming the files.
        """
        self._found = dict(sorted(gather_object(list(self._found.items()))))
        self._check()
        return list(self._found)

    def describe(self) -> str:
        """The first files, each with the reason, a line each."""
        lines = [f"  {path}: {reason}" for path, reason in self._found.items()]
        more = [f"  and {len(lines) - NAMED_IN_MESSAGE} more"] if len(lines) > NAMED_IN_MESSAGE else []
        return "\n".join(lines[:NAMED_IN_MESSAGE] + more)

    def _check(self) -> None:
        if self._limit is not None and len(self._found) > self._limit:
            raise ReorderKitError(
                f"{len(self._found)} images could not be read, more than train.max_unreadable: {self._limit}\n"
                + self.describe(),
                "repair or remove them, or start again with a larger train.max_unreadable",
            )
