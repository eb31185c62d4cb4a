"""Does a race find an order that beats the best fixed one, at equal total cost?

    python benchmarks/race.py DATA --out races --budget 3 --seeds 3
    python benchmarks/race.py DATA --out races --report

DATA is a folder with `caltech101-64`, as benchmarks/informed.py reads it: its ten largest classes, with one of the two
croppings of faces. The model is local attention that reads 5 of 16 slots, trained for 300 steps. `--case digits` races
on the embedded digits instead, and needs no DATA. The race is `reorder-kit race`: run the same command again to resume,
or run it in parallel to share the work. It prints Markdown, from race.json.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from informed import CASES, CLASSES, unpacked

from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.race.race_folder import RaceFolder
from reorder_kit.race.results import RaceResult
from reorder_kit.race.run_race import RaceRun
from reorder_kit.race.standing import Standing
from reorder_kit.race.wording import plan_in_words
from reorder_kit.race.worker import Tell

STEPS = 300
GRID = 4
LOCAL = {"name": "local", "window": 2, "causal": True, "readout": "last", "depth": 2, "dim": 64}


def recipe(case: str, root: Path | None, start: str, steps: int) -> dict[str, Any]:
    """The recipe of the race."""
    photos = {"name": "image-folder", "root": str(root), "image_size": 64}
    return {
        "format_version": 1,
        "name": f"race-{case}",
        "seed": 0,
        "data": {**(photos if root else {"name": "digits"}), "batch_size": 64},
        "backbone": {**LOCAL, "patch_size": CASES[case].image_size[GRID] // GRID},
        "order": {"start": start},
        "optimizer": {"lr": 3e-3, "weight_decay": 0.03},
        "train": {"steps": steps, "clip_grad": 5.0, "device": "cpu"},
    }


@contextmanager
def told(standing: Standing) -> Iterator[Tell]:
    """Print a line whenever a part is finished."""
    done = -1

    def tell(standing: Standing) -> None:
        nonlocal done
        if standing.steps_done != done:
            done = standing.steps_done
            print(f"{done / standing.steps:.0%} {standing.stage}", file=sys.stderr, flush=True)

    yield tell


def report(result: RaceResult) -> None:
    """Print the last rung and the table of equal cost."""
    final = result.rungs[-1]
    print(f"\n**{result.name}**: budget {result.budget:g} full training runs, {result.cost:.2f} used\n")
    print(f"| order, {final.steps} steps, {final.seeds} seeds | loss | behind the winner |\n| --- | --- | --- |")
    for each in final.candidates:
        print(f"| {each.name} | {each.loss:.4f} | {'' if each.behind is None else each.behind.written(4)} |")
    print(f"\n| contender | order | steps | cost in runs | test {result.metric} | behind the winner |")
    print("| --- | --- | --- | --- | --- | --- |")
    for line in result.equal_cost:
        behind = "" if line.behind is None else line.behind.written(3)
        names = f"{line.contender} | {line.order} | {line.steps} | {line.cost:g}"
        print(f"| {names} | {line.score.written(3)} | {behind} |")
    print("\n" + "\n".join(result.conclusion))


def main() -> None:
    """Race, or print the results so far."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--case", default="caltech", choices=["caltech", "digits"])
    parser.add_argument("--out", type=Path, default=Path("races"))
    parser.add_argument("--start", default="row")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--budget", type=float, default=3.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--report", action="store_true", help="only print the results so far")
    arguments = parser.parse_args()
    out = arguments.out / arguments.case
    if arguments.report:
        report(RaceFolder(out).read_results())
        return
    folder = CASES[arguments.case].folder
    if folder is not None and arguments.data is None:
        parser.error(f"{arguments.case} needs DATA")
    root = None if folder is None else unpacked(arguments.data / folder, CLASSES)
    content = recipe(arguments.case, root, arguments.start, arguments.steps)
    host = PluginHost(third_party=False)
    run = RaceRun.open(content, arguments.case, host, arguments.budget, arguments.seeds, out=out)
    setup = run.begin(lambda what: print(what, file=sys.stderr, flush=True))
    print("\n".join(plan_in_words(setup, arguments.seeds)), file=sys.stderr, flush=True)
    report(run.train(None, told))


if __name__ == "__main__":
    main()
