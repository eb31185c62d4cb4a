"""Work as jobs of a cluster, through submitit."""

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
    """Jobs that do a piece of work each.

    A context, which may be entered again. When it is left, the jobs that have not ended are cancelled.

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
        """How many more may be submitted now."""
        return self._most - len(self._running)

    def start(self, work: Sequence[W]) -> None:
        """Submit some, as one array where the cluster has arrays."""
        executor = self._executor(self._logs)
        try:
            with executor.batch():
                jobs = [executor.submit(do_work, each) for each in work]
        except RuntimeError as error:  # submitit's FailedJobError and FailedSubmissionError among them
            raise ReorderKitError(f"--submit: the jobs were not accepted: {error}", "see --submit-option") from None
        self._running += zip(work, jobs, strict=True)

    def wait(self) -> list[Ended[W]]:
        """Wait until some have ended."""
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
    except Exception:  # submitit's, of a job that was killed or has run out of time
        return Ended(work, failure=Failure(f"job {job.job_id} ended before the run did; see {job.paths.stderr}"))
    return Ended(work, outcome, failure)
