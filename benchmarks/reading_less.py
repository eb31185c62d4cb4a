"""How good is a model that reads 16 or 32 of 64 patches, and what does that save?

    python benchmarks/reading_less.py DATA --out reading_less.jsonl --seeds 3
    python benchmarks/reading_less.py DATA --out reading_less.jsonl --report

DATA is a folder as `benchmarks/informed.py` reads it. Every order trains the same full attention, or Mamba in one
direction, from scratch with the same weights and batches; no order is learned. `all` reads all 64 patches row by row.
The others read the first share of an order (`order.keep`): `informed`, `strided`, `center` and `random`. For attention,
their order does not matter. For Mamba, `informed` puts the best patches where the model looks, and the orders that end
in `-rows` read the same patches row by row. `raced` reads orders found by races: --raced FOLDER holds them as
CASE-BACKBONE-SLOTS.json, each an order of at least that many slots; without such a file it is skipped. Run the same
command again to resume. It prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from informed import CASES

from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.start_by_prior import StartByPrior, no_influence
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import RankingPrior
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.training.run import run_experiment

PATCHES, STEPS, ROWS, RACED = 64, 600, "-rows", "raced"
DATA = ("caltech", "eurosat")
BACKBONES: dict[str, dict[str, Any]] = {
    "vit": {"name": "vit", "depth": 4, "dim": 64, "heads": 4, "patch_size": 8},
    "mamba": {"name": "mamba", "depth": 4, "dim": 64, "patch_size": 8, "bidirectional": False},
}
SETS = ("informed", "strided", "center", "random")
ORDERS = {"vit": ("all", *SETS, RACED), "mamba": ("all", *SETS, *(f"{name}{ROWS}" for name in SETS), RACED)}


def start_of(order: str, seed: int) -> Any:
    """The start in the recipe."""
    ordering = {"all": "row", "center": "center-out", "random": {"name": "random", "seed": seed}}
    return {"prior": "informed"} if order == "informed" else ordering.get(order, order)


def recipe(backbone: str, slots: int, start: Any, root: Path, seed: int, steps: int) -> dict[str, Any]:
    """The recipe of a run."""
    return {
        "format_version": 1,
        "name": "reading-less",
        "seed": seed,
        "data": {"name": "image-folder", "root": str(root), "image_size": 64, "batch_size": 64},
        "backbone": BACKBONES[backbone],
        "order": {"start": start, "keep": slots / PATCHES},
        "controls": [],
        "optimizer": {"lr": 1e-3, "weight_decay": 0.03},
        "train": {"steps": steps, "clip_grad": 5.0, "device": "cpu"},
    }


def write_set(content: dict[str, Any], slots: int, file: Path, host: PluginHost) -> None:
    """Write the patches that a recipe reads as a row-by-row order."""
    experiment = compose(content, host, "reading-less")
    splits = experiment.open_data()
    grid = experiment.facts(splits.image).grid
    if isinstance(experiment.start, StartByPrior):
        prior = experiment.start.build(splits.image, grid)
        assert isinstance(prior, RankingPrior)
        kept = prior.rank(experiment.prior_context(grid, splits, no_influence)).patches.first(slots)
    else:
        kept = experiment.starting_order(grid, splits, no_influence)
    OrderFile("set", grid, Order(kept.indices.sort().values, grid.num_patches)).save(file)


def train(
    case: str, backbone: str, slots: int, order: str, seed: int, steps: int, root: Path, raced: Path | None
) -> dict[str, Any]:
    """Train a run in a temporary folder."""
    host = PluginHost(third_party=False)
    with tempfile.TemporaryDirectory() as folder:
        start = start_of(order.removesuffix(ROWS), seed)
        if order.endswith(ROWS):
            file = Path(folder) / "set.json"
            write_set(recipe(backbone, slots, start, root, seed, steps), slots, file, host)
            start = {"file": str(file)}
        elif order == RACED:
            start = {"file": str(raced)}
        content = recipe(backbone, slots, start, root, seed, steps)
        _, result = run_experiment(compose(content, host, case), host, Path(folder) / "run")
    key = {"case": case, "backbone": backbone, "slots": slots, "order": order, "seed": seed, "steps": steps}
    cost = {} if result.encoder is None else result.encoder.as_dict()
    return {**key, "score": result.score, "train_seconds": result.seconds, "encoder": cost, "start": result.order.start}


def key_of(record: dict[str, Any]) -> tuple[Any, ...]:
    """The key of a record."""
    return tuple(record[name] for name in ("case", "backbone", "slots", "order", "seed", "steps"))


def report(records: Iterable[dict[str, Any]]) -> Iterator[str]:
    """A table for each case and backbone, and whether a raced order is behind another order."""
    tables: dict[tuple[str, str, int], dict[tuple[int, str], list[dict[str, Any]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for record in records:
        tables[record["case"], record["backbone"], record["steps"]][record["slots"], record["order"]].append(record)
    for (case, backbone, steps), rows in tables.items():
        yield from ("", f"**{case}, {backbone}, {steps} steps**", "")
        yield "| patches | order | top-1, mean | seeds | encoder, ms per image | million operations | training, s |"
        yield "| --- | --- | --- | --- | --- | --- | --- |"
        for (slots, order), found in sorted(rows.items(), key=lambda row: (-row[0][0], -_mean(row[1], "score"))):
            seeds = ", ".join(f"{each['score']:.3f}" for each in sorted(found, key=lambda each: each["seed"]))
            costs = [each["encoder"] for each in found if each["encoder"]]
            time = f"{1e3 * mean(each['seconds'] for each in costs):.3f}" if costs else ""
            operations = f"{costs[0]['operations'] / 1e6:.2f}" if costs else ""
            told = (f"{_mean(found, 'score'):.3f}", seeds, time, operations, f"{_mean(found, 'train_seconds'):.0f}")
            yield f"| {slots} | {order} | {' | '.join(told)} |"
        for slots in sorted({slots for slots, order in rows if order == RACED}):
            yield from ("", _bar(slots, rows))


def _mean(records: list[dict[str, Any]], field: str) -> float:
    return mean(float(each[field]) for each in records)


def _bar(slots: int, rows: dict[tuple[int, str], list[dict[str, Any]]]) -> str:
    """Whether the raced order is at most one standard error of the difference below the best other order."""
    others = {order: found for (count, order), found in rows.items() if count == slots and order != RACED}
    if not others:
        return f"{slots} patches: nothing to compare the raced order with."
    raced = {each["seed"]: each["score"] for each in rows[slots, RACED]}
    best = max(others, key=lambda order: _mean(others[order], "score"))
    ahead = [raced[each["seed"]] - each["score"] for each in others[best] if each["seed"] in raced]
    if len(ahead) < 2:
        return f"{slots} patches: too few seeds to compare the raced order with {best}."
    error = stdev(ahead) / len(ahead) ** 0.5
    verdict = "holds" if mean(ahead) >= -error else "FAILS"
    return f"{slots} patches: raced is {mean(ahead):+.3f} ± {error:.3f} against {best}: the criterion {verdict}."


def main() -> None:
    """Train missing runs, and print the results so far."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("reading_less.jsonl"))
    parser.add_argument("--cases", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--backbones", nargs="+", default=list(BACKBONES), choices=list(BACKBONES))
    parser.add_argument("--slots", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--orders", nargs="+", choices=ORDERS["mamba"], help="orders (default: all of a backbone)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--raced", type=Path, help="folder of orders found by races")
    parser.add_argument("--report", action="store_true", help="only print the results so far")
    arguments = parser.parse_args()
    lines = arguments.out.read_text().splitlines() if arguments.out.exists() else []
    records = [json.loads(line) for line in lines]
    done = set(map(key_of, records))
    # Seed by seed, so that results can be compared whenever it is stopped.
    grid = product(range(arguments.seeds), arguments.cases, arguments.backbones, sorted(arguments.slots))
    for seed, case, backbone, slots in grid if not arguments.report else ():
        source = arguments.data / str(CASES[case].folder)
        if not list(source.glob("*.tar.gz")):
            print(f"skipped {case}: {source} has no archives", file=sys.stderr)
            continue
        for order in ORDERS[backbone]:
            read = PATCHES if order == "all" else slots
            key = (case, backbone, read, order, seed, arguments.steps)
            raced = None if arguments.raced is None else arguments.raced / f"{case}-{backbone}-{slots}.json"
            is_there = order != RACED or (raced is not None and raced.exists())
            if key in done or not is_there or (arguments.orders and order not in arguments.orders):
                continue
            record = train(case, backbone, read, order, seed, arguments.steps, CASES[case].unpack(source), raced)
            done.add(key)
            records.append(record)
            with arguments.out.open("a") as file:
                file.write(json.dumps(record) + "\n")
            print(f"{', '.join(map(str, key))}: {record['score']:.3f}", file=sys.stderr, flush=True)
    print("\n".join(report(records)))


if __name__ == "__main__":
    main()
