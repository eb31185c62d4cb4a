"""Stopping a command that trains many runs: by Ctrl-C, or by SIGTERM, as job schedulers and systems do."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from reorder_kit.cli._output import print_to_stderr


class Terminated(KeyboardInterrupt):
    """SIGTERM, handled like Ctrl-C except for the exit code."""


def command_line() -> str:
    """The command line as it was entered."""
    return shlex.join(["reorder-kit", *sys.argv[1:]])


@contextmanager
def stoppable() -> Iterator[None]:
    """Unwind the command on SIGTERM as well, so that all its processes end, and print how to continue."""
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except KeyboardInterrupt:
        print_to_stderr(f"finished runs are kept; continue with: {command_line()}")
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated
