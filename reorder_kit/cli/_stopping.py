"""How a command that trains many runs is stopped: by Ctrl-C, or by SIGTERM as job schedulers and systems do."""

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
    """SIGTERM: handled as Ctrl-C is, apart from the exit code."""


def command_line() -> str:
    """The command, as it was called."""
    return shlex.join(["reorder-kit", *sys.argv[1:]])


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM, too, unwind what a command has begun, so that all its processes end; say how to continue."""
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
