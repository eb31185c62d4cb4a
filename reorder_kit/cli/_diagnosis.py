"""Installed software and hardware, as ``doctor`` shows them."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.ops.selective_scan import choose_backend

PACKAGES = {
    "reorder-kit": "reorder_kit",
    "torch": "torch",
    "torchvision": "torchvision",
    "timm": "timm",
    "accelerate": "accelerate",
    "pluggy": "pluggy",
}
COMPILERS = ("g++", "clang++", "c++", "cl")


@dataclass(frozen=True)
class Kernel:
    """Compiled code that is used if it is installed.

    Args:
        module: the module to import.
        needs_gpu: whether it works on a GPU only.
        remedy: how to install it.
    """

    module: str
    needs_gpu: bool
    remedy: str


KERNELS = {
    "mamba-ssm": Kernel(
        "mamba_ssm",
        needs_gpu=True,
        remedy="pip install --no-build-isolation mamba-ssm (MAMBA_FORCE_BUILD=TRUE: compile, do not download)",
    ),
    "torchsort": Kernel(
        "torchsort",
        needs_gpu=False,
        remedy="pip install --no-build-isolation torchsort, with no nvcc on the PATH unless its CUDA toolkit is whole",
    ),
    "FlexAttention": Kernel(
        "torch.nn.attention.flex_attention",
        needs_gpu=True,
        remedy="part of torch: pip install --upgrade torch",
    ),
}


def diagnose() -> dict[str, Any]:
    """Collect versions, devices, Mamba's scan backend on each device, compiled kernels and plugins."""
    host = PluginHost.from_environment()
    failed = [
        {"name": plugin.name, "distribution": plugin.distribution, "reason": plugin.reason}
        for plugin in host.plugins
        if plugin.status == "failed"
    ]
    statuses = [plugin.status for plugin in host.plugins]
    packages = {name: _package(name, module) for name, module in PACKAGES.items()}
    return {
        "versions": {"python": {"version": platform.python_version(), "problem": None}, **packages},
        "devices": {
            "cpu": {"cores": os.cpu_count(), "torch_threads": torch.get_num_threads()},
            "cuda": torch.version.cuda,
            "gpus": [_gpu(index) for index in range(torch.cuda.device_count())],
        },
        "scan_backends": {device: choose_backend("auto", device) for device in _device_types()},
        "kernels": {**{name: _kernel(kernel) for name, kernel in KERNELS.items()}, "torch.compile": _compiler()},
        "plugins": {"ok": statuses.count("ok"), "blocked": statuses.count("blocked"), "failed": failed},
    }


def _package(name: str, module: str) -> dict[str, str | None]:
    try:
        found = version(name)
    except PackageNotFoundError:
        return {"version": None, "problem": f"pip install {name}"}
    problem = _import_problem(module)
    if problem and name == "torchvision":
        problem += "; torch and torchvision must come from the same index: pip install --force-reinstall both"
    return {"version": found, "problem": problem}


def _gpu(index: int) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(index)
    with torch.cuda.device(index):
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    return {"name": properties.name, "memory_gib": properties.total_memory / 2**30, "has_bf16": has_bf16}


def _device_types() -> list[str]:
    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def _kernel(kernel: Kernel) -> dict[str, Any]:
    if kernel.needs_gpu and not torch.cuda.is_available():
        return {"is_active": False, "note": "used on a GPU only"}
    problem = _import_problem(kernel.module)
    return {"is_active": problem is None, "note": "" if problem is None else f"{problem}; {kernel.remedy}"}


def _compiler() -> dict[str, Any]:
    named = os.environ.get("CXX")
    path = next(filter(None, map(shutil.which, [named] if named else COMPILERS)), None)
    remedy = "no C++ compiler found for train.compile: install g++ or clang, or set CXX"
    return {"is_active": path is not None, "note": path or remedy}


def _import_problem(module: str) -> str | None:
    """The reason why a module cannot be imported; None if it can."""
    try:
        import_module(module)
    except Exception as error:  # an incompatible compiled extension can raise anything
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    return None
