"""How much the order spreads the scores of each model of a study, compared with its effective slots.

    reorder-kit study studies/inductive_bias.yaml --jobs 2
    python benchmarks/study_spread.py runs/inductive_bias --out benchmarks/raw/inductive-bias.jsonl

Each finished run of a fixed order becomes a record: its model, order and seed, its score, and the number of slots over
which the gradient of the loss was spread after training (effective slots). A study may be unfinished: the table uses
the seeds that all orders of a model have, and shows how many these are.

The spread is the standard deviation of the effect of orders on a score, corrected for seeds: the variance between
orders minus that of the residuals, divided by the number of seeds. Negative values are set to 0. The range from the
best order to the worst is larger by chance alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reorder_kit.orders.matching import effective_slots
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.studies.results import StudyResult

Record = Mapping[str, Any]


def records_of(folder: Path) -> Iterator[dict[str, Any]]:
    """A record for every finished run of a fixed order."""
    study = StudyResult.read(folder / "study.json")
    for row in study.rows:
        if row.learner is not None or row.control is not None:
            continue
        for seed, run, score in zip(row.seeds, row.runs, row.score.values, strict=True):
            result = RunFolder(folder / run).read_result()
            influence = result.order.influence
            yield {
                "study": study.name,
                "data": row.data,
                "model": row.backbone,
                "length": row.length,
                "order": row.start,
                "seed": seed,
                "score": round(score, 6),
                "effective_slots": None if influence is None else round(effective_slots(torch.tensor(influence)), 2),
                "slots": row.num_slots,
            }


def spread(scores: np.ndarray) -> float:
    """The standard deviation of the effect of orders on a score, from paired seeds.

    Args:
        scores: one score per order (first axis) and seed (second axis).
    """
    orders, seeds = scores.shape
    of_orders = scores.mean(axis=1) - scores.mean()
    residuals = scores - scores.mean(axis=1, keepdims=True) - scores.mean(axis=0) + scores.mean()
    between = seeds * (of_orders**2).sum() / (orders - 1)
    within = (residuals**2).sum() / ((orders - 1) * (seeds - 1))
    return float(np.sqrt(max(0.0, (between - within) / seeds)))


def report(records: Sequence[Record]) -> Iterator[str]:
    """A row for each model and training length, in the order of the study."""
    yield "| data | model | seeds | best order | worst order | range | spread over orders | effective slots |"
    yield "| --- | --- | ---: | --- | --- | ---: | ---: | ---: |"
    models: dict[tuple[str, str, float], list[Record]] = defaultdict(list)
    for record in records:
        models[record["data"], record["model"], record["length"]].append(record)
    for (data, model, length), own in models.items():
        by_order: dict[str, dict[int, float]] = defaultdict(dict)
        for record in own:
            by_order[record["order"]][record["seed"]] = record["score"]
        seeds = sorted(set.intersection(*(set(scores) for scores in by_order.values())))
        if len(seeds) < 2 or len(by_order) < 2:
            continue
        scores = np.array([[of_seed[seed] for seed in seeds] for of_seed in by_order.values()])
        names, means = list(by_order), scores.mean(axis=1)
        best, worst = int(means.argmax()), int(means.argmin())
        in_all = [record for record in own if record["seed"] in seeds]
        seen = [record["effective_slots"] for record in in_all if record["effective_slots"] is not None]
        slots = f"{np.mean(seen):.1f} of {own[0]['slots']}" if seen else ""
        ends = " | ".join(f"{names[order]} {means[order]:.3f}" for order in (best, worst))
        size = f"{means[best] - means[worst]:.3f} | {spread(scores):.3f}"
        longer = "" if length == 1 else f", {length:g} times as long"
        yield f"| {data} | `{model}`{longer} | {len(seeds)} | {ends} | {size} | {slots} |"


def main() -> int:
    """Collect the records of a study, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="folder of the study, such as runs/inductive_bias")
    parser.add_argument("--out", type=Path, help="file for the records")
    arguments = parser.parse_args()
    records = list(records_of(arguments.study))
    if arguments.out is not None:
        arguments.out.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    print("\n".join(report(records)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
