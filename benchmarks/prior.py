"""Time and memory of priors: seconds by prior, and peak memory by the number of images.

python benchmarks/prior.py [--images 500 2000 8000] [--size 64] [--patch 8]

Images are synthetic: smooth shapes with a little noise. Eleven orderings: every one that needs no options, and some of
them reversed. Tokens are pixels, and codes of an untrained VQ-VAE, which take as long as those of a trained one. Each
measurement runs in its own process. Seconds are for ranking only, also summed over all threads; memory is that of the
process, mostly libraries.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from reorder_kit.analysis.prior_ranking import rank_orderings
from reorder_kit.data.training_patches import TrainingPatches
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import DataSplits, ImageShape, Part, Sample, ScoringPrior, Tokenizer
from reorder_kit.layers.vq_vae import VqConfig, VqVae
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

ORDERINGS = 11
HOST = PluginHost(third_party=False)


class MadeUp:
    """Images by number, generated on access."""

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


def scorer_of(prior: str, tokens: str, image: ImageShape, grid: Grid) -> ScoringPrior:
    kind = HOST.priors.get(prior)
    assert issubclass(kind, ScoringPrior)

    def build(tokenizer: Part[Tokenizer]) -> ScoringPrior:
        return kind(kind.Options(tokenizer=tokenizer), image, grid)

    tokenizer = HOST.tokenizers.get(tokens)
    if tokens != "vq-vae":
        return build(Part.of(tokenizer))
    with TemporaryDirectory() as folder:
        torch.manual_seed(0)
        side = image.height // grid.height
        model = VqVae(VqConfig(channels=image.channels, height=side, width=side))
        vectors = model.encode(torch.randn(512, image.channels, side, side)).detach()
        model.codebook.start(vectors, torch.Generator().manual_seed(0))
        model.save(Path(folder) / "vq.safetensors")
        return build(Part.of(tokenizer, file=Path(folder) / "vq.safetensors"))


def measure(prior: str, tokens: str, images: int, size: int, patch: int) -> dict[str, float]:
    """Rank, in this process."""
    grid, image = Grid(size // patch, size // patch), ImageShape(3, size, size)
    samples = MadeUp(images, size)
    splits = DataSplits(image, ["one"], samples, samples, samples)
    scorer = scorer_of(prior, tokens, image, grid)
    orders = orders_of(grid)
    began, began_cpu = time.perf_counter(), time.process_time()
    rank_orderings(scorer, TrainingPatches(splits, grid, 0, images), orders, 0)
    return {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - began_cpu,
        "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def in_a_process(*arguments: object) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", *map(str, arguments)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[500, 2000, 8000], help="number of scored images")
    parser.add_argument("--size", type=int, default=64, help="height and width of an image, pixels")
    parser.add_argument("--patch", type=int, default=8, help="height and width of a patch, pixels")
    hidden = ("PRIOR", "TOKENS", "IMAGES", "SIZE", "PATCH")
    parser.add_argument("--measure", nargs=len(hidden), metavar=hidden, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        prior, tokens, *numbers = arguments.measure
        print(json.dumps(measure(prior, tokens, *map(int, numbers))))
        return
    size, patch = arguments.size, arguments.patch
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads; {ORDERINGS} orderings, {size} px, {patch} px\n"
    )
    print("| prior | tokens | images | seconds | of all threads | peak memory, MiB |")
    print("| --- | --- | --- | --- | --- | --- |")
    scoring = [name for name in HOST.priors if issubclass(HOST.priors.get(name), ScoringPrior)]
    for prior, tokens, images in product(scoring, HOST.tokenizers, arguments.images):
        found = in_a_process(prior, tokens, images, size, patch)
        figures = f"{found['seconds']:.1f} | {found['cpu']:.1f} | {found['mib']:.0f}"
        print(f"| {prior} | {tokens} | {images:,} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
