"""What predicts a good order, and for which model?

    python benchmarks/judges.py DATA --out judges.jsonl --seeds 2
    python benchmarks/judges.py DATA --out judges.jsonl --report

Eighteen orders of 4x4 patches are trained from scratch on four data sets by four backbones; their mean score on test
images over seeds is the truth. Judges predict it: short trainings, weights shared by all orders, a regression,
compressibility, and simple figures of patches, weighted by the influence of their slots. For each judge, the script
prints Spearman's rank correlation with the truth, and its regret: by how many points the best order is better than the
one that it picks.

DATA is a folder with `caltech101-64` and `eurosat` (see informed.py) and `aquarium` (`labels.csv`, `images/`); a case
without its data is skipped. Every number is one line of JSON. It goes seed by seed, smallest cases first, so results
can be compared whenever it is stopped; run the same command again to resume. To use several cores, run it once per core
with different `--cases` or `--backbones`; each process uses one thread. One seed of all cases takes less than three
hours on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any, TypeVar, cast

import torch
from informed import CASES as PHOTOS
from judges_table import ORDERS, TRUTH, report
from shared_weights import SharedWeights

from reorder_kit.analysis.closed_form import closed_form_score
from reorder_kit.data.told_rows import told_rows
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.fixed_orders import fixed_orders
from reorder_kit.experiment.start_by_prior import StartByPrior
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import Batch, DataSplits, Grid, Prior, PriorContext, RankingPrior, ScoringPrior, TaskContext
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.orders.matching import matched
from reorder_kit.orders.order import Order
from reorder_kit.training.devices import build_accelerator
from reorder_kit.training.judged_images import JudgedImages, judged_images
from reorder_kit.training.short_training import influence_of_short_training
from reorder_kit.training.trial import run_trial

DATA_SETS = ("digits", "aquarium", "caltech", "eurosat")  # the smallest first
BACKBONES: dict[str, dict[str, Any]] = {
    "gru": {"name": "recurrent"},
    "local": {"name": "local", "window": 2, "causal": True, "readout": "last"},
    "mamba": {"name": "mamba", "bidirectional": False, "state": 4},
    "bimamba": {"name": "mamba", "bidirectional": True, "cls_position": "middle", "state": 4},
}
RULES = (
    "row", "row-reverse", "column", "snake", "hilbert", "hilbert-transpose-reverse", "spiral", "spiral-reverse",
    "diagonal", "diagonal-reverse", "morton", "strided",
)  # fmt: skip
RANDOM = 4
STEPS, SHORT, FURTHER, SHARED = 300, (30, 100), 50, 300
IMAGES = 1000
"""Training images for judges of the data; compressors use a quarter of them."""
ENSEMBLE, SWAPS = 3, 3
"""Number of models with shared weights, and of swaps of two patches that give an order near another."""
JUDGES_SEED = 1000
"""Added to the seed of judges, so that they share neither weights nor batches with the truth."""

T = TypeVar("T")
Record = dict[str, Any]
Done = set[tuple[str, str, int]]
"""Judge, order and seed."""


@dataclass(frozen=True)
class Lengths:
    """Training lengths, in steps.

    Args:
        full: the truth.
        short: from scratch.
        shared: weights shared by all orders.
        further: continued from these, in one order.
    """

    full: int = STEPS
    short: Sequence[int] = SHORT
    shared: int = SHARED
    further: int = FURTHER


def recipe(name: str, backbone: str, data: Path, seed: int, start: Any = "row") -> dict[str, Any]:
    """The recipe of a case."""
    task, patch = "classification", 16
    if name == "aquarium":
        source = {"name": "multi-label-csv", "root": str(data / name), "image_size": 64, "cache": "memory"}
        task = "multi-label"
    elif (folder := PHOTOS[name].folder) is not None:
        root = str(PHOTOS[name].unpack(data / folder))
        source = {"name": "image-folder", "root": root, "image_size": 64, "cache": "memory"}
    else:
        source, patch = {"name": "digits"}, 2
    return {
        "format_version": 1,
        "name": "judges",
        "seed": seed,
        "data": {**source, "batch_size": 64},
        "task": task,
        "backbone": {"depth": 2, "dim": 64, "patch_size": patch, **BACKBONES[backbone]},
        "order": {"start": start},
        "controls": [],
        "optimizer": {"lr": 3e-3, "weight_decay": 0.03},
        "train": {"steps": STEPS, "clip_grad": 5.0, "device": "cpu"},
    }


def has_data(name: str, data: Path) -> bool:
    """Whether the files of a case exist."""
    if name == "aquarium":
        return (data / name / "labels.csv").exists()
    folder = PHOTOS[name].folder
    return folder is None or bool(list((data / folder).glob("*.tar.gz")))


@dataclass(frozen=True)
class Bench:
    """A case with opened data.

    Args:
        name: the data set.
        backbone: the name of the backbone.
        data: the folder of the data sets.
        host: the plugin host.
        splits: the opened data, the same for every backbone and seed.
        lengths: training lengths.
    """

    name: str
    backbone: str
    data: Path
    host: PluginHost
    splits: DataSplits
    lengths: Lengths

    def experiment(self, seed: int = 0, start: Any = "row") -> Experiment:
        """The parts; the seed is that of the judge, while the judged images are the same for all."""
        content = recipe(self.name, self.backbone, self.data, seed, start)
        return compose(content, self.host, f"{self.name}, {self.backbone}")

    @property
    def grid(self) -> Grid:
        """The grid of patches."""
        return self.experiment().facts(self.splits.image).grid

    def prior(self, name: str, seed: int) -> tuple[Prior, PriorContext]:
        """A prior and its context."""
        experiment = self.experiment(seed, {"prior": name})
        assert isinstance(experiment.start, StartByPrior)
        accelerator = build_accelerator(experiment.recipe.train)
        facts = experiment.facts(self.splits.image)
        kind, classes = experiment.kind, self.splits.classes
        context = TaskContext(facts, self.splits.image, kind, classes, {}, accelerator.device)
        influence = influence_of_short_training(experiment, self.splits, context, accelerator)
        asked = experiment.prior_context(facts.grid, self.splits, influence)
        return experiment.start.build(self.splits.image, facts.grid), asked

    def orders(self) -> dict[str, Order]:
        """The judged orders, the same for every seed."""
        fixed = fixed_orders(self.host, self.grid)
        orders = {name: fixed[name] for name in RULES}
        patches = self.grid.num_patches
        for number in range(RANDOM):
            generator = torch.Generator().manual_seed(number)
            orders[f"random-{number}"] = Order(torch.randperm(patches, generator=generator))
        prior, context = self.prior("informed", 0)
        ranking = cast("RankingPrior", prior)
        patches_best_first, influence = ranking.rank(context).patches, ranking.influence(context, 0)
        orders["informed"] = matched(patches_best_first, influence)
        orders["informed-reversed"] = matched(Order(patches_best_first.indices.flip(0)), influence)
        return orders


def measured(bench: Bench, orders: Mapping[str, Order], seed: int, done: Done) -> Iterator[Record]:
    """Missing records of a case with one seed, the cheap judges first."""
    for judges in (of_data, of_shared_weights, of_trials):
        for judge, order, value, seconds in judges(bench, orders, seed, done):
            found = {"judge": judge, "order": order, "seed": seed, "value": value, "seconds": round(seconds, 4)}
            yield {"case": bench.name, "backbone": bench.backbone, **found}


Found = Iterator[tuple[str, str, float, float]]
"""Judge, order, value and seconds."""


def of_data(bench: Bench, orders: Mapping[str, Order], seed: int, done: Done) -> Found:
    """Judges without training."""
    judges: dict[str, Callable[[int], Mapping[str, float]]] = {
        "closed form": lambda seed: closed_forms(bench, orders, seed),
        **{f"influence x {what}": worth(bench, orders, what) for what in ("probe", "pixel-deviation", "center")},
        **{what: compressed(bench, orders, what) for what in ("lzma", "zstd", "conditional-entropy")},
        "adjacency": lambda seed: {name: order.adjacency(bench.grid) for name, order in orders.items()},
    }
    for judge, scores in judges.items():
        if any((judge, order, seed) not in done for order in orders):
            began = time.process_time()
            values = scores(JUDGES_SEED + seed)
            seconds = (time.process_time() - began) / len(orders)
            for order in orders:
                if (judge, order, seed) not in done:
                    yield judge, order, float(values[order]), seconds


def closed_forms(bench: Bench, orders: Mapping[str, Order], seed: int) -> dict[str, float]:
    """The closed-form score by the influence of slots on untrained models."""
    prior, context = bench.prior("informed", seed)
    influence = cast("RankingPrior", prior).influence(context, 0)
    rows = told_rows(context.training, bench.splits.image, bench.grid, IMAGES, views=0)
    return {name: closed_form_score(rows, order, influence) for name, order in orders.items()}


def worth(bench: Bench, orders: Mapping[str, Order], what: str) -> Callable[[int], Mapping[str, float]]:
    """How informative, variable or central patches are: the mean, weighted by the influence of their slots."""

    def scores(seed: int) -> dict[str, float]:
        prior, context = bench.prior("probe" if what == "center" else what, seed)
        ranking = cast("RankingPrior", prior)
        influence = ranking.influence(context, 0)
        figures = _central(bench.grid) if what == "center" else _by_patch(ranking, context)
        return {name: float((influence * figures[order.indices]).sum()) for name, order in orders.items()}

    return scores


def _central(grid: Grid) -> torch.Tensor:
    rows, columns = (torch.arange(size) - (size - 1) / 2 for size in (grid.height, grid.width))
    return -(rows[:, None].square() + columns[None].square()).sqrt().flatten()


def _by_patch(prior: RankingPrior, context: PriorContext) -> torch.Tensor:
    ranking = prior.rank(context)
    figures = torch.tensor(next(iter(ranking.figures.values())))
    return figures[ranking.patches.rank]


def compressed(bench: Bench, orders: Mapping[str, Order], what: str) -> Callable[[int], Mapping[str, float]]:
    """The scores of orders by a prior on token sequences."""

    def scores(seed: int) -> Mapping[str, float]:
        prior, context = bench.prior(what, seed)
        patches = torch.cat(list(context.training.patches(bench.grid, IMAGES // 4)))
        return cast("ScoringPrior", prior).score(patches, orders)

    return scores


def _losses(
    judge: SharedWeights, models: Sequence[OrderedModel], order: Order, batches: Sequence[Batch]
) -> list[float]:
    return [judge.loss(model, order, batches) for model in models]


def of_shared_weights(bench: Bench, orders: Mapping[str, Order], seed: int, done: Done) -> Found:
    """Models trained in many orders: one, an ensemble, one in orders near the first rule, one trained further."""
    further = bench.lengths.further
    names = (
        "shared weights", f"shared weights of {ENSEMBLE} models", f"shared weights, orders near {RULES[0]}",
        f"shared weights, then {further} steps",
    )  # fmt: skip
    missing = [order for order in orders if any((name, order, seed) not in done for name in names)]
    if not missing:
        return
    trained = [shared_weights(bench, (1 + number) * JUDGES_SEED + seed) for number in range(ENSEMBLE)]
    shared, batches = trained[0], trained[0].judged()
    steps = bench.lengths.shared
    start = Order.identity(bench.grid.num_patches)
    pairs = [timed(partial(each.train, start, steps)) for each in trained]
    models, costs = [model for model, _ in pairs], [cost for _, cost in pairs]
    near, of_near = timed(partial(shared.train, orders[RULES[0]], steps, SWAPS))
    of_one, of_all, of_near = (cost / len(orders) for cost in (costs[0], sum(costs), of_near))
    for name in missing:
        order = orders[name]
        losses, reading = timed(partial(_losses, shared, models, order, batches))
        again, training = timed(partial(shared.further, models[0], order, further))
        one = reading / ENSEMBLE
        found = (
            (losses[0], of_one + one),
            (mean(losses), of_all + reading),
            (shared.loss(near, order, batches), of_near + one),
            (shared.loss(again, order, batches), of_one + training + one),
        )
        for judge, (loss, seconds) in zip(names, found, strict=True):
            if (judge, name, seed) not in done:
                yield judge, name, -loss, seconds


def shared_weights(bench: Bench, seed: int) -> SharedWeights:
    """Training and judging with a seed, on the same images as every other judge."""
    experiment, splits = bench.experiment(seed), bench.splits
    judged = judged_images(bench.experiment(), splits)
    facts, device = experiment.facts(splits.image), torch.device("cpu")
    context = TaskContext(facts, splits.image, experiment.kind, splits.classes, judged.fitted, device)
    return SharedWeights(experiment, judged.splits, context)


def timed(compute: Callable[[], T]) -> tuple[T, float]:
    """What comes out, and the seconds of processor that it took."""
    began = time.process_time()
    return compute(), time.process_time() - began


def of_trials(bench: Bench, orders: Mapping[str, Order], seed: int, done: Done) -> Found:
    """Short trainings from scratch, and the truth: full trainings, judged on test images."""
    experiment, splits = bench.experiment(), bench.splits
    judged = judged_images(experiment, splits)
    tested = JudgedImages(replace(splits, validation=splits.test), len(splits.train), 0, judged.fitted)
    trials = [(f"from scratch, {steps} steps", steps, judged, JUDGES_SEED + seed) for steps in bench.lengths.short]
    for judge, steps, images, own_seed in [*trials, (TRUTH, bench.lengths.full, tested, seed)]:
        for order, indices in orders.items():
            if (judge, order, seed) not in done:
                began = time.process_time()
                with tempfile.TemporaryDirectory() as folder:
                    found = run_trial(experiment, indices, own_seed, steps, Path(folder) / "trial", bench.host, images)
                value = found.score if judge == TRUTH else -float(found.losses.mean())
                yield judge, order, value, time.process_time() - began


def orders_of(bench: Bench, records: Sequence[Record]) -> tuple[dict[str, Order], list[Record]]:
    """The orders of a case, recorded or new, and the records of the new ones."""
    own = [record for record in records if (record["case"], record["backbone"]) == (bench.name, bench.backbone)]
    listed = {record["order"]: Order(record["indices"]) for record in own if record["judge"] == ORDERS}
    if len(listed) == len(RULES) + RANDOM + 2:
        return listed, []
    orders = bench.orders()
    case = {"case": bench.name, "backbone": bench.backbone, "judge": ORDERS, "seed": 0}
    new = [(name, order.indices.tolist()) for name, order in orders.items() if name not in listed]
    return {**orders, **listed}, [{**case, "order": name, "indices": indices} for name, indices in new]


def main() -> None:
    """Measure what is missing, and print the results so far."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("judges.jsonl"))
    parser.add_argument("--cases", nargs="+", default=list(DATA_SETS), choices=list(DATA_SETS))
    parser.add_argument("--backbones", nargs="+", default=list(BACKBONES), choices=list(BACKBONES))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--report", action="store_true", help="only print the results so far")
    arguments = parser.parse_args()
    lines = arguments.out.read_text().splitlines() if arguments.out.exists() else []
    records: list[Record] = [json.loads(line) for line in lines]
    torch.set_num_threads(1)
    host = PluginHost(third_party=False)
    opened: dict[str, DataSplits] = {}
    for seed in range(arguments.seeds) if not arguments.report else ():
        for name in arguments.cases:
            if not has_data(name, arguments.data):
                print(f"skipped {name}: its data is not in {arguments.data}", file=sys.stderr)
                continue
            for backbone in arguments.backbones:
                if name not in opened:
                    opened[name] = compose(recipe(name, backbone, arguments.data, 0), host, name).open_data()
                bench = Bench(name, backbone, arguments.data, host, opened[name], Lengths())
                for record in measure(bench, records, seed):
                    records.append(record)
                    with arguments.out.open("a") as file:
                        file.write(json.dumps(record) + "\n")
            print(f"{name}, seed {seed}: done", file=sys.stderr, flush=True)
    print("\n".join(report(records)))


def measure(bench: Bench, records: Sequence[Record], seed: int) -> Iterator[Record]:
    """Missing records of a case with one seed, its orders first."""
    orders, new = orders_of(bench, records)
    yield from new
    own = [record for record in records if (record["case"], record["backbone"]) == (bench.name, bench.backbone)]
    done = {(record["judge"], record["order"], record["seed"]) for record in own}
    yield from measured(bench, orders, seed, done)


if __name__ == "__main__":
    main()
