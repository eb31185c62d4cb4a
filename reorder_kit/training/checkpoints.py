"""Checkpoints: safetensors for weights, JSON for facts, and nothing that could run code when it is loaded."""

from __future__ import annotations

import shutil
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.machine_failures import naming
from reorder_kit.orders.order import load_tensors
from reorder_kit.runs.checkpoint_facts import FILE, CheckpointFacts
from reorder_kit.runs.run_folder import RunFolder


def save_checkpoint(
    folder: RunFolder, weights: dict[str, nn.Module], optimizers: dict[str, object], facts: CheckpointFacts
) -> None:
    """Write a checkpoint and remove the one before it.

    It is written under another name and renamed when complete, so that a kill at any moment leaves a whole one.

    Args:
        folder: the run folder.
        weights: modules by the name of their file: ``model``, ``policy``, ``ema``, ``state``,
            ``evaluated``.
        optimizers: tensors and numbers in plain containers.
        facts: what is known of it besides.
    """
    writing = folder.checkpoints / "unfinished"
    shutil.rmtree(writing, ignore_errors=True)
    writing.mkdir(parents=True)
    for name, module in weights.items():
        tensors = {key: value.detach().cpu().clone().contiguous() for key, value in module.state_dict().items()}
        _write(writing / f"{name}.safetensors", save(tensors))
    torch.save(optimizers, moments := BytesIO())  # torch itself does not say why it cannot write a file
    _write(writing / "optimizers.pt", moments.getvalue())
    facts.write(writing / FILE)
    older = list(folder.checkpoints.glob("epoch-*"))
    writing.rename(folder.checkpoints / f"epoch-{facts.epoch:06d}")
    for checkpoint in older:
        shutil.rmtree(checkpoint)


def _write(file: Path, content: bytes) -> None:
    with naming(file):
        file.write_bytes(content)


def load_checkpoint(path: Path, weights: dict[str, nn.Module]) -> tuple[dict[str, Any], CheckpointFacts]:
    """Put saved weights into modules; return the optimizers' state and the facts.

    Raises:
        ReorderKitError: if the checkpoint has another format, or a part of it cannot be read.
    """
    facts = CheckpointFacts.read(path / FILE)
    for name, module in weights.items():
        module.load_state_dict(load_tensors(path / f"{name}.safetensors"))
    try:
        optimizers = torch.load(path / "optimizers.pt", map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, UnpicklingError) as error:
        reason = str(error).partition(".")[0]  # torch goes on to tell how to load it all the same
        raise ReorderKitError(f"{path / 'optimizers.pt'}: cannot be read: {reason}") from None
    return optimizers, facts
