"""Should `precision: auto` be bf16 on a CPU that supports it? Accuracy and processor time of fp32 and bf16 training.

    OMP_NUM_THREADS=1 python benchmarks/precision.py --data FOLDER --out benchmarks/raw/precision.jsonl
    OMP_NUM_THREADS=1 python benchmarks/precision.py --steps --out benchmarks/raw/precision.jsonl

FOLDER holds `eurosat`, as `benchmarks/informed.py` reads it. Both precisions train the same initial weights on the same
batches, alternately; no order is learned. Processor time is that of the whole run. Run the same command again to
resume. With --steps, steps at size tiny and 224 px (`benchmarks/limit.py`) are measured instead.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch
from informed import CASES
from limit import Classifier, step_of

from reorder_kit.experiment.compose import compose
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.training.run import run_experiment

PRECISIONS = ("fp32", "bf16")
MODELS: dict[str, dict[str, Any]] = {
    "vit": {"name": "vit", "dim": 64, "depth": 4, "heads": 4},
    "local": {"name": "local", "dim": 64, "depth": 2, "window": 2, "readout": "mean"},
}
DATA: dict[str, tuple[dict[str, Any], int, int]] = {
    "digits": ({"name": "digits"}, 2, 300),
    "eurosat": ({"name": "image-folder", "image_size": 64}, 8, 200),
}
"""The source, the side of a patch in pixels, and training steps."""
TINY = {name: {"name": name} for name in ("vit", "longformer", "transformer-xl")}


def recipe(case: str, model: str, precision: str, seed: int, root: Path | None) -> dict[str, Any]:
    """The recipe of a run."""
    source, patch_size, steps = DATA[case]
    photos = {"root": str(root), "cache": "memory"} if root else {}
    return {
        "format_version": 1,
        "name": "precision",
        "seed": seed,
        "data": {**source, **photos, "batch_size": 64},
        "backbone": {**MODELS[model], "patch_size": patch_size},
        "order": {"start": "row"},
        "controls": [],
        "optimizer": {"lr": 1e-3, "weight_decay": 0.03},
        "train": {"steps": steps, "clip_grad": 5.0, "device": "cpu", "precision": precision},
    }


def train(case: str, model: str, precision: str, seed: int, root: Path | None) -> dict[str, Any]:
    """Train a run in a temporary folder."""
    host = PluginHost(third_party=False)
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        content = recipe(case, model, precision, seed, root)
        _, result = run_experiment(compose(content, host, case), host, Path(folder) / "run")
    return {"score": result.score, "seconds": round(time.process_time() - began, 2)}


def runs(data: Path | None, seeds: int, done: set[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """A record for each missing run; the two precisions of a seed are consecutive."""
    for case, model, seed, precision in product(DATA, MODELS, range(seeds), PRECISIONS):
        source = CASES[case]
        if (case, model, seed, precision) in done or (source.folder and not data):
            continue
        root = source.unpack(data / source.folder) if source.folder and data else None
        key = {"case": case, "model": model, "seed": seed, "precision": precision}
        yield {**key, **train(case, model, precision, seed, root), "torch": torch.__version__}


def steps(rounds: int, done: set[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """A record for each missing tiny model and precision; they alternate."""
    contestants = {}
    for name, precision in product(TINY, PRECISIONS):
        if ("step", f"{name}, tiny", 0, precision) in done:
            continue
        step = step_of(Classifier(TINY[name]), batch=8)
        contestants[name, precision] = step
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for number, ((name, precision), step) in product(range(rounds + 1), contestants.items()):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            began = time.process_time()
            step()
        if number:
            seconds[name, precision].append(time.process_time() - began)
    for (name, precision), values in seconds.items():
        key = {"case": "step", "model": f"{name}, tiny", "seed": 0, "precision": precision}
        yield {**key, "score": None, "seconds": round(median(values), 4), "torch": torch.__version__}


def report(records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A row for each data set and model."""
    rows: dict[tuple[str, str], dict[str, list[Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        rows[record["case"], record["model"]][record["precision"]].append(record)
    yield "| data | model | top-1, fp32 | top-1, bf16 | seconds, fp32 | seconds, bf16 | times faster |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for (case, model), found in sorted(rows.items()):
        scores = [_scores(found[precision]) for precision in PRECISIONS]
        times = [mean(record["seconds"] for record in found[precision]) for precision in PRECISIONS]
        shown = [f"{value:.2f}" if value < 10 else f"{value:.0f}" for value in times]
        yield f"| {case} | {model} | {' | '.join(scores)} | {' | '.join(shown)} | {times[0] / times[1]:.2f} |"


def _scores(records: Iterable[Mapping[str, Any]]) -> str:
    values = [record["score"] for record in sorted(records, key=lambda record: record["seed"])]
    if None in values:
        return "-"
    return f"{mean(values):.3f} ({', '.join(f'{value:.3f}' for value in values)})"


def main() -> None:
    """Measure what is missing, and print the results so far."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with eurosat; without it, only digits")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", action="store_true", help="measure steps of tiny models instead of runs")
    parser.add_argument("--out", type=Path, required=True, help="JSON Lines file of the records")
    chosen = parser.parse_args()
    lines = chosen.out.read_text().splitlines() if chosen.out.exists() else []
    records = [json.loads(line) for line in lines]
    done = {tuple(record[name] for name in ("case", "model", "seed", "precision")) for record in records}
    for record in steps(4, done) if chosen.steps else runs(chosen.data, chosen.seeds, done):
        records.append(record)
        with chosen.out.open("a") as file:
            file.write(json.dumps(record) + "\n")
    print("\n".join(report(records)))


if __name__ == "__main__":
    main()
