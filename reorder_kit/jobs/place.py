"""Where many runs are trained: in processes of this machine, or as cluster jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reorder_kit.errors import ReorderKitError
from reorder_kit.jobs.cluster import ClusterJobs
from reorder_kit.jobs.engine import Executor
from reorder_kit.jobs.local_processes import LocalProcesses
from reorder_kit.jobs.slots import gpus_of_machine, slots_for
from reorder_kit.recipe.overrides import parse_assignment


@dataclass(frozen=True)
class Place:
    """Where runs are trained.

    Args:
        jobs: number of runs at a time; if None, one per GPU (or one) on this machine, and all on a cluster.
        is_cluster: whether to train as cluster jobs.
        cluster_options: ``NAME=VALUE``, parameters of submitit.
    """

    jobs: int | None = None
    is_cluster: bool = False
    cluster_options: Sequence[str] = ()

    def executor(self, logs: Path, on_gpu: bool) -> Executor[Any]:
        """The executor that trains the runs.

        Args:
            logs: folder for the output of cluster jobs.
            on_gpu: whether some of the runs use a GPU if available.

        Raises:
            ReorderKitError: if the cluster is not available, or an option has no effect.
        """
        if self.is_cluster:
            return ClusterJobs(logs, dict(map(parse_assignment, self.cluster_options)), self.jobs)
        if self.cluster_options:
            raise ReorderKitError("--submit-option has no effect without --submit", "add --submit")
        return LocalProcesses(slots_for(self.jobs, gpus_of_machine() if on_gpu else []))
