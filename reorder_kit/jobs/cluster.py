"""Runs of a study as jobs of a cluster, through submitit."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any

from reorder_kit.errors import ReorderKitError
from reorder_kit.jobs.training import Training, train

if TYPE_CHECKING:
    import submitit

SECONDS_BETWEEN_LOOKS = 1.0

_DEFAULTS = {"cluster": "slurm", "timeout_min": 24 * 60}  # submitit's own timeout is five minutes


class ClusterTrainers:
    """Jobs that train a run each. To be used as a context; jobs that it leaves behind are cancelled.

    Source: https://github.com/facebookincubator/submitit

    Args:
        logs: folder of what jobs print, which the cluster has to see.
        options: parameters of submitit's AutoExecutor. ``cluster`` says which one, slurm if it is not given; local is
            for processes of this machine.
        jobs: how many at a time; None for all, and for one on this machine.

    Raises:
        ReorderKitError: if submitit is not installed, there is no such cluster here, or an option is wrong.
    """

    def __init__(self, logs: Path, options: Mapping[str, Any], jobs: int | None) -> None:
        self._logs, self._options = logs, {**_DEFAULTS, **options}
        with TemporaryDirectory() as elsewhere:  # an executor makes its folder at once
            self._executor(Path(elsewhere))
        self._most = jobs or (1 if self._options["cluster"] == "local" else sys.maxsize)
        self._running: list[tuple[Training, submitit.Job[None]]] = []

    def _executor(self, logs: Path) -> submitit.AutoExecutor:
        try:
            import submitit
        except ImportError:
            raise ReorderKitError("--submit needs submitit", "pip install 'reorder-kit[cluster]'") from None
        parameters = dict(self._options)
        cluster = parameters.pop("cluster")
        try:
            executor = submitit.AutoExecutor(folder=logs / "%j", cluster=cluster)
            executor.update_parameters(**parameters)
        except RuntimeError as error:
            raise ReorderKitError(f"--submit: {error}", "train on this machine with --jobs N") from None
        except (ValueError, TypeError, AssertionError, NameError) as error:
            raise ReorderKitError(f"--submit-option: {error}") from None
        return executor

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
        executor = self._executor(self._logs)
        try:
            with executor.batch():
                jobs = [executor.submit(train, training) for training in trainings]
        except RuntimeError as error:  # submitit's FailedJobError and FailedSubmissionError among them
            raise ReorderKitError(f"--submit: the jobs were not accepted: {error}", "see --submit-option") from None
        self._running += zip(trainings, jobs, strict=True)

    def wait(self) -> list[tuple[Training, str | None]]:
        """Wait until some have ended."""
        while self._running:
            ended = [(training, job) for training, job in self._running if job.done()]
            if ended:
                self._running = [pair for pair in self._running if pair not in ended]
                return [(training, _reason(job)) for training, job in ended]
            time.sleep(SECONDS_BETWEEN_LOOKS)
        return []


def _reason(job: submitit.Job[None]) -> str:
    """Why a run is not finished, if neither it is nor its folder says why."""
    return f"job {job.job_id} ended before the run did; see {job.paths.stderr}"
