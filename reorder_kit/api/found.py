"""Warnings about what a run finds while reading its images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_kit.cli._run_progress import describe_unreadable
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Finding, merged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reorder_kit.caller import Caller
    from reorder_kit.interfaces.run_events import RunInfo
    from reorder_kit.runs.epoch_record import EpochRecord
    from reorder_kit.runs.result import RunResult


class FindingWarnings:
    """Follows runs and warns of each finding once across all runs and splits.

    Args:
        caller: the caller at whose line the warnings appear.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._reported: set[str] = set()

    @hookimpl
    def epoch_finished(self, run: RunInfo, record: EpochRecord) -> None:
        """Warn of unreadable images and of findings about the others."""
        self._warn_of_unreadable(run, [*record.unreadable, *record.validation.unreadable])
        self._warn_of(run, merged([*record.findings, *record.validation.findings]))

    @hookimpl
    def run_finished(self, run: RunInfo, result: RunResult) -> None:
        """The same for test images."""
        self._warn_of_unreadable(run, result.metrics.test.unreadable)
        self._warn_of(run, result.metrics.test.findings)

    def _warn_of_unreadable(self, run: RunInfo, names: Iterable[str]) -> None:
        new = [name for name in dict.fromkeys(names) if name not in self._reported]
        if new:
            self._reported.update(new)
            self._caller.warn(f"{run.name}: {describe_unreadable(new)}")

    def _warn_of(self, run: RunInfo, findings: Iterable[Finding]) -> None:
        for finding in findings:
            if finding.what not in self._reported:
                self._reported.add(finding.what)
                self._caller.warn(f"{run.name}: {finding}")
