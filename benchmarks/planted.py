"""The planted benchmark behind the checked-in results: every case, every built-in learner with its chosen options.

    python benchmarks/planted.py --jobs 2 --out planted.jsonl --figures docs/images

Prints the tables of RESULTS.md and draws the pictures. `reorder-kit bench planted` does the same for chosen cases and
any learner; both resume where they were stopped.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from reorder_kit.benchmark.learner_options import chosen_options
from reorder_kit.benchmark.planted import run_benchmark
from reorder_kit.benchmark.planted_cases import CASES
from reorder_kit.benchmark.planted_pictures import draw_pictures
from reorder_kit.benchmark.planted_report import CaseReport, report
from reorder_kit.benchmark.planted_runs import PlantedRun, planned_runs
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.jobs.ledger import Ledger
from reorder_kit.jobs.local_processes import LocalProcesses
from reorder_kit.jobs.slots import slots_of_one_thread


def print_markdown(found: CaseReport) -> None:
    """Print a heading, the reach and the gap, and the table."""
    slots, of = found.reach
    print(f"\n### {found.case.name}: {found.case.about}\n\n{slots} of {of} slots reach the readout.")
    if found.gap is not None:
        print(f"Between scrambled and undone: {found.gap}.")
    heading, *lines = found.table()
    print(f"\n| {' | '.join(heading)} |\n| {' | '.join('---' for _ in heading)} |")
    for line in lines:
        print(f"| {' | '.join(line)} |")


def main() -> None:
    """Train missing runs, print the tables and draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--learners", nargs="+", help="learners (default: all built-in ones)")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2, help="number of single-thread processes")
    parser.add_argument("--out", type=Path, default=Path("planted.jsonl"))
    parser.add_argument("--figures", type=Path, default=Path("docs/images"))
    arguments = parser.parse_args()
    host = PluginHost(third_party=False)
    learners = {
        learner: {case: chosen_options(learner, case) for case in arguments.cases}
        for learner in arguments.learners or host.order_learners
    }
    runs = list(planned_runs([CASES[name] for name in arguments.cases], learners, range(arguments.seeds)))
    ledger = Ledger(arguments.out)
    processes = LocalProcesses[PlantedRun](slots_of_one_thread(arguments.jobs))
    outcomes = run_benchmark(runs, ledger, host, processes, tell=lambda line: print(line, file=sys.stderr))
    reports = report(outcomes, "test")
    for found in reports:
        print_markdown(found)
    print(f"\n{sum(outcome.seconds for outcome in outcomes.values()) / 3600:.1f} hours of training in all")
    for path in draw_pictures(reports, arguments.figures):
        print(f"wrote {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
