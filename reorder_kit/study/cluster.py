"""Runs of a study as jobs of a cluster, through submitit."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from reorder_kit.errors import ReorderKitError
from reorder_kit.study.training import Training, train

SECONDS_BETWEEN_LOOKS = 1.0


class ClusterTrainers:
    """Jobs that train a run each. To be used as a context; jobs that it leaves behind are cancelled.

    Source: https://github.com/facebookincubator/submitit

    Args:
        logs: folder of what jobs print.
        options: parameters of submitit's AutoExecutor; ``cluster`` says which one: slurm, or local for processes here.
        jobs: how many at a time; None for as many as there are.

    Raises:
        ReorderKitError: if submitit is not installed, or does not know an option.
    """

    def __init__(self, logs: Path, options: Mapping[str, Any], jobs: int | None) -> None:
        try:
            import submitit
        except ImportError:
            raise ReorderKitError("--submit needs submitit", "pip install 'reorder-kit[cluster]'") from None
        parameters = dict(options)
        try:
            self._executor = submitit.AutoExecutor(folder=logs / "%j", cluster=parameters.pop("cluster", None))
            self._executor.update_parameters(**parameters)
        except (ValueError, TypeError, AssertionError, NameError) as error:
            raise ReorderKitError(f"--submit-option: {error}") from None
        self._most = sys.maxsize if jobs is None else jobs
        self._running: list[tuple[Training, Any]] = []

    def __enter__(self) -> ClusterTrainers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, job in self._running:
            job.cancel()

    @property
    def free(self) -> int:
        """How many more may be submitted now."""
        return self._most - len(self._running)

    def start(self, trainings: Sequence[Training]) -> None:
        """Submit some, as one array where the cluster has arrays."""
        with self._executor.batch():
            jobs = [self._executor.submit(train, training) for training in trainings]
        self._running += zip(trainings, jobs, strict=True)

    def wait(self) -> list[tuple[Training, str | None]]:
        """Wait until some have ended."""
        while self._running:
            ended = [(training, job) for training, job in self._running if job.done()]
            if ended:
                self._running = [pair for pair in self._running if pair not in ended]
                return [
                    (training, f"job {job.job_id} ended before the run did; see {job.paths.stderr}")
                    for training, job in ended
                ]
            time.sleep(SECONDS_BETWEEN_LOOKS)
        return []
