"""The layout of a run folder, and the only way to read its content."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.checksums import DAMAGED, digest_of, require_digest
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.runs.checkpoint import Checkpoint
from reorder_kit.runs.checkpoint_facts import FILE
from reorder_kit.runs.data_record import DataRecord, NamedImages
from reorder_kit.runs.encoder_cost import ShareCurve
from reorder_kit.runs.environment import Environment
from reorder_kit.runs.epoch_record import EpochRecord, read_epochs
from reorder_kit.runs.fitted_record import FittedRecord, MeasuredInfluence
from reorder_kit.runs.result import RunResult
from reorder_kit.runs.test_scores import Scores, read_scores
from reorder_kit.runs.validated_record import SearchVerdict, ValidatedRecord


@dataclass(frozen=True)
class RunFolder:
    """The paths in a run folder, which has the same layout for a run and for each of its trained controls.

    Files are only read if they are unchanged: ``result.json`` lists the checksums of a finished run's files, and the
    newest checkpoint those of an unfinished run.
    """

    path: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.path / "recipe.yaml"

    @property
    def plugins(self) -> Path:
        """The available plugins."""
        return self.path / "plugins.json"

    @property
    def data(self) -> Path:
        """The data that was read, and the location of the images' names."""
        return self.path / "data.json"

    @property
    def split_file(self) -> Path:
        """The names of the images of each split, if they are not shared with other runs."""
        return self.path / "split.jsonl.gz"

    @property
    def environment(self) -> Path:
        """Versions, hardware, and the command."""
        return self.path / "environment.json"

    @property
    def metrics(self) -> Path:
        """One line of JSON per epoch."""
        return self.path / "metrics.jsonl"

    @property
    def fitted(self) -> Path:
        """What the task was fitted to, such as a vocabulary."""
        return self.path / "fitted.json"

    @property
    def orders(self) -> Path:
        """The starting order and the order after each epoch."""
        return self.path / "orders"

    @property
    def start_order(self) -> Path:
        """The starting order."""
        return self.orders / "start.json"

    def epoch_order(self, epoch: int) -> Path:
        """The order after an epoch, counted from 1."""
        return self.orders / f"epoch-{epoch:04d}.json"

    def sampled_orders(self, process: int) -> Path:
        """The first order that a process sampled in each epoch."""
        return self.orders / f"sampled-process-{process}.jsonl"

    def tracker(self, name: str) -> Path:
        """The file that records what was sent to a tracker."""
        return self.path / "trackers" / f"{name}.json"

    @property
    def order(self) -> Path:
        """The final order."""
        return self.path / "order.json"

    @property
    def checkpoints(self) -> Path:
        """Checkpoints, one folder each."""
        return self.path / "checkpoints"

    @property
    def result(self) -> Path:
        """The result; it exists only if the run is finished."""
        return self.path / "result.json"

    @property
    def test_scores(self) -> Path:
        """The score of each test image, float32 by image index; it exists only if every image has a score."""
        return self.path / "test_scores.npy"

    @property
    def controls(self) -> Path:
        """The runs of trained controls."""
        return self.path / "controls"

    @property
    def search(self) -> Path:
        """The search, trained separately before the run; it exists only with ``search: validated``."""
        return self.path / "search"

    @property
    def trials(self) -> Path:
        """The short trainings that compared the order of that search with the start."""
        return self.path / "trials"

    @property
    def validated(self) -> Path:
        """The verdict of these trainings."""
        return self.path / "validated.json"

    @property
    def saliency(self) -> Path:
        """The result of ``reorder-kit saliency``, if it was run."""
        return self.path / "saliency.json"

    @property
    def shares(self) -> Path:
        """The result of ``reorder-kit evaluate --keep``, if it was run."""
        return self.path / "shares.json"

    @property
    def is_finished(self) -> bool:
        """Whether the result exists."""
        return self.result.exists()

    def checksums(self) -> tuple[Path, Mapping[str, str]] | None:
        """The file that lists the run's files, and their SHA-256 by name; None before the first checkpoint.

        Raises:
            ReorderKitError: if that file is damaged.
        """
        if self.is_finished:
            return self.result, RunResult.read(self.result).files
        path = self.latest_checkpoint()
        if path is None:
            return None
        checkpoint = Checkpoint.open(path)
        return checkpoint.facts_file, checkpoint.facts.run_files

    def intact(self, file: Path) -> Path:
        """A file of the run, which is unchanged since the run wrote it.

        Args:
            file: a file in the folder.

        Raises:
            ReorderKitError: if it is missing or damaged, or belongs to another run.
        """
        known = self.checksums()
        if known is None:
            return file
        source, listed = known
        return require_digest(file, listed.get(self._name(file)), source)

    def read_result(self) -> RunResult:
        """The result of a finished run.

        Raises:
            ReorderKitError: if it is missing, damaged, has another format, or does not belong to the folder's recipe.
        """
        if not self.is_finished:
            raise ReorderKitError(f"{self.path} does not hold a finished run", self._hint_unfinished())
        result = RunResult.read(self.result)
        require_digest(self.recipe, result.files.get(self.recipe.name), self.result)
        return result

    def _hint_unfinished(self) -> str:
        if self.recipe.exists():
            begun = self._command_of_extension()
            if begun:
                return f"resume it with: {begun}"
            return "resume it with: reorder-kit run RECIPE --resume"
        where = "it is not a run folder" if self.path.is_dir() else "it does not exist"
        return f"{where}: give the folder of a finished run, such as runs/quickstart"

    def _command_of_extension(self) -> str | None:
        """The command that resumes an extension of another run; None if it is not an extension, or unknown."""
        with suppress(ReorderKitError):  # a hint should not raise another error
            words = iter(self.read_environment().command[1:])
            kept: list[str] = []
            for word in words:
                if word == "--out":
                    next(words, None)
                elif word != "--resume" and not word.startswith("--out="):
                    kept.append(word)
            if any(word.partition("=")[0] == "--extend" for word in kept):
                return shlex.join(["reorder-kit", *kept, "--out", str(self.path), "--resume"])
        return None

    def read_environment(self) -> Environment:
        """The run's environment.

        Raises:
            ReorderKitError: if the file is missing or damaged.
        """
        return Environment.read(self.intact(self.environment))

    def read_data(self) -> DataRecord:
        """The record of the data.

        Raises:
            ReorderKitError: if the file is missing or damaged.
        """
        return DataRecord.read(self.intact(self.data))

    def read_validated(self) -> SearchVerdict | None:
        """Whether trials accepted the learned order; None without a validated search.

        Raises:
            ReorderKitError: if the file is damaged.
        """
        return ValidatedRecord.read(self.intact(self.validated)).verdict if self.validated.exists() else None

    def read_names(self, record: DataRecord) -> NamedImages | None:
        """The names of the images; None if they have none.

        Args:
            record: the record of the data.

        Raises:
            ReorderKitError: if the file is missing or damaged, or holds the images of another run.
        """
        if record.split_file is None:
            return None
        file = self.path / record.split_file
        names = NamedImages.read(file)
        if names.digest() != record.split_digest:
            raise ReorderKitError(f"{file}: holds the images of another run", DAMAGED)
        return names

    def read_fitted(self) -> dict[str, Any]:
        """What the task was fitted to.

        Raises:
            ReorderKitError: if the file is missing or damaged.
        """
        return self._read_fitted().fitted

    def read_measured(self) -> list[MeasuredInfluence] | None:
        """Influence that the start's prior measured; None if it measured none.

        Raises:
            ReorderKitError: if the file is missing or damaged.
        """
        return self._read_fitted().measured

    def _read_fitted(self) -> FittedRecord:
        return FittedRecord.read(self.intact(self.fitted))

    def read_start(self) -> Order:
        """The starting order.

        Raises:
            ReorderKitError: if the file is missing or damaged.
        """
        return OrderFile.load(self.intact(self.start_order)).order

    def read_order(self) -> OrderFile:
        """The final order of a finished run.

        Raises:
            ReorderKitError: if the run is not finished, or the file is missing or damaged.
        """
        self.read_result()
        return OrderFile.load(self.intact(self.order))

    def read_epoch_order(self, record: EpochRecord) -> OrderFile:
        """The order at the end of an epoch.

        Args:
            record: the record of the epoch.

        Raises:
            ReorderKitError: if the file is missing, damaged, or belongs to another epoch or run.
        """
        file = self.epoch_order(record.epoch)
        return OrderFile.load(require_digest(file, record.order.sha256 or None, self.metrics))

    def read_epochs(self) -> list[EpochRecord]:
        """The epochs of a finished run.

        Raises:
            ReorderKitError: if the run is not finished, or the file is missing or damaged.
        """
        self.read_result()
        return read_epochs(self.intact(self.metrics))

    def read_test_scores(self) -> Scores | None:
        """The score of each test image; None if not every image has a score.

        Raises:
            ReorderKitError: if the run is not finished, or the file is missing or damaged.
        """
        is_listed = self.test_scores.name in self.read_result().files
        return read_scores(self.intact(self.test_scores)) if is_listed else None

    def read_shares(self) -> ShareCurve | None:
        """The evaluation of a finished run with shares of its order; None if it was not run.

        Raises:
            ReorderKitError: if the file is damaged or belongs to another run.
        """
        if not self.shares.exists():
            return None
        curve = ShareCurve.read(self.shares)
        if curve.checkpoint != self.read_result().checkpoint:
            raise ReorderKitError(
                f"{self.shares}: belongs to another run, or was written before the run was trained again",
                f"remove it, or write it again: reorder-kit evaluate {self.path} --keep 0.5",
            )
        return curve

    @property
    def beside(self) -> dict[str, RunFolder]:
        """The runs of trained controls, by the name of the control."""
        return {
            path.name: RunFolder(path) for path in sorted(self.controls.glob("*")) if RunFolder(path).metrics.exists()
        }

    def latest_checkpoint(self) -> Path | None:
        """The newest complete checkpoint; an unfinished one has another name."""
        complete = [path for path in self.checkpoints.glob("epoch-*") if path.name[6:].isdecimal() and path.is_dir()]
        return max(complete, key=lambda path: int(path.name[6:]), default=None)

    def checkpoint(self) -> Checkpoint | None:
        """The newest complete checkpoint; None if there is none.

        Raises:
            ReorderKitError: if its ``state.json`` is damaged, or it does not belong to the finished run.
        """
        path = self.latest_checkpoint()
        if path is None:
            return None
        if self.is_finished:
            self.intact(path / FILE)
        return Checkpoint.open(path)

    def digests_at_the_start(self) -> dict[str, str]:
        """SHA-256 of the files written before the first epoch, by name."""
        written = (
            self.recipe,
            self.plugins,
            self.data,
            self.environment,
            self.fitted,
            self.start_order,
            self.validated,
        )
        return {self._name(file): digest_of(file) for file in written if file.exists()}

    def digests_at_the_end(self) -> dict[str, str]:
        """SHA-256 of all files that belong to the result, by name.

        Raises:
            ReorderKitError: if the run has no checkpoint, or a file is missing.
        """
        checkpoint = self.checkpoint()
        if checkpoint is None:
            raise ReorderKitError(f"{self.path} has no checkpoint", "train the run again")
        scores = [self.test_scores] if self.test_scores.exists() else []
        beside = [run.result for run in self.beside.values() if run.is_finished]
        written = [self.order, *scores, checkpoint.facts_file, *beside]
        return {**checkpoint.facts.run_files, **{self._name(file): digest_of(file) for file in written}}

    def _name(self, file: Path) -> str:
        return file.relative_to(self.path).as_posix()
