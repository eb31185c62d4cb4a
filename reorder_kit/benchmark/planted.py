"""Run the planted benchmark: train what is missing, and keep finished runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from reorder_kit import __version__
from reorder_kit.benchmark.learner_options import options_by_case
from reorder_kit.benchmark.planted_cases import cases_named
from reorder_kit.benchmark.planted_runs import PlantedOutcome, PlantedRun, planned_runs
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.jobs.engine import Executor, outcomes
from reorder_kit.jobs.ledger import Ledger

DEFAULT_CASE = "chain-16"


def plan_benchmark(
    cases: Iterable[str], learners: Iterable[str], assignments: Iterable[str], seeds: Iterable[int], host: PluginHost
) -> list[PlantedRun]:
    """The runs for cases and learners given by name.

    Args:
        cases: names of cases; empty for the default one.
        learners: names of learners; empty for all.
        assignments: ``LEARNER.OPTION=VALUE``, options to replace.
        seeds: the seeds of the runs.
        host: the plugins.

    Raises:
        ReorderKitError: if a case, learner or option does not exist.
    """
    chosen = cases_named(list(cases) or [DEFAULT_CASE])
    learners = list(learners) or list(host.order_learners)
    options = options_by_case(learners, assignments, [case.name for case in chosen], host)
    return list(planned_runs(chosen, options, seeds))


def run_benchmark(
    runs: Sequence[PlantedRun],
    ledger: Ledger,
    host: PluginHost,
    executor: Executor[PlantedRun],
    tell: Callable[[str], None],
) -> dict[PlantedRun, PlantedOutcome]:
    """Train all runs that are not in the ledger, and return the outcome of every run.

    All recipes are checked before the first run is trained.

    Args:
        runs: all runs.
        ledger: the record of finished runs.
        host: the plugins, which worker processes load again.
        executor: where runs are trained.
        tell: called with a message for each finished run.

    Raises:
        ReorderKitError: if a recipe is invalid, the ledger holds runs with other settings, or a training fails; all
            other runs are finished first.
    """
    settings = {run: run.settings(host) for run in runs}
    noted = {run: ledger.outcome(str(run), settings[run]) for run in runs}
    known = {
        run: PlantedOutcome.parse(outcome, f"{ledger.path}: {run}")
        for run, outcome in noted.items()
        if outcome is not None
    }
    missing = [run for run in runs if run not in known]
    others = ledger.other_versions(map(str, known))
    if others:
        found = ", ".join(sorted(others))
        tell(f"some runs were trained by reorder-kit {found}, not {__version__}: their figures may not be comparable")
    with executor:
        for number, (run, outcome) in enumerate(outcomes(missing, executor), start=1):
            ledger.add(str(run), settings[run], outcome)
            known[run] = PlantedOutcome.parse(outcome, f"{ledger.path}: {run}")
            # No accuracy: people who choose options on validation images must not see test accuracy.
            tell(f"{number}/{len(missing)} {run}: {known[run].seconds:.0f} s")
    return {run: known[run] for run in runs}
