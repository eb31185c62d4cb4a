"""Units of work as cluster jobs, through submitit."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from reorder_kit.errors import ReorderKitError
from reorder_kit.jobs.work import Ended, Failure, Work, do_work

if TYPE_CHECKING:
    import submitit

W = TypeVar("W", bound=Work)

SECONDS_BETWEEN_LOOKS = 1.0

_DEFAULTS = {"cluster": "slurm", "timeout_min": 24 * 60}  # submitit's own timeout is five minutes


class ClusterJobs(Generic[W]):
    """An executor whose jobs do one unit of work each.

    It is a reusable context. On exit, unfinished jobs are canceled.

    Source: https://github.com/facebookincubator/submitit

    Args:
        logs: folder for the output of jobs, which the cluster must be able to access.
        options: parameters of submitit's AutoExecutor. ``cluster`` names the cluster, slurm if not given; local stands
            for processes of this machine.
        jobs: number of jobs at a time; None for all, or for one on this machine.

    Raises:
        ReorderKitError: if submitit is not installed, the cluster is not available here, or an option is invalid.
    """

    def __init__(self, logs: Path, options: Mapping[str, Any], jobs: int | None) -> None:
        self._logs, self._options = logs, {**_DEFAULTS, **options}
        with TemporaryDirectory() as elsewhere:  # an executor creates its folder at once
            self._executor(Path(elsewhere))
        self._most = jobs or (1 if self._options["cluster"] == "local" else sys.maxsize)
        self._running: list[tuple[W, submitit.Job[tuple[Any, Failure | None]]]] = []

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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        for _, job in self._running:
            job.cancel()
        self._running = []

    @property
    def free(self) -> int:
        """The number of jobs that can be submitted now."""
        return self._most - len(self._running)

    def start(self, work: Sequence[W]) -> None:
        """Submit units of work, as one array if the cluster supports arrays."""
        executor = self._executor(self._logs)
        try:
            with executor.batch():
                jobs = [executor.submit(do_work, each) for each in work]
        except RuntimeError as error:  # includes submitit's FailedJobError and FailedSubmissionError
            raise ReorderKitError(f"--submit: the jobs were not accepted: {error}", "check --submit-option") from None
        self._running += zip(work, jobs, strict=True)

    def wait(self) -> list[Ended[W]]:
        """Wait until some jobs have ended."""
        while self._running:
            ended = [(work, job) for work, job in self._running if job.done()]
            if ended:
                self._running = [pair for pair in self._running if pair not in ended]
                return [_ended(work, job) for work, job in ended]
            time.sleep(SECONDS_BETWEEN_LOOKS)
        return []


def _ended(work: W, job: submitit.Job[tuple[Any, Failure | None]]) -> Ended[W]:
    try:
        outcome, failure = job.result()
    except Exception:  # submitit's error for a job that was killed or timed out
        return Ended(work, failure=Failure(f"job {job.job_id} ended before the run did; see {job.paths.stderr}"))
    return Ended(work, outcome, failure)
