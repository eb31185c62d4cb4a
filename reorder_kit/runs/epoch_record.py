"""The record of each epoch of a run: the lines of its ``metrics.jsonl``."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces.finding import Finding
from reorder_kit.interfaces.progress import Phase
from reorder_kit.machine_failures import naming
from reorder_kit.orders.checksums import DAMAGED, strict_json
from reorder_kit.runs.figures import Figures
from reorder_kit.runs.record import Count, Finite, Record, parse_json
from reorder_kit.whole_file import write_whole


class TrainFigures(Record):
    """Training in an epoch.

    Args:
        loss: the mean over images.
        lr: the step size of the last step.
        parts: the parts of the loss; empty if the task names none.
    """

    loss: Finite
    lr: Finite
    parts: Mapping[str, float] = {}


class EpochOrder(Record):
    """The order at the end of an epoch: the best one, or the consensus if each image has its own.

    Args:
        kendall_tau_to_start: 1 the same order, 0 an unrelated one, -1 the reverse.
        mean_rank_shift: mean number of slots by which a patch moved since the start.
        adjacency: share of consecutive slots whose patches are neighbors in the image.
        kendall_tau_to_last_epoch: Kendall's tau to the order of the previous epoch.
        spread: for a consensus, the mean Kendall distance of the images' orders to it; else None.
        sha256: SHA-256 of the file with the order, in ``orders/``.
    """

    kendall_tau_to_start: Finite
    mean_rank_shift: Finite
    adjacency: Finite
    kendall_tau_to_last_epoch: Finite
    spread: Finite | None = None
    sha256: str = ""


class EpochRecord(Record):
    """A line of ``metrics.jsonl``.

    Args:
        epoch: the epoch, counted from 1.
        phase: the phase of the order in it.
        train: training metrics.
        validation: metrics of the validation split after it.
        order: the order at its end.
        policy: what the policy reports.
        soft_to_hard_gap: the headline with soft permutations minus that with hard orders; None if the policy did not
            mix patches.
        evaluated_images: images read in trials of proposals.
        unreadable: training images that could not be read.
        findings: what was dropped, guessed or converted while reading the others.
        seconds: training time, in seconds.
        images_per_second: training throughput.
    """

    epoch: Annotated[Count, Field(ge=1)]
    phase: Phase
    train: TrainFigures
    validation: Figures
    order: EpochOrder
    policy: Mapping[str, Any]
    soft_to_hard_gap: float | None = None
    evaluated_images: Count = 0
    unreadable: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    seconds: Finite
    images_per_second: Finite

    def scalars(self) -> dict[str, float]:
        """All numbers except per-class ones, by names such as ``validation/top1`` or ``seconds``."""
        return dict(_scalars(self.as_dict()))


def _scalars(line: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in line.items():
        if isinstance(value, dict):
            yield from ((f"{name}/{inner}", number) for inner, number in value.items() if _is_number(number))
        elif name != "epoch" and _is_number(value):
            yield name, value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class MetricsFile:
    """A growing ``metrics.jsonl``, and the checksum of everything written to it.

    Args:
        path: the file, whose content is kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = hashlib.sha256(path.read_bytes() if path.exists() else b"")

    @property
    def digest(self) -> str:
        """The SHA-256 of the file, as written."""
        return self._written.hexdigest()

    def append(self, record: EpochRecord) -> None:
        """Add a line."""
        line = (json.dumps(record.as_dict()) + "\n").encode()
        with naming(self._path), self._path.open("ab") as file:
            file.write(line)
        self._written.update(line)


def read_epochs(path: Path) -> list[EpochRecord]:
    """All epochs of a run, starting with the first.

    Raises:
        ReorderKitError: if the file is missing or damaged, naming the line and the fields.
    """
    return parse_epochs(_lines(path), path)


def parse_epochs(lines: Sequence[bytes], path: Path) -> list[EpochRecord]:
    """The epochs in some lines.

    Args:
        lines: the lines of the file.
        path: the file, for messages.

    Raises:
        ReorderKitError: if a line is damaged, or does not belong to the next epoch.
    """
    records = []
    for number, line in enumerate(lines, start=1):
        source = f"{path}: line {number}"
        record = EpochRecord.parse(parse_json(line, source), source)
        if record.epoch != number:
            raise ReorderKitError(f"{source}: belongs to epoch {record.epoch}", DAMAGED)
        records.append(record)
    return records


def require_first_lines(path: Path, count: int, expected: str | None, source: Path) -> list[EpochRecord]:
    """The first epochs of an unfinished run; later lines are ignored.

    Args:
        path: the file.
        count: the number of epochs.
        expected: the SHA-256 of their lines; None if it is not listed.
        source: the file that lists it.

    Raises:
        ReorderKitError: if the lines have changed since they were written.
    """
    lines = _lines(path)[:count]
    if hashlib.sha256(b"".join(line + b"\n" for line in lines)).hexdigest() != expected:
        raise ReorderKitError(
            f"{path}: its first {count} lines are damaged or from another run: {source} lists a different checksum",
            DAMAGED,
        )
    return parse_epochs(lines, path)


def _lines(path: Path) -> list[bytes]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ReorderKitError(f"{path}: cannot be read: {error.strerror}", DAMAGED) from None
    lines = content.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def cut_after(path: Path, epoch: int) -> None:
    """Cut a file of JSON lines, each with its epoch, after the lines of an epoch; without the file, do nothing.

    A line truncated by a kill is removed, too.
    """
    if not path.exists():
        return
    kept = b"".join(line + b"\n" for line in _lines(path) if _epoch_of(line) <= epoch)
    if kept != path.read_bytes():
        write_whole(path, kept)


def _epoch_of(line: bytes) -> float:
    try:
        epoch = strict_json(line)["epoch"]
    except (ValueError, TypeError, LookupError):
        return math.inf
    return epoch if type(epoch) is int else math.inf
