"""The planted benchmark: train what is missing, and keep what was trained."""

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
    """The runs of cases and learners by name.

    Args:
        cases: names of cases; none for the default one.
        learners: names of learners; none for all there are.
        assignments: ``LEARNER.OPTION=VALUE``, of options to be replaced.
        seeds: of the runs.
        host: the plugins.

    Raises:
        ReorderKitError: if there is no such case, learner or option.
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
    """What came out of every run; those that are in the ledger are not trained again.

    Every recipe is checked before the first is trained.

    Args:
        runs: all of them.
        ledger: where finished runs are noted.
        host: the plugins, which the processes load anew.
        executor: where they are trained.
        tell: called for every run that finishes.

    Raises:
        ReorderKitError: if a recipe is wrong, the ledger holds runs of other settings, or a training cannot go on; all
            others are finished first.
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
        tell(f"some runs were trained by reorder-kit {found}, this is {__version__}: their figures may not compare")
    with executor:
        for number, (run, outcome) in enumerate(outcomes(missing, executor), start=1):
            ledger.add(str(run), settings[run], outcome)
            known[run] = PlantedOutcome.parse(outcome, f"{ledger.path}: {run}")
            # No accuracy: whoever chooses options on validation images shall not see that of test images.
            tell(f"{number}/{len(missing)} {run}: {known[run].seconds:.0f} s")
    return {run: known[run] for run in runs}
