"""Does `search: validated` avoid harm, and does it still find better orders that exist?

    python benchmarks/validated.py power --out validated.jsonl
    python benchmarks/validated.py recipes --out validated.jsonl --seeds 3
    python benchmarks/validated.py --out validated.jsonl

`power`: in how many of 5 seeds a learned order is accepted, on the planted chain of 16 patches from a random start, and
with 5 of 16 slots read from row order. `recipes`: every shipped recipe with a learner and embedded data, with an
unjudged search, with `search: validated`, and with its start kept: test scores, paired differences with standard errors
over seeds, and the cost in seconds of training, without controls. Run the same command again to resume, even in the
middle of a run. Without a part, it prints the results so far as Markdown.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from reorder_kit.benchmark.learner_options import chosen_options
from reorder_kit.benchmark.planted_cases import CASES
from reorder_kit.benchmark.planted_runs import PlantedRun
from reorder_kit.experiment.compose import compose
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.recipe.library import read_recipe, recipe_names
from reorder_kit.recipe.overrides import override
from reorder_kit.runs.result import RunResult
from reorder_kit.training.run import run_in_program

POWER_SEEDS = 5
POWER = {
    ("chain-16", "scrambled"): ("segment-search", "reinforce"),
    ("selection", "row"): ("gumbel-sinkhorn", "reinforce"),
}
SEARCHES = ("start", "not judged", "validated")


@dataclass(frozen=True)
class Work:
    """A run.

    Args:
        part: ``power`` or ``recipes``.
        name: the case and its learner, or the recipe.
        search: one of :data:`SEARCHES`.
        seed: the seed of the run.
        recipe: the recipe to train.
    """

    part: str
    name: str
    search: str
    seed: int
    recipe: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Its key in the file of results."""
        return self.part, self.name, self.search, self.seed

    def train(self, host: PluginHost, folder: Path) -> dict[str, Any]:
        """Train or resume it; its folder is removed once its line is written."""
        content = {**self.recipe, "controls": []}
        result = run_in_program(compose(content, host, str(self.key)), host, folder, None)
        part, name, search, seed = self.key
        return {"part": part, "name": name, "search": search, "seed": seed, **outcome(result)}


def outcome(result: RunResult) -> dict[str, Any]:
    """What the tables need from a run."""
    verdict = result.validated
    found = {
        "headline": result.headline,
        "higher_is_better": result.higher_is_better,
        "score": result.score,
        "order": result.order.final,
        "seconds": result.seconds,
    }
    if verdict is None:
        return found
    trials = 0.0 if verdict.trials is None else verdict.trials.seconds
    seconds = {"run": result.seconds, "search": verdict.search_seconds, "trials": trials}
    return {**found, "seconds": sum(seconds.values()), "parts": seconds, "verdict": verdict.as_dict()}


def power() -> Iterator[Work]:
    """On each case, a learner that finds the answer, and one that often does not."""
    for seed in range(POWER_SEEDS):
        for (case, start), learners in POWER.items():
            for learner in learners:
                options = {**chosen_options(learner, case), "search": "validated"}
                recipe = PlantedRun(CASES[case], seed, start, learner, options).recipe
                yield Work("power", f"{case}, {learner} from {start}", "validated", seed, recipe)


def recipes(names: list[str], seeds: int) -> Iterator[Work]:
    """Seed by seed, so that results can be compared whenever it is stopped."""
    for seed in range(seeds):
        for name in names:
            content, _ = read_recipe(name)
            if not content["order"].get("learner"):
                continue
            own = content["order"]["learner"].get("search", "while-training")
            changes = {
                "start": ("learner", None),
                "not judged": ("learner.search", "while-training" if own == "validated" else own),
                "validated": ("learner.search", "validated"),
            }
            for search in SEARCHES:
                path, value = changes[search]
                yield Work("recipes", name, search, seed, override(content, [("seed", seed), (f"order.{path}", value)]))


def report(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The tables of both parts."""
    for part, lines in (("power", report_power), ("recipes", report_recipes)):
        own = [record for record in records if record["part"] == part]
        if own:
            yield from ("", *lines(own))


def report_power(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """How often an order was accepted."""
    of_case: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for record in records:
        of_case[record["name"]].append(record)
    yield "| case | accepted | p by seed | test score by seed | seconds: search, trials, run |"
    yield "| --- | --- | --- | --- | --- |"
    for name, runs in of_case.items():
        verdicts = [run["verdict"] for run in runs]
        p = ", ".join("-" if each["trials"] is None else f"{each['trials']['p']:.2g}" for each in verdicts)
        accepted = sum(each["is_accepted"] for each in verdicts)
        scores = ", ".join(f"{run['score']:.3f}" for run in runs)
        seconds = ", ".join(f"{mean(run['parts'][part] for run in runs):.0f}" for part in ("search", "trials", "run"))
        yield f"| {name} | {accepted} of {len(runs)} | {p} | {scores} | {seconds} |"


def report_recipes(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Scores, differences from the start, and costs."""
    of_recipe: dict[str, dict[str, dict[int, Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(dict))
    for record in records:
        of_recipe[record["name"]][record["search"]][record["seed"]] = record
    yield "| recipe | seeds | start | not judged | difference | validated | difference | accepted | seconds |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    worse = []
    for name, found in of_recipe.items():
        cells = [name, str(max(map(len, found.values()))), _mean(found["start"])]
        for search in SEARCHES[1:]:
            difference, is_worse = _difference(found["start"], found[search])
            worse += [f"{name}, {search}"] if is_worse else []
            cells += [_mean(found[search]), difference]
        validated = found["validated"].values()
        accepted = sum(run["verdict"]["is_accepted"] for run in validated)
        cost = ", ".join(
            f"{mean(run['seconds'] for run in found[search].values()):.0f}" if found[search] else "-"
            for search in SEARCHES
        )
        yield f"| {' | '.join([*cells, f'{accepted} of {len(validated)}', cost])} |"
    yield ""
    yield "Seconds of training: start, not judged, validated. Differences from the start: mean ± standard error."
    yield f"Below the start by more than two standard errors: {'; '.join(worse) or 'none'}."


def _mean(runs: Mapping[int, Mapping[str, Any]]) -> str:
    return f"{mean(run['score'] for run in runs.values()):.3f}" if runs else "-"


def _difference(start: Mapping[int, Mapping[str, Any]], other: Mapping[int, Mapping[str, Any]]) -> tuple[str, bool]:
    """The mean paired difference, positive if the other is better, and whether it is clearly worse."""
    gains = [
        (run["score"] - start[seed]["score"]) * (1 if run["higher_is_better"] else -1)
        for seed, run in other.items()
        if seed in start
    ]
    if len(gains) < 2:
        return "-", False
    error = stdev(gains) / len(gains) ** 0.5
    return f"{mean(gains):+.3f} ± {error:.3f}", mean(gains) < -2 * error


def main() -> None:
    """Train missing runs, and print the results so far."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=["power", "recipes", []], help="parts to train (default: none)")
    parser.add_argument("--out", type=Path, default=Path("validated.jsonl"))
    parser.add_argument("--recipes", nargs="+", help="recipes (default: all with embedded data)")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    lines = arguments.out.read_text().splitlines() if arguments.out.exists() else []
    records = [json.loads(line) for line in lines]
    done = {(record["part"], record["name"], record["search"], record["seed"]) for record in records}
    names = arguments.recipes or [name for name in recipe_names() if not name.startswith("paper/")]
    planned = [*(power() if "power" in arguments.parts else ())]
    planned += recipes(names, arguments.seeds) if "recipes" in arguments.parts else ()
    host = PluginHost(third_party=False)
    folders = arguments.out.with_suffix(".runs")
    for work in planned:
        if work.key in done:
            continue
        folder = folders / "-".join(map(str, work.key)).replace("/", "-").replace(" ", "-").replace(",", "")
        records.append(work.train(host, folder))
        with arguments.out.open("a") as file:
            file.write(json.dumps(records[-1]) + "\n")
        shutil.rmtree(folder)
        print(f"{', '.join(map(str, work.key))}: {records[-1]['score']:.3f}", file=sys.stderr, flush=True)
    print("\n".join(report(records)))


if __name__ == "__main__":
    main()
