"""Check that a run folder is complete: every file exists unchanged, and all belong to the same run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from reorder_kit.analysis.saliency_files import read_saliency
from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.checksums import DAMAGED, require_digest, without_checksum
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.recipe.read_yaml import read_recipe_file
from reorder_kit.runs.checkpoint import Checkpoint
from reorder_kit.runs.checkpoint_facts import FILE
from reorder_kit.runs.data_record import DataRecord
from reorder_kit.runs.environment import Environment
from reorder_kit.runs.epoch_record import EpochRecord, read_epochs, require_first_lines
from reorder_kit.runs.fitted_record import FittedRecord
from reorder_kit.runs.record import parse_json
from reorder_kit.runs.result import RunResult
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.runs.test_scores import read_scores
from reorder_kit.runs.trial_files import RECORD, read_trial
from reorder_kit.runs.validated_record import ValidatedRecord

T = TypeVar("T")


@dataclass(frozen=True)
class FileCheck:
    """The check of one file.

    Args:
        file: the file.
        problem: what is wrong with it; None if it is unchanged.
    """

    file: Path
    problem: str | None = None


def check_run(folder: RunFolder) -> Iterator[FileCheck]:
    """Check every file with a known checksum, of a run and of its controls' runs.

    Args:
        folder: the folder of a finished or stopped run.
    """
    check = _RunCheck(folder)
    yield from check.needed()
    yield from check.others()
    for path in sorted(folder.trials.glob("*/")):
        yield from _check_trial(path)
    for path in [folder.search, *sorted(folder.controls.glob("*/"))]:
        if path.is_dir():
            yield from check_run(RunFolder(path))


def _check_trial(folder: Path) -> Iterator[FileCheck]:
    """Check what a stopped trial resumes from, or the result of a finished trial."""
    if (folder / RECORD).exists():
        yield _look(folder / RECORD, lambda file: read_trial(file.parent))[0]
    else:
        yield from check_run(RunFolder(folder))


def require_resumable(folder: RunFolder) -> None:
    """Refuse to resume a run if a file that it needs for this is missing or damaged.

    Raises:
        ReorderKitError: naming every such file.
    """
    problems = [found.problem for found in _RunCheck(folder).needed() if found.problem is not None]
    if problems:
        raise ReorderKitError("\n".join(problems), DAMAGED)


class _RunCheck:
    """Checks the files of a run one by one.

    Args:
        folder: the run's folder.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._result: RunResult | None = None
        self._checkpoint: Checkpoint | None = None
        self._source, self._listed = folder.path, dict[str, str]()

    def needed(self) -> Iterator[FileCheck]:
        """The files that a run resumes from, and that results are read from."""
        folder = self._folder
        yield from self._roots()
        if not self._listed:  # before the first checkpoint, files have only their own checksums
            yield from (
                _look(folder.path / name, read)[0] for name, read in _READERS.items() if (folder.path / name).exists()
            )
            return
        for name in (file for file in self._listed if file not in (folder.plugins.name, folder.metrics.name)):
            file = folder.path / name
            yield _look(file, partial(self._read, name))[0]
        yield from self._epochs()
        yield from self._names()

    def others(self) -> Iterator[FileCheck]:
        """The files that nothing is computed from."""
        folder = self._folder
        if folder.plugins.name in self._listed:
            yield _look(folder.plugins, lambda _: self._same(folder.plugins))[0]
        if self._result is None:
            return
        for file in sorted(folder.orders.glob("sampled-process-*.jsonl")):
            yield _look(file, _read_sampled)[0]
        if folder.saliency.exists():
            result = self._result
            yield _look(folder.saliency, lambda _: read_saliency(folder, result))[0]
        if folder.shares.exists():
            yield _look(folder.shares, lambda _: folder.read_shares())[0]

    def _roots(self) -> Iterator[FileCheck]:
        """The files that list all others."""
        folder, path = self._folder, self._folder.latest_checkpoint()
        if folder.is_finished:
            found, self._result = _look(folder.result, RunResult.read)
            yield found
        if path is not None:
            found, self._checkpoint = _look(path / FILE, lambda file: Checkpoint.open(file.parent))
            yield found
        if self._checkpoint is not None:
            self._source, self._listed = self._checkpoint.facts_file, dict(self._checkpoint.facts.run_files)
            for name in self._checkpoint.facts.files:
                yield _look(self._checkpoint.path / name, lambda file: self._in_checkpoint(file.name))[0]
        if self._result is not None:
            self._source, self._listed = folder.result, dict(self._result.files)
        needed = [folder.recipe, folder.data, folder.environment, folder.fitted, folder.metrics, folder.start_order]
        for file in [*needed, *([folder.order] if self._result is not None else [])] if self._listed else []:
            if file.relative_to(folder.path).as_posix() not in self._listed:
                yield FileCheck(file, f"{file}: is not listed in {self._source}")

    def _in_checkpoint(self, name: str) -> Path:
        assert self._checkpoint is not None
        return self._checkpoint.intact(name)

    def _same(self, file: Path) -> Path:
        return require_digest(file, self._listed.get(file.relative_to(self._folder.path).as_posix()), self._source)

    def _read(self, name: str, file: Path) -> object:
        """Read an unchanged file, whose content must also be valid."""
        return _READERS.get(name, _nothing)(self._same(file))

    def _epochs(self) -> Iterator[FileCheck]:
        """The lines of metrics, and the orders that they list."""
        folder = self._folder
        found, epochs = _look(folder.metrics, self._read_epochs)
        yield found
        for record in epochs or []:
            yield _look(folder.epoch_order(record.epoch), partial(_read_epoch_order, folder, record))[0]

    def _read_epochs(self, file: Path) -> list[EpochRecord]:
        if self._result is not None:
            epochs = read_epochs(self._same(file))
        else:
            assert self._checkpoint is not None
            expected, count = self._listed.get(file.name), self._checkpoint.facts.epoch
            epochs = require_first_lines(file, count, expected, self._source)
        if self._checkpoint is not None and len(epochs) != self._checkpoint.facts.epoch:
            raise ReorderKitError(
                f"{file}: has {len(epochs)} epochs, but the checkpoint {self._checkpoint.facts.epoch}"
            )
        return epochs

    def _names(self) -> Iterator[FileCheck]:
        """Check the names of the images, and that each test image has a score."""
        folder = self._folder
        record = _look(folder.data, DataRecord.read)[1]
        if record is not None and record.split_file is not None:
            yield _look(folder.path / record.split_file, lambda _: folder.read_names(record))[0]
        scores = _look(folder.test_scores, read_scores)[1] if folder.test_scores.name in self._listed else None
        if record is not None and scores is not None and len(scores) != record.images.get("test"):
            images = record.images.get("test")
            yield FileCheck(folder.test_scores, f"{folder.test_scores}: {len(scores)} scores for {images} test images")


_READERS: Mapping[str, Callable[[Path], object]] = {
    "recipe.yaml": read_recipe_file,
    "data.json": DataRecord.read,
    "environment.json": Environment.read,
    "fitted.json": FittedRecord.read,
    "orders/start.json": OrderFile.load,
    "order.json": OrderFile.load,
    "validated.json": ValidatedRecord.read,
    "test_scores.npy": read_scores,
}


def _look(file: Path, read: Callable[[Path], T]) -> tuple[FileCheck, T | None]:
    """Read a file, and return its check and its content."""
    try:
        return FileCheck(file), read(file)
    except ReorderKitError as error:
        return FileCheck(file, error.message), None


def _nothing(file: Path) -> None:
    """Read nothing: it is enough that the file is unchanged."""


def _read_epoch_order(folder: RunFolder, record: EpochRecord, file: Path) -> OrderFile:
    return folder.read_epoch_order(record)


def _read_sampled(file: Path) -> None:
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise ReorderKitError(f"{file}: cannot be read: {error.strerror}") from None
    for number, line in enumerate(lines, start=1):
        source = f"{file}: line {number}"
        without_checksum(parse_json(line, source), source)
