"""The state that a run saves after every epoch and resumes from."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import TaskContext
from reorder_kit.runs.checkpoint import OPTIMIZERS
from reorder_kit.runs.checkpoint_facts import CheckpointFacts
from reorder_kit.runs.figures import Figures
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.training.checkpoints import load_checkpoint, save_checkpoint
from reorder_kit.training.optimization import Optimizers
from reorder_kit.training.run_check import require_resumable


@dataclass
class SavedState:
    """The state of a run, apart from weights and moments.

    Args:
        epochs_done: epochs completed.
        step: optimizer steps completed.
        seconds: training time so far, in seconds.
        images_per_second: throughput in the last epoch.
        validation: metrics of the last epoch; None before the first.
        run_files: SHA-256 of the files written into the run folder, by name, as listed in
            :class:`~reorder_kit.runs.checkpoint_facts.CheckpointFacts`.
    """

    epochs_done: int = 0
    step: int = 0
    seconds: float = 0.0
    images_per_second: float = 0.0
    validation: Figures | None = None
    run_files: dict[str, str] = field(default_factory=dict)

    def save(
        self,
        folder: RunFolder,
        weights: dict[str, nn.Module],
        optimizers: Optimizers,
        context: TaskContext,
        steps_per_epoch: int,
        processes: int,
    ) -> None:
        """Write a checkpoint after an epoch."""
        assert self.validation is not None
        facts = CheckpointFacts(
            epoch=self.epochs_done,
            image=context.image,
            classes=list(context.classes),
            step=self.step,
            steps_per_epoch=steps_per_epoch,
            seconds=self.seconds,
            images_per_second=self.images_per_second,
            validation=self.validation,
            processes=processes,
            run_files=self.run_files,
        )
        save_checkpoint(folder, weights, optimizers.state_dict(), facts)

    @classmethod
    def resume(
        cls, folder: RunFolder, weights: dict[str, nn.Module], optimizers: Optimizers, processes: int
    ) -> SavedState:
        """Load the last checkpoint into modules and optimizers; a fresh state if there is none.

        Raises:
            ReorderKitError: if it was written by another number of processes, or a file that the run resumes from is
                missing or damaged.
        """
        checkpoint = folder.checkpoint()
        if checkpoint is None:
            return cls()
        facts = checkpoint.facts
        if facts.processes != processes:
            raise ReorderKitError(
                f"{folder.path} was trained with {facts.processes} processes, not {processes}; "
                "its batches and steps would change",
                f"resume with torchrun --nproc-per-node {facts.processes}",
            )
        require_resumable(folder)
        moments = load_checkpoint(checkpoint, weights)
        try:
            optimizers.load_state_dict(moments)
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            raise ReorderKitError(f"{checkpoint.path / OPTIMIZERS}: belongs to another optimizer: {error}") from None
        return cls(
            facts.epoch, facts.step, facts.seconds, facts.images_per_second, facts.validation, dict(facts.run_files)
        )
