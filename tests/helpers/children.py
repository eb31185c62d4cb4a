"""Processes that tests start, to kill them or to run several at once."""

import importlib
import multiprocessing
import os
import socket
import sys
import time

from reorder_kit.host.builtin import MODULES


class Children:
    """Processes forked from one that has already imported everything, so they start immediately.

    Args:
        folder: holds the module.
        module: the functions that they call.
    """

    def __init__(self, folder, module):
        sys.path.insert(0, str(folder))
        self._module = module
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([*MODULES, "reorder_kit.api.running", "reorder_kit.tasks._accuracies"])

    def start(self, function, *arguments, **options):
        target = getattr(importlib.import_module(self._module), function)
        process = self._context.Process(target=target, args=arguments, kwargs=options)
        process.start()
        return process

    def finish(self, *processes):
        """Wait for processes that should succeed."""
        for process in processes:
            process.join(120)
            assert process.exitcode == 0

    def train(self, recipe, out, **options):
        self.finish(self.start("train", recipe, str(out), **options))

    def start_group(self, function, *arguments, **options):
        """Two processes that know of each other."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        return [
            self.start(function, *arguments, process=process, processes=2, port=port, **options) for process in range(2)
        ]

    def train_group(self, recipe, out, **options):
        self.finish(*self.start_group("train", recipe, str(out), **options))


def wait_for_lines(path, count, seconds=120):
    """Wait until a file has this many lines."""
    until = time.monotonic() + seconds
    while not path.exists() or path.read_text().count("\n") < count:
        assert time.monotonic() < until, f"{path} has not {count} lines"
        time.sleep(0.01)


def join_group(process, processes, port):
    """What torchrun does for a process."""
    number, count = str(process), str(processes)
    os.environ.update(RANK=number, LOCAL_RANK=number, WORLD_SIZE=count, LOCAL_WORLD_SIZE=count)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
