"""Machine failures during a run: what was lost (at most an epoch), and how to resume the run."""

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
    """Explain how a full disk, a lost permission or a system limit affected a run.

    Args:
        folder: the run folder.
        processes: the number of training processes.
        is_part: whether it is part of a program that resumes all of its runs, such as a study.

    Raises:
        ReorderKitError: in place of an error of the system, or of a library because of one.
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
    """The last complete checkpoint of the run that was being trained, in words."""
    checkpoint = None
    with suppress(OSError):  # the folder may be what was lost
        checkpoint = _trained(folder, file).latest_checkpoint() or folder.latest_checkpoint()
    return "no epoch had been saved" if checkpoint is None else f"the last complete checkpoint is {checkpoint}"


def _trained(folder: RunFolder, file: Path | None) -> RunFolder:
    """The run that a file belongs to: the run itself, one of its controls, or its search."""
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
    return f"then resume with: {program} {words}"
