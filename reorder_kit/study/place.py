"""Where the runs of a study are trained: in processes of this machine, or as jobs of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reorder_kit.errors import ReorderKitError
from reorder_kit.jobs.cluster import ClusterJobs
from reorder_kit.jobs.engine import Executor
from reorder_kit.jobs.local_processes import LocalProcesses
from reorder_kit.jobs.slots import gpus_of_machine, slots_for
from reorder_kit.recipe.overrides import parse_assignment
from reorder_kit.study.cell_run import CellRun
from reorder_kit.study.checking import CheckedStudy
from reorder_kit.study.study_folder import StudyFolder


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

    def executor(self, checked: CheckedStudy, folder: StudyFolder) -> Executor[CellRun]:
        """What trains the runs of a study.

        Raises:
            ReorderKitError: if there is no such cluster, or an option means nothing.
        """
        if self.is_cluster:
            return ClusterJobs[CellRun](folder.jobs, dict(map(parse_assignment, self.cluster_options)), self.jobs)
        if self.cluster_options:
            raise ReorderKitError("--submit-option means nothing without --submit", "add --submit")
        return LocalProcesses[CellRun](slots_for(self.jobs, gpus_of_machine() if checked.on_gpu else []))
