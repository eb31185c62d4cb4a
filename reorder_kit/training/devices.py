"""The device and the precision of a run."""

from __future__ import annotations

import os
from typing import get_args

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from reorder_kit.errors import ReorderKitError, did_you_mean, quoted
from reorder_kit.recipe.settings import TrainSettings
from reorder_kit.training.launch import check_launch


def build_accelerator(settings: TrainSettings) -> Accelerator:
    """One device, or a process group if started by torchrun or accelerate.

    Raises:
        ReorderKitError: if the device or the precision is not available here, or a launcher's variables are incomplete.
    """
    check_launch(os.environ)
    has_gpu = torch.cuda.is_available()
    if settings.device == "cuda" and not has_gpu:
        raise ReorderKitError(
            "train.device: cuda, but torch sees no GPU", "set train.device=auto, or see reorder-kit doctor"
        )
    if settings.device == "mps" and not torch.backends.mps.is_available():
        raise ReorderKitError(
            "train.device: mps, but torch does not support MPS here",
            "set train.device=auto; MPS needs macOS, an Apple GPU, and a build of torch with MPS",
        )
    on_gpu = has_gpu and settings.device not in ("cpu", "mps")
    if settings.precision == "fp16" and not on_gpu:
        raise ReorderKitError("train.precision: fp16 needs a GPU", "set train.precision=fp32 or bf16")
    # Accelerate permanently keeps the first device and precision of a process, but a second run may use others.
    AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
    is_on_cpu = not on_gpu and settings.device != "mps"  # accelerate chooses MPS by default
    return Accelerator(cpu=is_on_cpu, mixed_precision=_mixed_precision(settings.precision, on_gpu))


def runnable_here(settings: TrainSettings) -> TrainSettings:
    """Training settings that work here, so that a run from a GPU can be inspected without one."""
    if torch.cuda.is_available() and settings.device != "mps":
        return settings
    precision = "fp32" if settings.precision == "fp16" else settings.precision
    return settings.model_copy(update={"device": "auto", "precision": precision})


def require_device(device: str) -> None:
    """Check that a recipe can name this device.

    Raises:
        ReorderKitError: if it cannot.
    """
    known = get_args(TrainSettings.model_fields["device"].annotation)
    if device not in known:
        raise ReorderKitError(f"device: {quoted(device)} is unknown", did_you_mean(device, known))


def chosen_device(settings: TrainSettings, device: str | None) -> TrainSettings:
    """Training settings for using a run on a chosen device.

    Args:
        settings: the run's settings.
        device: a value of ``train.device``; None for the run's device, or an available one.

    Raises:
        ReorderKitError: if the value is unknown.
    """
    settings = runnable_here(settings)
    if device is None:
        return settings
    require_device(device)
    # fp16 needs a GPU, and weights that were trained with it can be used with higher precision.
    is_narrow = settings.precision == "fp16" and device not in ("auto", "cuda")
    return settings.model_copy(update={"device": device, **({"precision": "fp32"} if is_narrow else {})})


def _mixed_precision(precision: str, on_gpu: bool) -> str:
    if precision == "auto":
        precision = ("bf16" if torch.cuda.is_bf16_supported() else "fp16") if on_gpu else "fp32"
    return "no" if precision == "fp32" else precision


def describe_device(accelerator: Accelerator) -> str:
    """The device in words: ``2 x cpu, fp32``."""
    kind = accelerator.device.type
    name = torch.cuda.get_device_name(accelerator.device) if kind == "cuda" else kind
    precision = "fp32" if accelerator.mixed_precision == "no" else accelerator.mixed_precision
    count = f"{accelerator.num_processes} x " if accelerator.num_processes > 1 else ""
    return f"{count}{name}, {precision}"
