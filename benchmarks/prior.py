"""Time and memory of a prior: seconds by prior, and peak memory by the number of images.

python benchmarks/prior.py [--images 2000] [--size 64] [--patch 8]

Images are made up: smooth shapes under a little noise. Eleven orderings: every one that needs no options, and some of
them reversed. Each measurement is a process of its own; seconds are of ranking alone, memory is that of the process.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import torch

from reorder_kit.grid import Grid
from reorder_kit.interfaces import DataSplits, ImageShape, Sample
from reorder_kit.patch_order import Order
from reorder_kit.plugin_manager import PluginHost
from reorder_kit.study.prior_ranking import rank_orderings
from reorder_kit.training_patches import TrainingPatches

ORDERINGS = 11
HOST = PluginHost(third_party=False)


class MadeUp:
    """Images by number, made when they are asked for."""

    def __init__(self, count: int, size: int) -> None:
        self.count, self.size = count, size

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        random = torch.Generator().manual_seed(index)
        shapes = torch.rand(1, 3, 6, 6, generator=random)
        image = torch.nn.functional.interpolate(shapes, size=(self.size, self.size), mode="bilinear")[0]
        return Sample(image + 0.02 * torch.randn(image.shape, generator=random), 0)


def orders_of(grid: Grid) -> dict[str, Order]:
    rules = [HOST.orderings.get(name) for name in HOST.orderings if name != "custom"]
    orders = {rule.name: rule().order(grid) for rule in rules}
    for rule in rules:
        orders[f"{rule.name}, reversed"] = rule(rule.Options(reverse=True)).order(grid)
    return dict(list(orders.items())[:ORDERINGS])


def measure(prior: str, images: int, size: int, patch: int) -> dict[str, float]:
    """Rank, in this process."""
    grid = Grid(size // patch, size // patch)
    samples = MadeUp(images, size)
    splits = DataSplits(ImageShape(3, size, size), ["one"], samples, samples, samples)
    orders = orders_of(grid)
    began = time.perf_counter()
    rank_orderings(HOST.priors.get(prior)(), TrainingPatches(splits, grid, 0, images), orders, 0)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def in_a_process(*arguments: object) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", *map(str, arguments)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000, help="images that are scored")
    parser.add_argument("--size", type=int, default=64, help="height and width of an image, pixels")
    parser.add_argument("--patch", type=int, default=8, help="height and width of a patch, pixels")
    parser.add_argument("--measure", nargs=4, metavar=("PRIOR", "IMAGES", "SIZE", "PATCH"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        prior, *numbers = arguments.measure
        print(json.dumps(measure(prior, *map(int, numbers))))
        return
    size, patch = arguments.size, arguments.patch
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads; {ORDERINGS} orderings, {size} px, {patch} px\n"
    )
    print("| prior | images | seconds | peak memory, MiB |\n| --- | --- | --- | --- |")
    for prior in HOST.priors:
        for images in (arguments.images // 4, arguments.images // 2, arguments.images):
            found = in_a_process(prior, images, size, patch)
            print(f"| {prior} | {images:,} | {found['seconds']:.1f} | {found['mib']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
