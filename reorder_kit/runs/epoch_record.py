"""What a run wrote down after each epoch: the lines of its ``metrics.jsonl``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces.finding import Finding
from reorder_kit.interfaces.progress import Phase
from reorder_kit.machine_failures import naming
from reorder_kit.runs.figures import Figures
from reorder_kit.runs.record import Record, parse_json
from reorder_kit.whole_file import write_whole


class TrainFigures(Record):
    """Training in an epoch.

    Args:
        loss: the mean over images.
        lr: the step size of the last step.
        parts: the parts of the loss; empty where the task names none.
    """

    loss: float
    lr: float
    parts: Mapping[str, float] = {}


class EpochOrder(Record):
    """The order that an epoch ended with: the best one, or the consensus where each image has its own.

    Args:
        kendall_tau_to_start: 1 the same order, 0 an unrelated one, -1 the reverse.
        mean_rank_shift: by how many slots a patch moved since the start.
        adjacency: share of consecutive slots whose patches are neighbors in the image.
        kendall_tau_to_last_epoch: to the order of the epoch before.
        spread: of a consensus: the mean Kendall distance of the images' orders to it; else None.
    """

    kendall_tau_to_start: float
    mean_rank_shift: float
    adjacency: float
    kendall_tau_to_last_epoch: float
    spread: float | None = None


class EpochRecord(Record):
    """A line of ``metrics.jsonl``.

    Args:
        epoch: which, counted from 1.
        phase: what the order was doing in it.
        train: figures of training.
        validation: figures of the validation split after it.
        order: the order it ended with.
        policy: what the policy tells of itself.
        soft_to_hard_gap: by how much the headline of soft permutations is above that of hard orders; None where the
            policy did not mix patches.
        evaluated_images: images that trials of proposals read.
        unreadable: training images that could not be read.
        findings: what was dropped, guessed or converted in reading the others.
        seconds: of training.
        images_per_second: in training.
    """

    epoch: int
    phase: Phase
    train: TrainFigures
    validation: Figures
    order: EpochOrder
    policy: Mapping[str, Any]
    soft_to_hard_gap: float | None = None
    evaluated_images: int = 0
    unreadable: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    seconds: float
    images_per_second: float

    def append(self, path: Path) -> None:
        """Add the line to a file."""
        with naming(path), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(self.as_dict()) + "\n")


def read_epochs(path: Path) -> list[EpochRecord]:
    """The epochs of a run.

    Raises:
        ReorderKitError: if the file is missing or damaged; it names the line and the fields.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ReorderKitError(f"{path}: cannot be read: {error}") from None
    records = []
    for number, line in enumerate(lines, start=1):
        source = f"{path}: line {number}"
        records.append(EpochRecord.parse(parse_json(line, source), source))
    return records


def cut_after(path: Path, epoch: int) -> None:
    """Cut a file of JSON lines, each with its epoch, after the lines of an epoch; nothing happens without the file.

    A line that a kill cut short goes, too.
    """
    if not path.exists():
        return
    kept = [line for line in path.read_text(encoding="utf-8").splitlines() if _epoch_of(line) <= epoch]
    write_whole(path, "".join(line + "\n" for line in kept))


def _epoch_of(line: str) -> float:
    try:
        return int(json.loads(line)["epoch"])
    except ValueError:
        return float("inf")
