"""Released weights: reading a file without running code in it, and loading it into a module."""

from __future__ import annotations

import argparse
import logging
import pickle
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Finding
from reorder_kit.orders.tensor_file import load_tensors

MOST_BYTES = 32 * 2**30
"""Size limit of a file with weights; a checkpoint of a billion parameters with its optimizer state is smaller."""
_WHERE = ("model_ema", "state_dict_ema", "model", "state_dict")
"""Where checkpoints keep their weights; averaged ones first, because they are the published ones."""
_MOST_NAMES = 5
_STARTS = (b"PK\x03\x04", b"\x80\x02")
"""First bytes of files written by torch, today and before 1.6; other pickles are not from torch."""
_WRAPPERS = ("module.", "_orig_mod.")
"""Prefixes that torch adds to names in models that it compiles or runs on several devices."""

_log = logging.getLogger(__name__)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the weights in a safetensors file, or in a checkpoint of torch, under their names in the file.

    Nothing in the file is run: a checkpoint may hold tensors, plain values and the settings of a command line. From one
    that holds more than weights, the first of ``model_ema``, ``state_dict_ema``, ``model`` and ``state_dict`` is used.

    Raises:
        ReorderKitError: if the file is missing, too large, damaged, holds other objects, or holds no weights.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ReorderKitError(f"{path}: cannot be read: {error.strerror or error}", "give a file of weights") from None
    if size > MOST_BYTES:
        raise ReorderKitError(
            f"{path}: {size / 2**30:.0f} GiB are too much for a file of weights", "save only the weights"
        )
    found: Any = load_tensors(path) if path.suffix.lower() == ".safetensors" else _of_torch(path)
    if isinstance(found, Mapping):
        found = next((found[name] for name in _WHERE if isinstance(found.get(name), Mapping)), found)
    if not isinstance(found, Mapping) or not found:
        raise ReorderKitError(f"{path}: holds no weights by name", "give a state dict, or a checkpoint that holds one")
    others = [str(name) for name, value in found.items() if not isinstance(value, Tensor)]
    if others:
        raise ReorderKitError(f"{path}: {_some(others)} is not a tensor", "give a state dict, or a checkpoint of one")
    odd = [str(name) for name, value in found.items() if value.layout != torch.strided or value.is_meta]
    if odd:
        raise ReorderKitError(f"{path}: {_some(odd)} is sparse or has no values", "save dense tensors")
    return {_without_wrappers(str(name)): value for name, value in found.items()}


def require_numbers(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Refuse weights that are not finite floating-point numbers.

    Args:
        path: path of the file, for messages.
        weights: the weights by their names in the file.

    Raises:
        ReorderKitError: if some are not.
    """
    others = sorted(name for name, value in weights.items() if not value.is_floating_point())
    if others:
        kind = str(weights[others[0]].dtype).removeprefix("torch.")
        raise ReorderKitError(
            f"{path}: {len(others)} of its weights are not floating-point numbers ({_some(others)}: {kind})",
            "give weights that are not quantized",
        )
    broken = sorted(name for name, value in weights.items() if not value.float().isfinite().all())
    if broken:
        raise ReorderKitError(
            f"{path}: {len(broken)} of its weights are not finite ({_some(broken)})",
            "use weights of a training that did not diverge",
        )


def _without_wrappers(name: str) -> str:
    while name.startswith(_WRAPPERS):
        name = name.partition(".")[2]
    return name


def _of_torch(path: Path) -> object:
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if not start.startswith(_STARTS):
            raise ValueError("it does not begin like one")
        # The result of argparse holds no code, and is in many checkpoints.
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ReorderKitError(
            f"{path}: holds objects besides tensors and plain values, which could run code, or is damaged",
            "if you trust it, load it with torch.load and save its weights with safetensors.torch.save_file",
        ) from None
    except Exception as error:  # a damaged pickle can raise any exception
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> ReorderKitError:
    first = (str(error) or type(error).__name__).partition("\n")[0]
    return ReorderKitError(f"{path}: cannot be read as a checkpoint of torch: {first}", "fetch the file again")


def fill(
    module: nn.Module,
    path: Path,
    weights: Mapping[str, Tensor],
    names: Mapping[str, str],
    made: Mapping[str, Tensor],
    used: Collection[str] = (),
    left_out: Collection[str] = (),
) -> None:
    """Load released weights into a module; warnings count those that are left out or keep their starting values.

    Args:
        module: the module.
        path: path of the file, for messages.
        weights: the weights in the file.
        names: for each weight of the module that is in the file, its name there.
        made: other weights of the module, computed from some in the file.
        used: names of the weights that these were computed from.
        left_out: names in the file that belong to no backbone.

    Raises:
        ReorderKitError: if weights are missing, unexpected, of another shape, or not finite floating-point numbers.
    """
    own = module.state_dict()
    missing = sorted({name for name in names.values() if name not in weights})
    unexpected = sorted(weights.keys() - set(names.values()) - set(used) - set(left_out))
    given = {name: weights[released] for name, released in names.items() if released in weights} | dict(made)
    shapes = sorted(
        f"{names.get(name, name)} is {_shape(value)} and not {_shape(own[name])}"
        for name, value in given.items()
        if value.shape != own[name].shape
    )
    found = [
        *([f"{len(missing)} missing ({_some(missing)})"] if missing else []),
        *([f"{len(unexpected)} unexpected ({_some(unexpected)})"] if unexpected else []),
        *([f"{len(shapes)} of another shape ({_some(shapes)})"] if shapes else []),
    ]
    if found:
        raise ReorderKitError(
            f"{path}: the weights belong to another model: {', '.join(found)}",
            "set size (or dim and depth), patch_size, positions and readout as in the released model",
        )
    sources = [*names.values(), *used]
    require_numbers(path, {name: weights[name] for name in sources if name in weights})
    module.load_state_dict(given, strict=False)
    kept = sorted(own.keys() - given.keys())
    _report(path, "weights that belong to no backbone, left out", [name for name in weights if name in set(left_out)])
    _report(path, "weights that are not in the file and keep their start", kept)


def _report(path: Path, what: str, names: list[str]) -> None:
    if names:
        _log.warning("%s: %s", path, Finding(what, len(names), names[0]))


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"


def _some(names: list[str]) -> str:
    further = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {further} more" if further > 0 else "")
