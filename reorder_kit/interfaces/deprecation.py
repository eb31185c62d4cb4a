"""What a release will remove, and what to use instead."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reorder_kit.errors import ReorderKitError, quoted


@dataclass(frozen=True)
class Deprecation:
    """Something still works, but a release will remove it.

    A component sets ``deprecated = Deprecation(instead="ordering boustrophedon", removed_in="0.3")``. A hook has one in
    its specification: ``@hookspec(warn_on_impl=ReorderKitWarning(str(Deprecation(...))))``.

    Args:
        instead: what to use instead.
        removed_in: the release of its package that will no longer have it.

    Raises:
        ReorderKitError: if either is missing or malformed.

    >>> str(Deprecation(instead="ordering boustrophedon", removed_in="0.3"))
    'is deprecated and will be removed in release 0.3; use ordering boustrophedon instead'
    """

    instead: str
    removed_in: str

    def __post_init__(self) -> None:
        if not (isinstance(self.instead, str) and self.instead.strip()):
            raise ReorderKitError("a deprecation does not say what to use", 'write it as in instead="ordering snake"')
        if not (isinstance(self.removed_in, str) and re.fullmatch(r"\d+(\.\d+){1,2}", self.removed_in, re.ASCII)):
            raise ReorderKitError(
                f"a deprecation names {quoted(self.removed_in)} as the release that removes it",
                'write it as in removed_in="0.3"',
            )

    def __str__(self) -> str:
        return f"is deprecated and will be removed in release {self.removed_in}; use {self.instead} instead"
