"""Where many runs are trained: in processes of this machine, or as jobs of a cluster."""

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
        jobs: how many at a time; if None, on this machine one for each GPU or one, on a cluster all.
        is_cluster: as jobs of a cluster.
        cluster_options: ``NAME=VALUE``, parameters of submitit.
    """

    jobs: int | None = None
    is_cluster: bool = False
    cluster_options: Sequence[str] = ()

    def executor(self, logs: Path, on_gpu: bool) -> Executor[Any]:
        """What trains the runs.

        Args:
            logs: folder of what jobs of a cluster print.
            on_gpu: whether some of the runs use a GPU where there is one.

        Raises:
            ReorderKitError: if there is no such cluster, or an option means nothing.
        """
        if self.is_cluster:
            return ClusterJobs(logs, dict(map(parse_assignment, self.cluster_options)), self.jobs)
        if self.cluster_options:
            raise ReorderKitError("--submit-option means nothing without --submit", "add --submit")
        return LocalProcesses(slots_for(self.jobs, gpus_of_machine() if on_gpu else []))
