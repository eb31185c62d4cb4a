"""A checkpoint on disk: no file of it is read that is not as it was written."""

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
        facts: what it says of itself.
    """

    path: Path
    facts: CheckpointFacts

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read what a checkpoint says of itself.

        Raises:
            ReorderKitError: if that is missing or damaged, or is that of another checkpoint.
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
        """Whether a file was written with it; it may be gone."""
        return name in self.facts.files

    def intact(self, name: str) -> Path:
        """A file of the checkpoint that is as it was written.

        Raises:
            ReorderKitError: if it is not, or was not written with the checkpoint.
        """
        return require_digest(self.path / name, self.facts.files.get(name), self.facts_file)

    def tensors(self, name: str) -> dict[str, Tensor]:
        """The content of a file of weights.

        Raises:
            ReorderKitError: as :meth:`intact`.
        """
        return load_tensors(self.intact(name))

    def optimizers(self) -> Any:
        """The state of the optimizers, from which no code is loaded.

        Raises:
            ReorderKitError: as :meth:`intact`; or if it holds anything but tensors, numbers and plain containers.
        """
        file = self.intact(OPTIMIZERS)
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except (OSError, EOFError, RuntimeError, UnpicklingError) as error:
            reason = str(error).partition(".")[0]  # torch goes on to tell how to load it all the same
            raise ReorderKitError(f"{file}: cannot be read: {reason}", DAMAGED) from None


def folder_name(epoch: int) -> str:
    """What the folder of a checkpoint is called."""
    return f"epoch-{epoch:06d}"
