"""Is a start that sees labels and the model better than fixed orders, where 5 of 16 slots are read?

    python benchmarks/informed.py DATA --out informed.jsonl --seeds 3
    python benchmarks/informed.py DATA --out informed.jsonl --report

DATA is a folder with `caltech101-64` and `eurosat`, each with tar archives of `train/CLASS/*.jpg` and
`test/CLASS/*.jpg`, which are unpacked into the system's folder for temporary files; a case without its data is skipped.
Of Caltech-101, the ten largest classes are read, with one of the two croppings of faces. Every order trains the same
local attention from scratch with the same weights and batches; nothing learns an order. `reversed` puts the patches
that tell least where the model looks; `center` puts the middle of the image there. Run the same command again to
resume. It prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import sys
import tarfile
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.start_by_prior import StartByPrior, no_influence
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import RankingPrior
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.training.run import run_experiment

CLASSES = 10
TWICE = "Faces_easy"  # other croppings of the photographs of Faces
STEPS = 300
ORDERS = ("informed", "probe", "pixel-deviation", "center", "reversed", "row", "snake", "spiral", "random")
LOCAL = {"name": "local", "window": 2, "causal": True, "readout": "last", "depth": 2, "dim": 32}


@dataclass(frozen=True)
class Case:
    """A data set.

    Args:
        folder: where it lies in DATA; None for the embedded digits.
        patch: height and width of a patch, pixels.
        unpack: makes a folder for each class of it.
    """

    folder: str | None
    patch: int
    unpack: Callable[[Path], Path]


def unpacked(source: Path, most: int | None) -> Path:
    """The images of the largest classes as folders; of all classes if not said."""
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


CASES = {
    "digits": Case(None, 2, lambda source: source),
    "caltech": Case("caltech101-64", 16, lambda source: unpacked(source, CLASSES)),
    "eurosat": Case("eurosat", 16, lambda source: unpacked(source, None)),
}


def recipe(case: Case, start: Any, root: Path | None, seed: int, steps: int) -> dict[str, Any]:
    """The recipe of a run."""
    photos = {"name": "image-folder", "root": str(root), "image_size": 64}
    return {
        "format_version": 1,
        "name": "informed",
        "seed": seed,
        "data": {**(photos if root else {"name": "digits"}), "batch_size": 64},
        "backbone": {**LOCAL, "patch_size": case.patch},
        "order": {"start": start},
        "controls": [],
        "optimizer": {"lr": 3e-3, "weight_decay": 0.03},
        "train": {"steps": steps, "clip_grad": 5.0, "device": "cpu"},
    }


def write_ranking(case: Case, root: Path | None, seed: int, file: Path, host: PluginHost) -> None:
    """Write the informed ranking of patches as an order file."""
    experiment = compose(recipe(case, {"prior": "informed"}, root, seed, STEPS), host, "informed")
    assert isinstance(experiment.start, StartByPrior)
    splits = experiment.open_data()
    grid = experiment.facts(splits.image).grid
    prior = experiment.start.build(splits.image, grid)
    assert isinstance(prior, RankingPrior)
    ranking = prior.rank(experiment.prior_context(grid, splits, no_influence))
    OrderFile("informed ranking", grid, ranking.patches).save(file)


def start_of(order: str, ranking: Path) -> Any:
    """What a recipe starts from."""
    if order == "reversed":
        backward = {"name": "custom", "file": str(ranking), "reverse": True}
        return {"prior": {"name": "influence-matched", "ranking": backward}}
    if order == "center":
        return {"prior": "influence-matched"}
    return {"prior": order} if order in ("informed", "probe", "pixel-deviation") else order


def train(name: str, order: str, root: Path | None, seed: int, steps: int, host: PluginHost) -> dict[str, Any]:
    """A run, in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        ranking = Path(folder) / "ranking.json"
        if order == "reversed":
            write_ranking(CASES[name], root, seed, ranking, host)
        content = recipe(CASES[name], start_of(order, ranking), root, seed, steps)
        _, result = run_experiment(compose(content, host, name), host, Path(folder) / "run")
    found = {"case": name, "order": order, "seed": seed, "steps": steps}
    return {**found, "score": result.score, "seconds": result.seconds, "start": result.order.start}


def report(records: list[dict[str, Any]]) -> None:
    """Print a table for each case and length."""
    by_case: dict[tuple[str, int], dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for record in records:
        by_case[record["case"], record["steps"]][record["order"]][record["seed"]] = record["score"]
    for (case, steps), scores in by_case.items():
        print(f"\n**{case}, {steps} steps**\n")
        print("| order | top-1, mean | seeds | behind informed |\n| --- | --- | --- | --- |")
        best_first = sorted(scores.items(), key=lambda item: -mean(item[1].values()))
        for order, of_seeds in best_first:
            each = ", ".join(f"{of_seeds[seed]:.3f}" for seed in sorted(of_seeds))
            informed = scores.get("informed", {})
            behind = [informed[seed] - of_seeds[seed] for seed in of_seeds if seed in informed]
            error = f" ± {stdev(behind) / len(behind) ** 0.5:.3f}" if len(behind) > 1 and order != "informed" else ""
            gap = f"{mean(behind):+.3f}{error}" if behind and order != "informed" else ""
            print(f"| {order} | {mean(of_seeds.values()):.3f} | {each} | {gap} |")


def main() -> None:
    """Train what is missing, and print what there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("informed.jsonl"))
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--orders", nargs="+", default=list(ORDERS), choices=list(ORDERS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, nargs="+", default=[STEPS])
    parser.add_argument("--report", action="store_true", help="train nothing, print what there is")
    arguments = parser.parse_args()
    lines = arguments.out.read_text().splitlines() if arguments.out.exists() else []
    records = [json.loads(line) for line in lines]
    done = {(record["case"], record["order"], record["seed"], record["steps"]) for record in records}
    host = PluginHost(third_party=False)
    for steps in arguments.steps if not arguments.report else ():
        for name in arguments.cases:
            source = CASES[name].folder
            if source is not None and not list((arguments.data / source).glob("*.tar.gz")):
                print(f"skipped {name}: {arguments.data / source} holds no archives", file=sys.stderr)
                continue
            root = None if source is None else CASES[name].unpack(arguments.data / source)
            # Seed by seed, so that what there is when it is stopped can be compared.
            for seed in range(arguments.seeds):
                for order in arguments.orders:
                    if (name, order, seed, steps) in done:
                        continue
                    records.append(train(name, order, root, seed, steps, host))
                    with arguments.out.open("a") as file:
                        file.write(json.dumps(records[-1]) + "\n")
                    print(f"{name}, {order}, seed {seed}: {records[-1]['score']:.3f}", file=sys.stderr, flush=True)
    report(records)


if __name__ == "__main__":
    main()
