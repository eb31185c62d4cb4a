"""What a run saves after every epoch, and resumes from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from torch import nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import TaskContext
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.training.checkpoints import load_checkpoint, save_checkpoint
from reorder_kit.training.optimization import Optimizers


@dataclass
class SavedState:
    """What a run has got so far, apart from weights and moments.

    Args:
        epochs_done: epochs behind it.
        step: optimizer steps behind it.
        seconds: of training in all.
        images_per_second: of the last epoch.
        validation: figures of the last epoch.
    """

    epochs_done: int = 0
    step: int = 0
    seconds: float = 0.0
    images_per_second: float = 0.0
    validation: dict[str, Any] = field(default_factory=dict)

    def save(
        self,
        folder: RunFolder,
        weights: dict[str, nn.Module],
        optimizers: Optimizers,
        context: TaskContext,
        steps_per_epoch: int,
        processes: int,
    ) -> None:
        """Write a checkpoint."""
        state = {
            "image": asdict(context.image),
            "classes": list(context.classes),
            "step": self.step,
            "steps_per_epoch": steps_per_epoch,
            "seconds": self.seconds,
            "images_per_second": self.images_per_second,
            "validation": self.validation,
            "processes": processes,
        }
        save_checkpoint(folder, self.epochs_done, weights, optimizers.state_dict(), state)

    @classmethod
    def resume(
        cls, folder: RunFolder, weights: dict[str, nn.Module], optimizers: Optimizers, processes: int
    ) -> SavedState:
        """Put the last checkpoint into modules and optimizers; a fresh state if there is none.

        Raises:
            ReorderKitError: if it was written by another number of processes, or cannot be read.
        """
        checkpoint = folder.latest_checkpoint()
        if checkpoint is None:
            return cls()
        moments, state = load_checkpoint(checkpoint, weights)
        if state["processes"] != processes:
            raise ReorderKitError(
                f"{folder.path} was trained on {state['processes']} processes, not {processes}; "
                "its batches and its steps would be others",
                f"resume with torchrun --nproc-per-node {state['processes']}",
            )
        optimizers.load_state_dict(moments)
        return cls(state["epoch"], state["step"], state["seconds"], state["images_per_second"], state["validation"])
