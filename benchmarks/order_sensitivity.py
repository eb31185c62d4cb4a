"""How much a fixed order matters for every backbone: test accuracy by order.

    python benchmarks/order_sensitivity.py run digits-4x4 digits-8x8 --seeds 5 --jobs 2 --out sensitivity.jsonl
    python benchmarks/order_sensitivity.py run eurosat-8x8 --root EUROSAT --seeds 1 --out sensitivity.jsonl
    python benchmarks/order_sensitivity.py report sensitivity.jsonl

The same training for every order, without a learner. Settings in which every slot reaches the readout are separate from
those in which an order also selects patches. Seeds are paired: a seed gives the same weights and batches for every
order. Each row of the report has the p-value of Friedman's test (Friedman, 1937) for differences between orders beyond
those between seeds. `run` resumes where it was stopped; if the settings in this script have changed, use another file.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import friedmanchisquare

import reorder_kit
from reorder_kit.host.plugin_host import PluginHost

ORDERS = ("row", "column", "hilbert", "spiral", "diagonal", "snake", "random")
WIDTH = {"depth": 2, "dim": 32}
TRANSFORMER = {"heads": 4, **WIDTH}
ONE_WAY = {"bidirectional": False, "readout": "last"}
SCANNED = {"state": 16, "head_dim": 16, **WIDTH}
BACKBONES: dict[str, dict[str, Any]] = {
    "vit, mean": {"name": "vit", "readout": "mean", **TRANSFORMER},
    "recurrent, last": {"name": "recurrent", **WIDTH},
    "mamba, one direction, last": {
        "name": "mamba",
        "state": 4,
        "bidirectional": False,
        "readout": "last",
        **WIDTH,
    },
    "mamba, both directions, mean": {"name": "mamba", "state": 4, "readout": "mean", **WIDTH},
    "longformer, window 2, cls": {"name": "longformer", "window": 2, "readout": "cls", **TRANSFORMER},
    "transformer-xl, segment 8, memory 32, last": {
        "name": "transformer-xl",
        "segment": 8,
        "memory": 32,
        "readout": "last",
        **TRANSFORMER,
    },
    "local, window 2, both sides, mean": {
        "name": "local",
        "window": 2,
        "causal": False,
        "readout": "mean",
        **WIDTH,
    },
    "local, window 2, causal, last": {"name": "local", "window": 2, "readout": "last", **WIDTH},
    "transformer-xl, segment 4, memory 0, last": {
        "name": "transformer-xl",
        "segment": 4,
        "memory": 0,
        "readout": "last",
        **TRANSFORMER,
    },
    "mamba2, one direction, last": {"name": "mamba2", **SCANNED, **ONE_WAY},
    "mamba2, both directions, mean": {"name": "mamba2", **SCANNED, "readout": "mean"},
    "gated-deltanet, one direction, last": {"name": "gated-deltanet", "heads": 2, "head_dim": 16, **WIDTH, **ONE_WAY},
    "arm, four scans, mean": {"name": "arm", "state": 4, **WIDTH},
    "vmamba, four scans, mean": {"name": "vmamba", "dim": 32, "depths": [1, 1]},
    "hierarchical, window 2, mean": {"name": "hierarchical", "dim": 32},
    "sparse, stride 4, causal, last": {
        "name": "sparse",
        "stride": 4,
        "causal": True,
        "readout": "last",
        **TRANSFORMER,
    },
    "violin, along the sequence, mean": {"name": "violin", "along_sequence": True, **TRANSFORMER},
}
DATA: dict[str, dict[str, Any]] = {
    "digits-4x4": {"data": {"name": "digits", "batch_size": 100}, "grid": [4, 4], "epochs": 10},
    "digits-8x8": {"data": {"name": "digits", "batch_size": 100}, "grid": [8, 8], "epochs": 5},
    "eurosat-8x8": {
        "data": {"name": "image-folder", "batch_size": 100, "image_size": 64},
        "grid": [8, 8],
        "epochs": 1,
    },
}


def recipe(data: str, backbone: str, order: str, seed: int, root: str | None) -> dict[str, Any]:
    """The recipe of one cell."""
    setting = DATA[data]
    source = setting["data"] if root is None else {**setting["data"], "root": root}
    start = {"name": "random", "seed": seed} if order == "random" else order
    return {
        "format_version": 1,
        "name": "sensitivity",
        "seed": seed,
        "data": source,
        "backbone": {**BACKBONES[backbone], "grid": setting["grid"]},
        "order": {"start": start},
        "optimizer": {"lr": 3e-3, "weight_decay": 0.03},
        "schedule": {"warmup_epochs": 1},
        "train": {"epochs": setting["epochs"], "clip_grad": 5.0, "device": "cpu"},
    }


def train(data: str, backbone: str, order: str, seed: int, root: str | None) -> dict[str, Any]:
    """Train a cell and return what the report needs."""
    torch.set_num_threads(1)
    host = PluginHost(third_party=False, blocked=["events.pictures", "events.tensorboard"])
    with tempfile.TemporaryDirectory() as folder:
        result = reorder_kit.run(recipe(data, backbone, order, seed, root), out=Path(folder) / "run", host=host).result
    return {
        "data": data,
        "backbone": backbone,
        "order": order,
        "seed": seed,
        "top1": result.metrics.test["top1"],
        "reach": [result.order.reach.slots, result.order.reach.of],
        "seconds": round(result.seconds, 1),
    }


def run(data: list[str], backbones: list[str], seeds: int, jobs: int, root: str | None, out: Path) -> None:
    """Train the cells that are not in the file yet."""
    lines = out.read_text().splitlines() if out.exists() else []
    done = {(cell["data"], cell["backbone"], cell["order"], cell["seed"]) for cell in map(json.loads, lines)}
    wanted = [
        (name, backbone, order, seed)
        for name in data
        for seed in range(seeds)
        for backbone in backbones
        for order in ORDERS
    ]
    missing = [cell for cell in wanted if cell not in done]
    with ProcessPoolExecutor(jobs) as pool, out.open("a") as file:
        for result in pool.map(train, *zip(*missing, strict=True), [root] * len(missing)):
            file.write(json.dumps(result) + "\n")
            file.flush()


def report(path: Path) -> None:
    """Print a table for each data set: mean accuracy by order, in percent, and whether the orders differ."""
    by_setting: dict[tuple[str, str], dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    reach, seconds = {}, 0.0
    for cell in map(json.loads, path.read_text().splitlines()):
        by_setting[cell["data"], cell["backbone"]][cell["order"]][cell["seed"]] = 100 * cell["top1"]
        reach[cell["data"], cell["backbone"]] = cell["reach"]
        seconds += cell["seconds"]
    for data in dict.fromkeys(data for data, _ in by_setting):
        print(f"\n{data}\n| backbone | reach | {' | '.join(ORDERS)} | spread | seeds' sd | p |")
        print("| --- | --- |" + " --- |" * (len(ORDERS) + 3))
        for (name, backbone), by_order in by_setting.items():
            if name == data:
                read, slots = reach[data, backbone]
                print(f"| {backbone} | {read} of {slots} | {' | '.join(figures(by_order))} |")
    print(f"\n{seconds / 60:.0f} minutes of training in all")


def figures(by_order: dict[str, dict[int, float]]) -> list[str]:
    """Mean by order; range of the means; standard deviation over seeds; p-value of Friedman's test."""
    seeds = sorted(set.intersection(*(set(by_order[order]) for order in ORDERS)))
    if not seeds:
        return ["-"] * (len(ORDERS) + 3)
    table = np.array([[by_order[order][seed] for seed in seeds] for order in ORDERS])
    means = table.mean(axis=1)
    columns = [f"{mean:.1f}" for mean in means] + [f"{means.max() - means.min():.1f}"]
    if len(seeds) < 3:
        return [*columns, "-", "-"]
    deviation = np.sqrt(table.var(axis=1, ddof=1).mean())
    same = np.all(table == table[0])
    p_value = 1.0 if same else float(friedmanchisquare(*table).pvalue)
    return [*columns, f"{deviation:.1f}", f"{p_value:.2g}"]


def main() -> None:
    """Run one of the two commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    training = commands.add_parser("run")
    training.add_argument("data", nargs="+", choices=list(DATA))
    training.add_argument("--backbones", nargs="+", default=list(BACKBONES), choices=list(BACKBONES))
    training.add_argument("--seeds", type=int, default=5)
    training.add_argument("--jobs", type=int, default=1, help="number of single-thread processes")
    training.add_argument("--root", help="folder of the photos")
    training.add_argument("--out", type=Path, default=Path("sensitivity.jsonl"))
    training.set_defaults(action=run)
    reporting = commands.add_parser("report")
    reporting.add_argument("path", type=Path)
    reporting.set_defaults(action=report)
    arguments = vars(parser.parse_args())
    arguments.pop("action")(**arguments)


if __name__ == "__main__":
    main()
