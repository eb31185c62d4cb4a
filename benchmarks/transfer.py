"""Does an order learned on digits help on satellite photos, and vice versa? With two backbones.

    python benchmarks/transfer.py --eurosat EUROSAT --out transfer --seeds 3 --jobs 2

EUROSAT is a folder with EuroSAT's photos, as `train/CLASS/*.jpg` and `test/CLASS/*.jpg`, or with tar archives of that
(`train-00.tar.gz`, ...), of which the first two for training and the first for testing are unpacked to the system's
temporary folder. Both data sets are read as 8x8 patches: digits with one pixel per patch, photos in tiles of 8 pixels.
All recipes start from the same random order, a different one for every seed; all slots reach the readout. A stopped
transfer resumes. It prints Markdown for RESULTS.md; the picture is in the folder.
"""

from __future__ import annotations

import argparse
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.jobs.local_processes import LocalProcesses
from reorder_kit.jobs.slots import slots_of_one_thread
from reorder_kit.transfer.files import write_results
from reorder_kit.transfer.run_transfer import Work, plan_transfer, run_transfer

BACKBONES: dict[str, dict[str, Any]] = {
    "recurrent": {"name": "recurrent", "readout": "last"},
    "local": {"name": "local", "window": 2, "causal": False, "readout": "mean"},
}
EPOCHS = {"digits": 10, "eurosat": 3}
ARCHIVES = ("train-00.tar.gz", "train-01.tar.gz", "test-00.tar.gz")


def recipe(data: str, backbone: str, root: Path) -> dict[str, Any]:
    """The recipe for one data set and backbone."""
    sources: dict[str, dict[str, Any]] = {
        "digits": {"name": "digits"},
        "eurosat": {"name": "image-folder", "root": str(root), "image_size": 64},
    }
    return {
        "format_version": 1,
        "name": f"{data}-{backbone}",
        "data": {**sources[data], "batch_size": 50},
        "backbone": {**BACKBONES[backbone], "depth": 2, "dim": 32, "grid": [8, 8]},
        "order": {"start": "random", "learner": {"name": "gumbel-sinkhorn"}},
        "optimizer": {"lr": 3e-3, "weight_decay": 0.03},
        "schedule": {"warmup_epochs": 1},
        "train": {"epochs": EPOCHS[data], "clip_grad": 5.0, "device": "cpu"},
    }


def photos(eurosat: Path) -> Path:
    """The folder of photos, unpacked if necessary."""
    if (eurosat / "train").exists():
        return eurosat
    # Always the same path: it is in the recipe, which must not change when a run resumes.
    root = Path(tempfile.gettempdir()) / "reorder-kit-eurosat"
    for name in ARCHIVES if not root.exists() else ():
        with tarfile.open(eurosat / name) as archive:
            archive.extractall(root, filter="data")
    return root


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--eurosat", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("transfer"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="number of single-thread processes")
    arguments = parser.parse_args()
    if not ((arguments.eurosat / "train").exists() or (arguments.eurosat / ARCHIVES[0]).exists()):
        sys.exit(f"skipped: {arguments.eurosat} has neither a folder train nor {ARCHIVES[0]}")
    host = PluginHost.from_environment()
    root = photos(arguments.eurosat)
    recipes = [(recipe(data, backbone, root), f"{data}-{backbone}") for backbone in BACKBONES for data in EPOCHS]
    plan = plan_transfer(recipes, range(arguments.seeds), arguments.out, None, host)
    processes = LocalProcesses[Work](slots_of_one_thread(arguments.jobs))
    results = run_transfer(plan, host, processes, lambda text: print(text, file=sys.stderr, flush=True))
    write_results(results, arguments.out)
    print(results.markdown())


if __name__ == "__main__":
    main()
