"""Costly folders for tests that run in several processes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first process to need it fills, while all others wait.

    Args:
        tmp_path_factory: of this process, whose parent all processes share.
        name: of the folder; also that of the other processes' one.
        make: fills a new folder; if it fails, the next process tries again.
    """
    shared = tmp_path_factory.getbasetemp().parent if _is_worker() else tmp_path_factory.getbasetemp()
    folder = shared / name
    with FileLock(shared / f"{name}.lock"):
        if not (shared / f"{name}.made").exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that failed
            folder.mkdir()
            make(folder)
            (shared / f"{name}.made").touch()
    return folder


def _is_worker() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ
