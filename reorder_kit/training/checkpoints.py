"""Checkpoints: safetensors for weights, JSON for facts, and nothing that could run code when loaded."""

from __future__ import annotations

import shutil
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from reorder_kit.experiment.building import load_module
from reorder_kit.machine_failures import naming
from reorder_kit.orders.checksums import digest_of
from reorder_kit.runs.checkpoint import OPTIMIZERS, Checkpoint, folder_name
from reorder_kit.runs.checkpoint_facts import FILE, CheckpointFacts
from reorder_kit.runs.run_folder import RunFolder

_WRITING = "unfinished"


def save_checkpoint(
    folder: RunFolder, weights: dict[str, nn.Module], optimizers: dict[str, object], facts: CheckpointFacts
) -> None:
    """Write a checkpoint and remove the previous one.

    It is written under another name and renamed when complete, so that a kill at any moment leaves a complete one.

    Args:
        folder: the run folder.
        weights: modules by the name of their file: ``model``, ``policy``, ``ema``, ``state``,
            ``evaluated``.
        optimizers: tensors and numbers in plain containers.
        facts: further facts about it; the checksums of its files are added.
    """
    writing = folder.checkpoints / _WRITING
    shutil.rmtree(writing, ignore_errors=True)
    writing.mkdir(parents=True)
    for name, module in weights.items():
        tensors = {key: value.detach().cpu().clone().contiguous() for key, value in module.state_dict().items()}
        _write(writing / f"{name}.safetensors", save(tensors))
    torch.save(optimizers, moments := BytesIO())  # torch itself does not report why it cannot write a file
    _write(writing / OPTIMIZERS, moments.getvalue())
    files = {path.name: digest_of(path) for path in sorted(writing.iterdir())}
    facts.model_copy(update={"files": files}).write(writing / FILE)
    older = list(folder.checkpoints.glob("epoch-*"))
    writing.rename(folder.checkpoints / folder_name(facts.epoch))
    for checkpoint in older:
        shutil.rmtree(checkpoint)


def _write(file: Path, content: bytes) -> None:
    with naming(file):
        file.write_bytes(content)


def clear_checkpoints(folder: RunFolder) -> None:
    """Remove what a kill left behind: an unfinished checkpoint, and older ones that were being removed."""
    latest = folder.latest_checkpoint()
    for path in [folder.checkpoints / _WRITING, *folder.checkpoints.glob("epoch-*")]:
        if path != latest:
            shutil.rmtree(path, ignore_errors=True)


def load_checkpoint(checkpoint: Checkpoint, weights: dict[str, nn.Module]) -> Any:
    """Load saved weights into modules, and return the optimizers' state.

    Raises:
        ReorderKitError: if a part of the checkpoint is missing or damaged, or belongs to another model.
    """
    for name, module in weights.items():
        load_module(module, checkpoint, f"{name}.safetensors")
    return checkpoint.optimizers()
