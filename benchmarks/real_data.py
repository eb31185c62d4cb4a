"""Real photographs, end to end: do tasks beyond single labels learn anything, and how much?

    python benchmarks/real_data.py DATA --seeds 4 --jobs 2

DATA is a folder with `aquarium` (COCO boxes, labels.csv), `dsb2018-nuclei` (instance maps, index.csv) and `coco-open`
(labels.csv). Each case is trained on a small budget with an order-learner, and compared with a model with the same
schedule and seed whose training targets are shuffled (`shuffled-targets`), which shows the score without information
from images. The script prints means over seeds with standard errors, and the difference in standard errors. Test images
are read once, with the final weights.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any

from reorder_kit.experiment.compose import compose
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.jobs.engine import outcomes
from reorder_kit.jobs.local_processes import LocalProcesses
from reorder_kit.jobs.slots import slots_of_one_thread
from reorder_kit.runs.result import RunResult
from reorder_kit.training.run import run_experiment

CONTROL = "shuffled-targets"
LOCAL = {"name": "local", "patch_size": 8, "window": 16, "causal": False, "depth": 2, "dim": 64, "readout": "mean"}
MAMBA = {"name": "mamba", "patch_size": 16, "depth": 2, "dim": 64, "state": 4}
SOFTSORT = {"name": "softsort"}
REINFORCE = {"name": "reinforce", "groups": 4}
AUGMENTED = ["RandomHorizontalFlip", {"name": "RandomResizedCrop", "size": 128, "scale": [0.4, 1.0]}]
CASES: dict[str, dict[str, Any]] = {
    "aquarium, detection": {
        "data": {"name": "coco-detection", "root": "aquarium", "image_size": 128, "batch_size": 16},
        "task": {"name": "detection", "scales": [1.0, 0.5], "convolutions": 1},
        "backbone": LOCAL,
        "order": {"start": "hilbert", "learner": SOFTSORT},
        "optimizer": {"lr": 2e-3, "weight_decay": 0.05},
        "train": {"epochs": 30},
    },
    "aquarium, multi-label": {
        "data": {"name": "multi-label-csv", "root": "aquarium", "image_size": 128, "batch_size": 16},
        "task": "multi-label",
        "backbone": MAMBA,
        "order": {"start": "row", "learner": REINFORCE},
        "train": {"epochs": 15},
    },
    "nuclei, segmentation": {
        "data": {
            "name": "segmentation-folder",
            "root": "dsb2018-nuclei",
            "index": "index.csv",
            "instance_maps": True,
            "image_size": 96,
            "batch_size": 16,
        },
        "task": {"name": "segmentation", "dice_weight": 1.0},
        "backbone": LOCAL,
        "order": {"start": "hilbert", "learner": SOFTSORT},
        "optimizer": {"lr": 2e-3, "weight_decay": 0.05},
        "train": {"epochs": 10},
    },
    "coco-open, multi-label": {
        "data": {
            "name": "multi-label-csv",
            "root": "coco-open",
            "image_size": 128,
            "batch_size": 16,
            "train_transforms": AUGMENTED,
        },
        "task": "multi-label",
        "backbone": MAMBA,
        "order": {"start": "row", "learner": REINFORCE},
        "train": {"epochs": 40},
    },
}


@dataclass(frozen=True)
class RealRun:
    """A case with a seed, and its control.

    Args:
        case: the name of the case.
        data: the folder of the data sets.
        seed: the seed of weights, batches and orders.
    """

    case: str
    data: Path
    seed: int

    def __str__(self) -> str:
        return f"{self.case}, seed {self.seed}"

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe, including the control."""
        sections = CASES[self.case]
        return {
            "format_version": 1,
            "name": "real",
            "seed": self.seed,
            "optimizer": {"lr": 1e-3, "weight_decay": 0.05},
            "schedule": {"warmup_epochs": 1},
            "controls": [CONTROL],
            **sections,
            # If the data has no validation images, every seed sets aside different ones.
            "data": {"split_seed": None, **sections["data"], "root": str(self.data / sections["data"]["root"])},
            "train": {"clip_grad": 1.0, "device": "cpu", **sections["train"]},
        }

    def train(self, host: PluginHost) -> dict[str, Any]:
        """Train both in a temporary folder."""
        with TemporaryDirectory() as name:
            _, result = run_experiment(compose(self.recipe, host, str(self)), host, Path(name) / "run")
        return result.as_dict()


def print_row(case: str, results: list[RunResult]) -> None:
    """Means over seeds, standard errors, and their difference."""
    headline = results[0].headline
    own = [result.score for result in results]
    control = [control.score for result in results for control in result.compared_controls]
    count = len(results)
    errors = [stdev(values) / count**0.5 if count > 1 else float("nan") for values in (own, control)]
    error = (errors[0] ** 2 + errors[1] ** 2) ** 0.5
    apart = (mean(own) - mean(control)) / error if error else float("nan")
    images, seconds = results[0].metrics.test.images, mean(result.seconds for result in results)
    print(
        f"| {case} | {headline} | {images} | {mean(own):.3f} ± {errors[0]:.3f} | {mean(control):.3f} ± {errors[1]:.3f} "
        f"| {apart:.1f} | {seconds:.0f} |",
        flush=True,
    )


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=2, help="number of single-thread processes")
    arguments = parser.parse_args()
    print("| data, task | metric | test images | learned order | shuffled targets | standard errors apart | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for case in arguments.cases:
        runs = [RealRun(case, arguments.data, seed) for seed in range(arguments.seeds)]
        results = []
        with LocalProcesses[RealRun](slots_of_one_thread(arguments.jobs)) as processes:
            for run, plain in outcomes(runs, processes):
                results.append(RunResult.parse(plain, str(run)))
                print(f"{run}: {results[-1].seconds:.0f} s", file=sys.stderr)
        print_row(case, results)


if __name__ == "__main__":
    main()
