"""A checkpoint on disk, whose files are only read if they are unchanged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Self

import torch
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.checksums import DAMAGED, require_digest
from reorder_kit.orders.tensor_file import load_tensors
from reorder_kit.runs.checkpoint_facts import FILE, CheckpointFacts

OPTIMIZERS = "optimizers.pt"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint of a run.

    Args:
        path: its folder.
        facts: the content of its ``state.json``.
    """

    path: Path
    facts: CheckpointFacts

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a checkpoint by its ``state.json``.

        Raises:
            ReorderKitError: if that file is missing, damaged, or from another checkpoint.
        """
        facts = CheckpointFacts.read(path / FILE)
        if path.name != folder_name(facts.epoch):
            raise ReorderKitError(f"{path / FILE}: belongs to the checkpoint of epoch {facts.epoch}", DAMAGED)
        return cls(path, facts)

    @property
    def facts_file(self) -> Path:
        """The file that lists all others."""
        return self.path / FILE

    def holds(self, name: str) -> bool:
        """Whether a file was written with the checkpoint; it may be missing now."""
        return name in self.facts.files

    def intact(self, name: str) -> Path:
        """A file of the checkpoint, which is unchanged since it was written.

        Raises:
            ReorderKitError: if it has changed, or was not written with the checkpoint.
        """
        return require_digest(self.path / name, self.facts.files.get(name), self.facts_file)

    def tensors(self, name: str) -> dict[str, Tensor]:
        """The content of a file of weights.

        Raises:
            ReorderKitError: as in :meth:`intact`.
        """
        return load_tensors(self.intact(name))

    def optimizers(self) -> Any:
        """The state of the optimizers, loaded without executing code.

        Raises:
            ReorderKitError: as in :meth:`intact`; or if it contains anything but tensors, numbers and plain containers.
        """
        file = self.intact(OPTIMIZERS)
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except (OSError, EOFError, RuntimeError, UnpicklingError) as error:
            reason = str(error).partition(".")[0]  # torch also explains how to load it unsafely
            raise ReorderKitError(f"{file}: cannot be read: {reason}", DAMAGED) from None


def folder_name(epoch: int) -> str:
    """The name of a checkpoint's folder."""
    return f"epoch-{epoch:06d}"
