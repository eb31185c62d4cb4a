"""The planted benchmark: train what is missing, and keep what was trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reorder_kit import __version__
from reorder_kit.benchmark.planted_runs import PlantedOutcome, PlantedRun
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.jobs.ledger import Ledger
from reorder_kit.jobs.processes import train_all


def run_benchmark(
    runs: Sequence[PlantedRun],
    ledger: Ledger,
    host: PluginHost,
    jobs: int,
    tell: Callable[[str], None],
) -> dict[PlantedRun, PlantedOutcome]:
    """What came out of every run; those that are in the ledger are not trained again.

    Every recipe is checked before the first is trained.

    Args:
        runs: all of them.
        ledger: where finished runs are noted.
        host: the plugins, which the processes load anew.
        jobs: processes of one thread each.
        tell: is told of every run that finishes.

    Raises:
        ReorderKitError: if a recipe is wrong, the ledger holds runs of other settings, or a training cannot go on.
    """
    settings = {run: run.settings(host) for run in runs}
    noted = {run: ledger.outcome(str(run), settings[run]) for run in runs}
    outcomes = {run: PlantedOutcome.parse(outcome, str(run)) for run, outcome in noted.items() if outcome is not None}
    missing = [run for run in runs if run not in outcomes]
    others = ledger.other_versions(map(str, outcomes))
    if others:
        found = ", ".join(sorted(others))
        tell(f"some runs were trained by reorder-kit {found}, this is {__version__}: their figures may not compare")
    for number, (run, outcome) in enumerate(train_all(missing, jobs), start=1):
        ledger.add(str(run), settings[run], outcome)
        outcomes[run] = PlantedOutcome.parse(outcome, str(run))
        # No accuracy: whoever chooses options on validation images shall not see that of test images.
        tell(f"{number}/{len(missing)} {run}: {outcomes[run].seconds:.0f} s")
    return {run: outcomes[run] for run in runs}
