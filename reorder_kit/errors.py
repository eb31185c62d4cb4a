"""Errors that are meant for people: what was wrong, where, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reorder_kit.machine_failures import failure_of_machine

ENCODING_HINT = "set PYTHONUTF8=1, or a locale such as C.UTF-8"
"""What to do where names of files cannot have letters beyond ASCII."""


AS_THEY_WERE = "surrogateescape"
"""How letters of file names that this environment cannot read are written into text files: by the bytes they have."""


_MOST_OF_A_LINE, _MOST_LINES = 2000, 200
"""Letters and lines of a message."""


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


def _readable(text: str) -> str:
    """A text as people can read it: of what repeats a value of a damaged file, the middle is left out."""
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
        path: the field, as in ``order.learner.temperature``; empty for the recipe as a whole.
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
    """Every mistake of a recipe at once."""

    def __init__(self, problems: Sequence[Problem], source: str) -> None:
        self.problems = tuple(problems)
        count = "1 mistake" if len(self.problems) == 1 else f"{len(self.problems)} mistakes"
        super().__init__("\n".join([f"{source}: {count}", *(f"  {problem}" for problem in self.problems)]))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint that names the closest known name, or all of them when none is close.

    >>> did_you_mean("hilbrt", ["row", "hilbert"])
    "did you mean 'hilbert'?"
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(names)}" if names else "there is none"


def error_of_machine(error: BaseException, folder: Path | None = None) -> ReorderKitError | None:
    """What a full disk, a lost permission or a limit of the system is in words; None for any other error.

    Args:
        error: what was raised.
        folder: where a file that is missing is the machine's fault, too.
    """
    failure = None if isinstance(error, ReorderKitError) else failure_of_machine(error, folder)
    if failure is None:
        return None
    what = failure.reason if failure.file is None else f"{failure.file}: {failure.reason}"
    return ReorderKitError(what, failure.remedy(folder or Path()))


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in words why a file could not be written, and what to do about it.

    Args:
        path: the file, or the folder that it is written into.

    Raises:
        ReorderKitError: instead of an error of the system, or of a library that met one.
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
