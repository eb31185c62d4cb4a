"""Run folders changed by a test on purpose, with updated checksums."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reorder_kit.orders.checksums import digest_of, with_checksum
from reorder_kit.runs.run_folder import RunFolder


def change(file: Path, **changes: Any) -> None:
    """Change values in a JSON file and update its checksum."""
    change_with(file, lambda content: {**content, **changes})


def change_with(file: Path, changed: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    """Replace the content of a JSON file, with the right checksum."""
    file.write_text(json.dumps(with_checksum(changed(json.loads(file.read_text())))))


def reseal(path: Path) -> None:
    """Update every file list of a run, finished or not, to the current files."""
    folder = RunFolder(path)
    if folder.environment.exists():
        change(folder.environment)
    if folder.data.exists():
        change(folder.data)
    if folder.metrics.exists():
        lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
        for line in lines:
            if folder.epoch_order(line["epoch"]).exists():
                line["order"]["sha256"] = digest_of(folder.epoch_order(line["epoch"]))
        folder.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    checkpoint = folder.latest_checkpoint()
    if checkpoint is not None:
        files = {file.name: digest_of(file) for file in checkpoint.iterdir() if file.name != "state.json"}
        change(checkpoint / "state.json", files=files, run_files=_there(folder))
    for control in folder.controls.glob("*/"):
        reseal(control)
    if folder.result.exists():
        further = [folder.order, folder.test_scores, *(run.result for run in folder.beside.values())]
        facts = [] if checkpoint is None else [checkpoint / "state.json"]
        listed = {str(file.relative_to(path)): digest_of(file) for file in [*further, *facts] if file.exists()}
        change(folder.result, files={**_there(folder), **listed})


def _there(folder: RunFolder) -> dict[str, str]:
    metrics = {folder.metrics.name: digest_of(folder.metrics)} if folder.metrics.exists() else {}
    return {**folder.digests_at_the_start(), **metrics}
