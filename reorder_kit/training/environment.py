"""The environment of a run."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from reorder_kit.runs.environment import Environment

PACKAGES = ("reorder-kit", "torch", "torchvision", "timm", "accelerate", "numpy")


def package_version(package: str) -> str | None:
    """The installed version of a package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def describe_environment(device: str) -> Environment:
    """Versions, hardware and the command line."""
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        packages={package: package_version(package) for package in PACKAGES},
        device=device,
        cpu_count=os.cpu_count(),
        torch_threads=torch.get_num_threads(),
        cuda=torch.version.cuda if torch.cuda.is_available() else None,
        command=_command(),
    )


def _command() -> list[str]:
    """The arguments of the process; empty in a notebook, where they belong to its kernel."""
    is_kernel = Path(sys.argv[0]).name in ("ipykernel_launcher.py", "colab_kernel_launcher.py")
    return [] if is_kernel else list(sys.argv)
