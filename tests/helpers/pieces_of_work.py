"""Pieces of work for the tests of processes, which import them by name."""

import multiprocessing
import os
import signal
import time
from dataclasses import dataclass

from reorder_kit.errors import ReorderKitError


@dataclass(frozen=True)
class Piece:
    """Work of a few lines.

    Args:
        name: its name.
        what: name of a method.
        value: its argument.
    """

    name: str
    what: str
    value: object = None

    def __str__(self):
        return self.name

    def train(self, host):
        return getattr(self, self.what)()

    def number(self):
        return int(self.value)

    def refuse(self):
        raise ReorderKitError("it cannot be done", "try something else")

    def end(self):
        os._exit(self.value)

    def signal(self):
        signal.raise_signal(self.value)

    def environment(self):
        return os.environ[self.value]

    def pid(self):
        return os.getpid()

    def cannot_be_pickled(self):
        return lambda: None

    def stay_with_child(self):
        """Say hello, record its own process and that of a child, and stay."""
        print("a plugin says hello", flush=True)
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,), daemon=True)
        child.start()
        self.value.write_text(f"{os.getpid()} {child.pid}\n")
        time.sleep(600)

    def stop(self):
        """Stop like under a debugger: nothing in this process runs anymore."""
        self.value.write_text(f"{os.getpid()}\n")
        os.kill(os.getpid(), signal.SIGSTOP)
