"""Errors for people: what was wrong, where, and what to do about it."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reorder_kit.machine_failures import failure_of_machine

ENCODING_HINT = "set PYTHONUTF8=1, or a locale such as C.UTF-8"
"""What to do if file names cannot contain characters beyond ASCII."""


AS_THEY_WERE = "surrogateescape"
"""The error handler for writing file names that this environment cannot decode: as their original bytes."""

MOST_SHOWN = 100
"""The most characters of a value that a message shows."""
_MOST_NAMES = 50
"""The most names that a hint lists."""


_MOST_OF_A_LINE, _MOST_LINES = 2000, 200
"""The most characters and lines of a message."""


class ReorderKitError(Exception):
    """An expected error: the command line prints its message and hint, and exits with code 2, without a traceback.

    Args:
        message: what was wrong and where.
        hint: what the reader can do about it.
    """

    exit_code = 2

    def __init__(self, message: str, hint: str | None = None) -> None:
        self.message = _readable(message)
        self.hint = None if hint is None else _readable(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n  hint: {self.hint}"


class ReorderKitWarning(UserWarning):
    """Something that is allowed but probably unintended, or was found in the data.

    The functions of the package warn with it, at the line that called them; the command line prints it.
    """


class DivergedError(ReorderKitError):
    """Training cannot continue, because its loss or weights became NaN or infinite."""


class ComponentError(ReorderKitError):
    """A component breaks the contract of its kind, and gives something unusable.

    Args:
        kind: the component's kind, in words: ``order-learner``.
        name: the component's name.
        reason: what it did, in words that can follow a colon.
        hint: what the reader can do about it.
        owner: the plugin that it came with; empty for built-in components.
    """

    def __init__(self, kind: str, name: str, reason: str, hint: str | None = None, owner: str = "") -> None:
        provider = f" ({owner})" if owner else ""
        super().__init__(f"{kind} {name!r}{provider}: {reason}", hint)
        self.kind, self.name, self.reason, self.owner = kind, name, reason, owner

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions are rebuilt from their message alone by default, but loader processes must pass this one on.
        return type(self), (self.kind, self.name, self.reason, self.hint, self.owner)


def _readable(text: str) -> str:
    """A text of readable length: the middle is left out if it repeats a long value of a damaged file."""
    if len(text) <= _MOST_OF_A_LINE:
        return text
    lines = text.split("\n")
    shown = [
        line if len(line) <= _MOST_OF_A_LINE else f"{line[: _MOST_OF_A_LINE // 2]} ... {line[-_MOST_OF_A_LINE // 2 :]}"
        for line in lines[:_MOST_LINES]
    ]
    further = len(lines) - len(shown)
    return "\n".join([*shown, *([f"  ... and {further} more"] if further else [])])


@dataclass(frozen=True)
class Problem:
    """One mistake in a recipe.

    Args:
        path: the field, such as ``order.learner.temperature``; empty for the whole recipe.
        message: what is wrong with it.
        hint: what to write instead.
    """

    path: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return where + self.message + (f" ({self.hint})" if self.hint else "")


class RecipeError(ReorderKitError):
    """All mistakes of a recipe at once."""

    def __init__(self, problems: Sequence[Problem], source: str) -> None:
        self.problems = tuple(problems)
        count = "1 mistake" if len(self.problems) == 1 else f"{len(self.problems)} mistakes"
        super().__init__("\n".join([f"{source}: {count}", *(f"  {problem}" for problem in self.problems)]))


def shortened(text: str, most: int = MOST_SHOWN) -> str:
    """A text for messages; a long one is cut to its beginning and length.

    >>> shortened("a" * 1000, most=30)
    'aaaaaaaaa... (1000 characters)'
    """
    if len(text) <= most:
        return text
    length = f"... ({len(text)} characters)"
    return text[: max(0, most - len(length))] + length


def quoted(value: Any) -> str:
    """A value for messages, as Python writes it, cut to at most 100 characters.

    >>> quoted({"epochs": 3})
    "{'epochs': 3}"
    >>> len(quoted(["a" * 1000] * 1000))
    100
    """
    try:
        text = _BRIEF.repr(value)
    except ValueError:  # Python does not write integers with more than 4,300 digits
        return f"a {type(value).__name__} too long to show"
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."


_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxlong = _BRIEF.maxother = MOST_SHOWN
_BRIEF.maxlist = _BRIEF.maxtuple = _BRIEF.maxset = _BRIEF.maxfrozenset = _BRIEF.maxdict = MOST_SHOWN // 3


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint with the closest known name; if none is close, with all names or the first ones.

    >>> did_you_mean("hilbrt", ["row", "hilbert"])
    "did you mean 'hilbert'?"
    """
    names = sorted(known)
    # The time of a comparison grows with the square of the length, and no real name is that long.
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6) if len(name) <= MOST_SHOWN else []
    if close:
        return f"did you mean {close[0]!r}?"
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"known: {', '.join(names[:_MOST_NAMES])}{more}" if names else "none is known"


def error_of_machine(error: BaseException, folder: Path | None = None) -> ReorderKitError | None:
    """An error that explains a full disk, a lost permission or a system limit; None for any other error.

    Args:
        error: what was raised.
        folder: a folder in which a missing file is the machine's fault, too.
    """
    failure = None if isinstance(error, ReorderKitError) else failure_of_machine(error, folder)
    if failure is None:
        return None
    what = failure.reason if failure.file is None else f"{failure.file}: {failure.reason}"
    return ReorderKitError(what, failure.remedy(folder or Path()))


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Explain why a file could not be written, and what to do about it.

    Args:
        path: the file, or its folder.

    Raises:
        ReorderKitError: in place of an error of the system, or of a library because of one.
    """
    try:
        yield
    except ReorderKitError:
        raise
    except Exception as error:
        folder = path if path.is_dir() else path.parent
        failure = failure_of_machine(error, folder)
        if failure is not None:
            reason = f"{failure.file or path}: cannot be written: {failure.reason}"
            raise ReorderKitError(reason, failure.remedy(folder)) from None
        if not isinstance(error, OSError):
            raise
        raise ReorderKitError(f"{error.filename or path}: cannot be written: {error.strerror or error}") from None
