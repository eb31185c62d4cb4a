"""Claims on run folders: one process, or the processes of one torchrun, train in a folder."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.reopening import other_fields
from reorder_kit.machine_failures import failure_of_machine
from reorder_kit.orders.checksums import DAMAGED
from reorder_kit.runs.folder_lock import LOCK, Lock, holds_nothing, is_held
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.whole_file import UNFINISHED
from reorder_kit.writable import require_writable_folder

_log = logging.getLogger(__name__)

ATTEMPTS = 5
"""How often to retry creating a folder that vanishes, because a refused run removes its empty folders."""


@dataclass(frozen=True)
class Claim:
    """A run folder, and the lock that keeps others out of it.

    Args:
        folder: the run folder.
        lock: the held lock; None if the run is finished, so that nothing will be written.
        made: folders that were created for it, the innermost first.
    """

    folder: RunFolder
    lock: Lock | None = None
    made: tuple[Path, ...] = ()

    def end(self) -> None:
        """Release the folder. A run that was refused, or stopped before it wrote anything, leaves no folder behind."""
        if self.lock is None:
            return
        if self.lock.take_over():
            if not self.folder.recipe.exists():
                _clear_leftovers(self.folder)
            self.lock.remove()
        self.lock.close()
        for path in self.made:
            with suppress(OSError):  # it is no longer empty
                path.rmdir()


@contextmanager
def claimed(accelerator: Accelerator, choose: Callable[[], Claim]) -> Iterator[RunFolder]:
    """The run folder that the main process claims for all processes, until the run is over.

    Every process holds it, so that one that outlives a killed torchrun still keeps a resumed run out.

    Args:
        accelerator: the processes.
        choose: claims a folder; called by the main process only.

    Raises:
        ReorderKitError: if no folder can be claimed; every process raises it.
    """
    claim: Claim | None = None
    answer: list[Any] = [None]
    try:
        if accelerator.is_main_process:
            try:
                claim = choose()
                if claim.lock is not None and accelerator.num_processes > 1:
                    claim.lock.share()
                answer = [(claim.folder.path, claim.lock is not None, claim.made)]
            except ReorderKitError as error:
                answer = [error]
        broadcast_object_list(answer)
        if isinstance(answer[0], ReorderKitError):
            raise answer[0]
        if claim is None:
            path, is_locked, made = answer[0]
            claim = Claim(RunFolder(path), Lock(path / LOCK) if is_locked else None, made)
            if claim.lock is not None:
                claim.lock.join()
        yield claim.folder
    finally:
        if claim is not None:
            claim.end()


def claim_new(experiment: Experiment, out: Path | None) -> Claim:
    """The folder of a new run.

    Args:
        experiment: the parts.
        out: an empty or nonexistent folder; the first free one of ``runs/<name>``, ``runs/<name>-2``, ... if not
            given.

    Raises:
        ReorderKitError: if it is not empty, is not writable, or another process has claimed it.
    """
    if out is None:
        return _claim_free(experiment.recipe.name)
    not_empty = ReorderKitError(f"{out} is not an empty folder", "resume with --resume, or give another --out")
    if out.is_file():
        raise not_empty
    require_writable_folder(out)
    made = _make(out)
    if not made and not holds_nothing(out):
        raise _in_use(out) if is_held(out) else not_empty
    claim = _hold(out, made)
    if claim is None:
        raise _in_use(out)
    if not holds_nothing(out):  # another process was faster and is done
        claim.end()
        raise not_empty
    _clear_leftovers(claim.folder)
    return claim


def claim_begun(experiment: Experiment, out: Path | None) -> Claim:
    """The folder of a run to resume; if the run was stopped before it wrote anything, it begins.

    Args:
        experiment: the parts.
        out: the folder; the last one with the run's name if not given.

    Raises:
        ReorderKitError: if it holds no run or another one, is not writable, or another process trains in it.
    """
    out = out or _last_folder(experiment.recipe.name)
    folder = RunFolder(out)
    if not (folder.recipe.exists() or holds_nothing(out)):
        raise ReorderKitError(f"{out} has no run to resume", "run it without --resume")
    claim = Claim(folder) if folder.is_finished else _hold(out)
    if claim is None:
        raise _in_use(out)
    return _same(claim, experiment)


def claim_in_program(experiment: Experiment, folder: Path) -> Claim:
    """The folder that a study or another program uses for a run, which may have begun.

    If a process of an earlier call is still training in it or about to end, wait for it.

    Args:
        experiment: the parts.
        folder: the folder. Its content is removed if it does not hold a run.

    Raises:
        ReorderKitError: if it holds another run or a damaged one, or is not writable.
    """
    run = RunFolder(folder)
    has_ended = run.recipe.exists() and run.is_finished
    claim = Claim(run) if has_ended else _wait_for(folder)
    if not run.recipe.exists():
        if run.is_finished or run.latest_checkpoint() is not None:
            claim.end()
            raise ReorderKitError(f"{run.recipe}: is missing, although the run has been trained", DAMAGED)
        _empty(folder)
    return _same(claim, experiment)


def _wait_for(folder: Path) -> Claim:
    """Hold a folder as soon as no other process does."""
    for attempt in count(1):
        made = _make(folder)
        if attempt > ATTEMPTS and not folder.is_dir():
            raise ReorderKitError(
                f"{folder}: it is not a folder, or lies below a broken link", "remove it, or mount its disk"
            )
        claim = _hold(folder, made)
        if claim is None and folder.is_dir():
            _log.warning("%s: another process is training in it; waiting for its end", folder)
            claim = _hold(folder, made, wait=True)
        if claim is not None:
            return claim
    raise AssertionError("unreachable")


def _same(claim: Claim, experiment: Experiment) -> Claim:
    """The same claim, unless its folder holds another run.

    Raises:
        ReorderKitError: naming the fields that differ.
    """
    folder = claim.folder
    try:
        different = other_fields(folder, experiment.resolved()) if folder.recipe.exists() else []
        if different:
            raise ReorderKitError(
                f"{folder.path} was started with another recipe; these fields differ: {', '.join(different)}",
                "resume with the original recipe, or start over with another --out",
            )
    except BaseException:
        claim.end()
        raise
    if claim.lock is not None:
        _clear_leftovers(folder)
    return claim


def _claim_free(name: str) -> Claim:
    require_writable_folder(Path("runs"))
    for number in count(1):
        path = _numbered(name, number)
        made = _make(path)
        claim = _hold(path, made) if made else None
        if claim is not None:
            return claim
    raise AssertionError("unreachable")


def _numbered(name: str, number: int) -> Path:
    return Path("runs") / (name if number == 1 else f"{name}-{number}")


def _last_folder(name: str) -> Path:
    """The last folder that holds a run; if none does, the last one."""
    numbers = [path.name.removeprefix(f"{name}-") for path in Path("runs").glob(f"{name}-*")]
    there = [1, *sorted(int(number) for number in numbers if number.isdecimal())]
    begun = [number for number in there if RunFolder(_numbered(name, number)).recipe.exists()]
    return _numbered(name, (begun or there)[-1])


def _make(path: Path) -> tuple[Path, ...]:
    """Create a folder, which only one process can do. Returns all created folders, itself first; empty if it exists."""
    missing = [parent for parent in path.parents if not parent.exists()]
    attempt = 1
    while True:
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            return ()
        except OSError as error:
            if not isinstance(error, FileNotFoundError) or attempt == ATTEMPTS:
                raise _unwritable(path, error) from None
            attempt += 1
        else:
            return (path, *missing)


def _hold(path: Path, made: tuple[Path, ...] = (), wait: bool = False) -> Claim | None:
    """Hold a folder; None if another process holds it or has just removed it."""
    lock = Lock(path / LOCK)
    try:
        is_taken = lock.take(wait)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unwritable(path, error) from None
    return Claim(RunFolder(path), lock, made) if is_taken else None


def _clear_leftovers(folder: RunFolder) -> None:
    """Remove files that were left half-written by a kill."""
    for path in folder.path.glob(f"*{UNFINISHED}"):
        with suppress(OSError):
            path.unlink()


def _empty(folder: Path) -> None:
    """Remove everything except the lock: a process was killed before there was anything to resume."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


def _in_use(path: Path) -> ReorderKitError:
    return ReorderKitError(
        f"{path}: another process is training in it", "wait until it is done or stop it, or give another --out"
    )


def _unwritable(path: Path, error: OSError) -> ReorderKitError:
    reason = f"{path}: the run folder is not writable: {error.strerror}"
    failure = failure_of_machine(error, path)
    return ReorderKitError(reason, "give another --out" if failure is None else failure.remedy(path))
