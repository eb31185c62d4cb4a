"""A machine that fails during a run: what was lost, which is an epoch at most, and how the run goes on."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reorder_kit.errors import ReorderKitError
from reorder_kit.machine_failures import failure_of_machine
from reorder_kit.runs.run_folder import RunFolder


@contextmanager
def resumable(folder: RunFolder, processes: int, is_part: bool) -> Iterator[None]:
    """Say in words what a full disk, a lost permission or a limit of the system did to a run.

    Args:
        folder: the run folder.
        processes: how many train it.
        is_part: it is a run of a program that goes on with all of its runs, as a study.

    Raises:
        ReorderKitError: instead of an error of the system, or of a library that met one.
    """
    try:
        yield
    except ReorderKitError:
        raise
    except Exception as error:
        failure = failure_of_machine(error, folder.path)
        if failure is None:
            raise
        what = failure.reason if failure.file is None else f"{failure.file}: {failure.reason}"
        again = "then run the same command again" if is_part else _command(folder, processes)
        raise ReorderKitError(
            f"the run stopped: {what}; {_kept(folder, failure.file)}", f"{failure.remedy(folder.path)}; {again}"
        ) from None


def _kept(folder: RunFolder, file: Path | None) -> str:
    """Where the last whole checkpoint is, of the run that was being trained."""
    checkpoint = None
    with suppress(OSError):  # the folder may be what was lost
        checkpoint = _trained(folder, file).latest_checkpoint() or folder.latest_checkpoint()
    return "no epoch had been saved" if checkpoint is None else f"the last whole checkpoint is {checkpoint}"


def _trained(folder: RunFolder, file: Path | None) -> RunFolder:
    """The run itself, or what was trained beside or before it, that a file is of."""
    if file is None:
        return folder
    if file.is_relative_to(folder.search):
        return RunFolder(folder.search)
    for several in (folder.controls, folder.trials):
        if file.is_relative_to(several) and file != several:
            return _trained(RunFolder(several / file.relative_to(several).parts[0]), file)
    return folder


def _command(folder: RunFolder, processes: int) -> str:
    has_begun = False
    with suppress(OSError):
        has_begun = folder.recipe.exists()
    if not has_begun:
        return "then run it again"
    program = "reorder-kit" if processes == 1 else f"torchrun --nproc-per-node {processes} -m reorder_kit"
    words = shlex.join(["run", str(folder.recipe), "--out", str(folder.path), "--resume"])
    return f"then go on with: {program} {words}"
