"""Warnings that point at the line of a program that called into the package."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from reorder_kit.errors import ReorderKitWarning

_PACKAGE = __name__.partition(".")[0]


@dataclass(frozen=True)
class Caller:
    """The line of a program at which warnings appear, however deep in the package their cause lies.

    Args:
        file: the program's file.
        line: the line that calls.
        module: the name of its module.
        registry: where Python records which warnings of the module it has shown.
        told: the warnings so far.
    """

    file: str
    line: int
    module: str
    registry: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
    told: list[str] = field(default_factory=list)

    @classmethod
    def here(cls) -> Caller:
        """The line that called into the package."""
        frame: FrameType = sys._getframe(1)
        while _is_own(frame) and frame.f_back is not None:
            frame = frame.f_back
        known = frame.f_globals
        return cls(
            frame.f_code.co_filename,
            frame.f_lineno,
            known.get("__name__") or "<unknown>",
            known.setdefault("__warningregistry__", {}),
        )

    def warn(self, text: str) -> None:
        """Warn once, with :class:`ReorderKitWarning`."""
        if text in self.told:
            return
        self.told.append(text)
        warnings.warn_explicit(text, ReorderKitWarning, self.file, self.line, self.module, self.registry)

    @contextmanager
    def warned_of_logs(self) -> Iterator[None]:
        """Turn the package's logged warnings into Python warnings while the context is active.

        Handlers of the root logger do not get these records meanwhile; otherwise each warning would appear twice.
        """
        handler, logger = _ToWarnings(self), logging.getLogger(_PACKAGE)
        others, without = list(logging.getLogger().handlers), _WithoutWarnings()
        logger.addHandler(handler)
        # Filters rather than the `propagate` flag, because contexts of several threads may end in any sequence.
        for other in others:
            other.addFilter(without)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            for other in others:
                other.removeFilter(without)


class _ToWarnings(logging.Handler):
    def __init__(self, caller: Caller) -> None:
        super().__init__(logging.WARNING)
        self._caller = caller

    def emit(self, record: logging.LogRecord) -> None:
        self._caller.warn(self.format(record))


class _WithoutWarnings(logging.Filter):
    """Drops the package's warnings."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno < logging.WARNING or not _is_of_package(record.name)


def _is_own(frame: FrameType) -> bool:
    return _is_of_package(str(frame.f_globals.get("__name__", "")))


def _is_of_package(name: str) -> bool:
    return name == _PACKAGE or name.startswith(f"{_PACKAGE}.")
