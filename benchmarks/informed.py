"""Is a start that sees labels and the model better than the best fixed order, even after longer training?

    python benchmarks/informed.py DATA --out informed.jsonl --models local --cases caltech --seeds 3 --lengths 1 4
    python benchmarks/informed.py DATA --out informed.jsonl --report

DATA is a folder with `caltech101-64` and `eurosat`, each with tar archives of `train/CLASS/*.jpg` and
`test/CLASS/*.jpg`, which are unpacked to the system's temporary folder; a case without its data is skipped. Of
Caltech-101, the ten largest classes are used, with one of the two croppings of faces. Every order trains the same model
from scratch with the same weights and batches; no order is learned. `reversed` puts the least informative patches where
the model looks; `center` puts the middle of the image there. The best fixed order is chosen among the rules, forward
and reversed, on validation images, and compared on test images. `--screen 12` trains every rule with its transposes,
flips and reverses on the first seed, and the twelve with the best validation scores on the other seeds, too. Run the
same command again to resume. It prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import sys
import tarfile
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from scipy.stats import t as student

from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.fixed_orders import fixed_orders, fixed_section
from reorder_kit.experiment.start_by_prior import StartByPrior, no_influence
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import Grid, RankingPrior
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.training.run import run_experiment

CLASSES = 10
TWICE = "Faces_easy"  # other crops of the photographs in Faces
RULES = ("row", "column", "snake", "boustrophedon", "spiral", "diagonal", "hilbert", "morton", "center-out")
FIXED = (*RULES, *(f"{rule}-reverse" for rule in RULES))
PRIORS = ("informed", "probe", "pixel-deviation")
OTHERS = (*PRIORS, "center", "reversed", "random")
ORDERS = (*OTHERS, *FIXED)


@dataclass(frozen=True)
class Case:
    """A data set.

    Args:
        folder: its folder in DATA; None for the embedded digits.
        image_size: side of an image in pixels, by the side of the grid.
        unpack: unpacks its archives into a folder per class.
    """

    folder: str | None
    image_size: Mapping[int, int]
    unpack: Callable[[Path], Path]


@dataclass(frozen=True)
class Model:
    """A backbone and its training length at length 1.

    Args:
        section: the section of a recipe.
        steps: optimizer steps.
    """

    section: Mapping[str, Any]
    steps: int


@dataclass(frozen=True)
class Key:
    """A run."""

    case: str
    model: str
    grid: int
    rate: float
    length: int
    order: str
    seed: int


def unpacked(source: Path, most: int | None) -> Path:
    """The images of the largest classes as folders; of all classes by default."""
    root = Path(tempfile.gettempdir()) / f"reorder-kit-{source.name}-{most or 'all'}"
    archives = sorted(source.glob("*.tar.gz"))
    if (root / "done").exists():
        return root
    sizes: Counter[str] = Counter()
    for archive in archives:
        with tarfile.open(archive) as content:
            sizes.update(member.name.split("/")[1] for member in content if member.isfile())
    del sizes[TWICE]
    kept = {name for name, _ in sizes.most_common(most)}
    for archive in archives:
        with tarfile.open(archive) as content:
            members = [member for member in content if member.isfile() and member.name.split("/")[1] in kept]
            content.extractall(root, members, filter="data")
    (root / "done").touch()
    return root


PHOTOS = {4: 64, 8: 64, 14: 56}
CASES = {
    "digits": Case(None, {4: 8, 8: 8}, lambda source: source),
    "caltech": Case("caltech101-64", PHOTOS, lambda source: unpacked(source, CLASSES)),
    "eurosat": Case("eurosat", PHOTOS, lambda source: unpacked(source, None)),
}

SMALL = {"dim": 64, "depth": 2}
MODELS = {
    "local": Model({"name": "local", "window": 2, "causal": True, "readout": "last", **SMALL}, 300),
    "transformer-xl": Model(
        {"name": "transformer-xl", "segment": 4, "memory": 0, "readout": "last", "heads": 4, **SMALL}, 300
    ),
    "bimamba": Model({"name": "mamba", **SMALL}, 200),
    "mamba": Model({"name": "mamba", "bidirectional": False, "readout": "last", **SMALL}, 300),
    "gru": Model({"name": "recurrent", "readout": "last", "dim": 64, "depth": 1}, 300),
    "gru-mean": Model({"name": "recurrent", "readout": "mean", "dim": 64, "depth": 1}, 300),
}


def recipe(key: Key, start: Any, root: Path | None) -> dict[str, Any]:
    """The recipe of a run."""
    size, model = CASES[key.case].image_size[key.grid], MODELS[key.model]
    photos = {"name": "image-folder", "root": str(root), "image_size": size, "cache": "memory"}
    return {
        "format_version": 1,
        "name": "informed",
        "seed": key.seed,
        "data": {**(photos if root else {"name": "digits"}), "batch_size": 64},
        "backbone": {**model.section, "patch_size": size // key.grid},
        "order": {"start": start},
        "controls": [],
        "optimizer": {"lr": 3e-3 * key.rate, "weight_decay": 0.03},
        "train": {"steps": model.steps * key.length, "clip_grad": 5.0, "device": "cpu"},
    }


def write_ranking(key: Key, root: Path | None, file: Path, host: PluginHost) -> None:
    """Write the informed ranking of patches as an order file."""
    experiment = compose(recipe(key, {"prior": "informed"}, root), host, "informed")
    assert isinstance(experiment.start, StartByPrior)
    splits = experiment.open_data()
    grid = experiment.facts(splits.image).grid
    prior = experiment.start.build(splits.image, grid)
    assert isinstance(prior, RankingPrior)
    ranking = prior.rank(experiment.prior_context(grid, splits, no_influence))
    OrderFile("informed ranking", grid, ranking.patches).save(file)


def start_of(key: Key, ranking: Path, host: PluginHost) -> Any:
    """The start in the recipe."""
    match key.order:
        case "reversed":
            backward = {"name": "custom", "file": str(ranking), "reverse": True}
            return {"prior": {"name": "influence-matched", "ranking": backward}}
        case "center":
            return {"prior": "influence-matched"}
        case "random":
            return {"name": "random", "seed": key.seed}
        case order if order in PRIORS:
            return {"prior": order}
        case order:
            return fixed_section(order, host)


def train(key: Key, root: Path | None, host: PluginHost) -> dict[str, Any]:
    """Train a run in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        ranking = Path(folder) / "ranking.json"
        if key.order == "reversed":
            write_ranking(key, root, ranking, host)
        experiment = compose(recipe(key, start_of(key, ranking, host), root), host, key.case)
        _, result = run_experiment(experiment, host, Path(folder) / "run")
    metrics = result.metrics
    return {
        **asdict(key),
        "score": round(result.score, 6),
        "validation": round(metrics.validation.score(result.headline), 6),
        "seconds": round(result.seconds, 2),
        "start": result.order.start,
    }


@dataclass(frozen=True)
class Compared:
    """Runs of one case, model, grid, learning rate and length, with the seeds that all compared orders have.

    Args:
        place: case, model, grid, learning rate and length.
        orders: runs by order and seed.
        seeds: common seeds of the informed start and the fixed orders; incomplete seeds are ignored.
        fixed: names of the fixed orders with these seeds.
        screened: number of fixed orders with one seed, including those.
        best: the fixed order with the highest mean validation score.
    """

    place: tuple[Any, ...]
    orders: Mapping[str, Mapping[int, Mapping[str, Any]]]
    seeds: Sequence[int]
    fixed: Sequence[str]
    screened: int
    best: str

    def score(self, order: str) -> float | None:
        """Mean test score over the seeds; None if the order does not have all of them."""
        runs = self.orders.get(order, {})
        return mean(runs[seed]["score"] for seed in self.seeds) if set(self.seeds) <= set(runs) else None

    @property
    def pool(self) -> str:
        """The number of fixed orders that the best was chosen from."""
        return f"{len(self.fixed)}" if len(self.fixed) == self.screened else f"{len(self.fixed)} ({self.screened})"


def compared(records: Sequence[Mapping[str, Any]]) -> Iterator[Compared]:
    """Every case, model, grid, learning rate and length that can be compared."""
    grouped: dict[tuple[Any, ...], dict[str, dict[int, Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(dict))
    for record in records:
        place = tuple(record[name] for name in ("case", "model", "grid", "rate", "length"))
        grouped[place][record["order"]][record["seed"]] = record
    for place, orders in grouped.items():
        rules = {order: runs for order, runs in orders.items() if order not in OTHERS}
        several = {order: runs for order, runs in rules.items() if len(runs) > 1}
        fixed = several or rules
        seeds = sorted(set(orders.get("informed", {})).intersection(*fixed.values()))
        if seeds and fixed:
            best = max(sorted(fixed), key=lambda order: mean(fixed[order][seed]["validation"] for seed in seeds))
            yield Compared(place, orders, seeds, sorted(fixed), len(rules), best)


def report(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A table for each case: a row for each model, grid and learning rate, with both lengths."""
    yield "| data | model | slots | rate | length | seeds | informed | best fixed | gain | random | reversed | center |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- | --- | --- | --- | --- |"
    for each in compared(records):
        case, model, grid, rate, length = each.place
        informed = {seed: each.orders["informed"][seed] for seed in each.seeds}
        cells = [
            f"{each.score('informed'):.3f}",
            f"{each.best} of {each.pool}: {each.score(each.best):.3f}",
            *(_gap(informed, each.orders.get(order, {})) for order in (each.best, "random", "reversed", "center")),
        ]
        yield f"| {case} | {model} | {grid**2} | {rate:g} | {length}x | {len(each.seeds)} | {' | '.join(cells)} |"


def _gap(informed: Mapping[int, Mapping[str, Any]], other: Mapping[int, Mapping[str, Any]]) -> str:
    """The gain of informed over the seeds of both, with its 95% interval over seeds."""
    gaps = np.array([informed[seed]["score"] - other[seed]["score"] for seed in sorted(informed.keys() & other.keys())])
    if not len(gaps):
        return ""
    if len(gaps) == 1:
        return f"{gaps[0]:+.3f}"
    half = student.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / len(gaps) ** 0.5
    return f"{gaps.mean():+.3f} ({gaps.mean() - half:+.3f} to {gaps.mean() + half:+.3f})"


def has_data(case: str, data: Path) -> bool:
    """Whether the files of a case exist."""
    folder = CASES[case].folder
    return folder is None or any((data / folder).glob("*.tar.gz"))


def screened(records: Sequence[Mapping[str, Any]], place: Key, count: int) -> list[str]:
    """The fixed orders with the best validation scores on the first seed."""
    found = {
        record["order"]: record["validation"]
        for record in records
        if replace(Key(**{name: record[name] for name in Key.__annotations__}), order="") == place
        and record["order"] not in OTHERS
    }
    return sorted(found, key=lambda order: -found[order])[:count]


def main() -> None:
    """Train missing runs, and print the results so far."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("informed.jsonl"))
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--orders", nargs="+", default=list(ORDERS), help="the default ones, or variants of the rules")
    parser.add_argument("--screen", type=int, help="number of rule variants trained with several seeds")
    parser.add_argument("--grid", type=int, default=4, choices=list(PHOTOS), help="height and width, patches")
    parser.add_argument("--rate", type=float, default=1.0, help="factor of the default learning rate")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from 0")
    parser.add_argument("--lengths", type=int, nargs="+", default=[1, 4], help="factors of the default training length")
    parser.add_argument("--report", action="store_true", help="only print the results so far")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = arguments.out.read_text().splitlines() if arguments.out.exists() else []
    records = [json.loads(line) for line in lines]
    done = {Key(**{name: record[name] for name in Key.__annotations__}) for record in records}
    host = PluginHost(third_party=False)
    variants = list(fixed_orders(host, Grid(arguments.grid, arguments.grid))) if arguments.screen else []
    # Seed by seed, so that results can be compared whenever it is stopped.
    for length, case, model in product(arguments.lengths, arguments.cases, arguments.models):
        if not has_data(case, arguments.data):
            print(f"skipped {case}: {arguments.data / str(CASES[case].folder)} has no archives", file=sys.stderr)
            continue
        for seed in range(0 if arguments.report else arguments.seeds):
            orders = [*OTHERS, *variants] if variants else arguments.orders
            if variants and seed:
                orders = [
                    *OTHERS,
                    *screened(
                        records, Key(case, model, arguments.grid, arguments.rate, length, "", 0), arguments.screen
                    ),
                ]
            for order in orders:
                key = Key(case, model, arguments.grid, arguments.rate, length, order, seed)
                if key not in done:
                    folder = CASES[case].folder
                    root = None if folder is None else CASES[case].unpack(arguments.data / folder)
                    records.append(train(key, root, host))
                    with arguments.out.open("a") as file:
                        file.write(json.dumps(records[-1]) + "\n")
                    print(f"{key}: {records[-1]['score']:.3f}", file=sys.stderr, flush=True)
    print("\n".join(report(records)))


if __name__ == "__main__":
    main()
