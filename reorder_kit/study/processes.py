"""Runs of a study in parallel processes of one thread each."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol, TypeVar

import torch

from reorder_kit.errors import ReorderKitError
from reorder_kit.plugin_manager import PluginHost

PICTURES = ("events.pictures", "events.tensorboard")
"""Plugins that draw what nobody will look at."""


class Trainable(Protocol):
    """A run that a process can be given."""

    def train(self, host: PluginHost) -> dict[str, Any]:
        """Train it; what came out, as plain data."""
        ...


R = TypeVar("R", bound=Trainable)


def train_all(runs: Sequence[R], jobs: int) -> Iterator[tuple[R, dict[str, Any]]]:
    """Train runs, and give each with its outcome as soon as it is finished.

    Args:
        runs: what to train.
        jobs: processes.

    Raises:
        ReorderKitError: if a training could not go on; all others are finished first.
    """
    failed: ReorderKitError | None = None
    # A fork of a process that has threads may hang.
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_prepare_process)
    try:
        futures = {pool.submit(_train, run): run for run in runs}
        for future in as_completed(futures):
            try:
                outcome = future.result()
            except ReorderKitError as error:
                failed = failed or error
            else:
                yield futures[future], outcome
    except BrokenProcessPool:
        raise ReorderKitError("a training process was killed", "if memory was short, try fewer --jobs") from None
    finally:
        pool.shutdown(cancel_futures=True)
    if failed:
        raise failed


def _prepare_process() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends without a word; the process that speaks is the first one
    os.dup2(2, 1)  # standard output is for results, whatever plugins print while they train
    torch.set_num_threads(1)
    blocked = os.environ.get("REORDER_KIT_BLOCK", "")
    os.environ["REORDER_KIT_BLOCK"] = ",".join([blocked, *PICTURES])


def _train(run: Trainable) -> dict[str, Any]:
    try:
        return run.train(PluginHost.from_environment())
    except ReorderKitError as error:
        raise ReorderKitError(f"{run}: {error.message}", error.hint) from None
