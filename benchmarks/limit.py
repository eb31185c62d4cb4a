"""The share of this machine's own matmul rate that a training step reaches.

    OMP_NUM_THREADS=1 python benchmarks/limit.py --out benchmarks/raw/limit.jsonl
    python benchmarks/limit.py --profile longformer

A step is forward, cross-entropy and backward of a classifier of 1,000 classes: the tiny size, images of 224 px, patches
of 16 px, batch 8. Its rate is its operations, counted by torch, divided by its seconds of processor time, which exclude
other programs; the same holds for a product of two 1536 x 1536 matrices. All alternate in one process, and a share is
the median over rounds of the ratio within a round. torch counts matrix products, convolutions and attention, whether
masked or not, so a share measures how busy a model keeps the machine, not useful work. The last column compares
seconds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import ImageShape

SIDE, CLASSES, MATRIX = 224, 1000, 1536
TIMM, MATMUL = "timm's ViT", "matmul"
BACKBONES: dict[str, dict[str, Any]] = {
    "vit": {"name": "vit"},
    "transformer-xl": {"name": "transformer-xl"},
    "longformer": {"name": "longformer"},
    "vit, slot_positions: rope": {"name": "vit", "slot_positions": "rope"},
    "vit, positions: relative": {"name": "vit", "positions": "relative"},
    "longformer, slot_positions: rope": {"name": "longformer", "slot_positions": "rope"},
    "longformer, slot_positions: relative": {"name": "longformer", "slot_positions": "relative"},
    "longformer, positions: relative": {"name": "longformer", "positions": "relative"},
}
"""The rows, each of the size tiny with patches of 16 px."""


class Classifier(nn.Module):
    """A backbone of this package with a linear head."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__()
        given = dict(options)
        kind = PluginHost(third_party=False).backbones.get(given.pop("name"))
        self.backbone = kind(kind.Options(size="tiny", patch_size=16, **given), ImageShape(3, SIDE, SIDE))
        self.head = nn.Linear(self.backbone.dim, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of images in row-major order."""
        logits: Tensor = self.head(self.backbone.summarize(self.backbone.encode(self.backbone.tokenize(images))))
        return logits


def step_of(model: nn.Module, batch: int) -> Callable[[], object]:
    """Forward, loss and backward, always on the same images."""
    images, targets = torch.randn(batch, 3, SIDE, SIDE), torch.arange(batch)
    model.train()

    def step() -> None:
        model.zero_grad(set_to_none=True)
        cross_entropy(model(images), targets).backward()

    return step


def contestants(names: Iterable[str], batch: int) -> dict[str, Callable[[], object]]:
    """The alternating contestants: the matrix product, timm's model, and the chosen rows."""
    matrix = torch.randn(MATRIX, MATRIX)
    found: dict[str, Callable[[], object]] = {
        MATMUL: lambda: matrix @ matrix,
        TIMM: step_of(timm.create_model("vit_tiny_patch16_224", num_classes=CLASSES), batch),
    }
    for name in names:
        found[name] = step_of(Classifier(BACKBONES[name]), batch)
    return found


def operations(run: Callable[[], object]) -> int:
    """Floating-point operations of one call, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def measured(runs: Mapping[str, Callable[[], object]], rounds: int) -> Iterable[dict[str, Any]]:
    """A record for each contestant; every other round is reversed, so that none always follows the same one."""
    counts = {name: operations(run) for name, run in runs.items()}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        order = list(runs.items())
        for name, run in order if number % 2 else reversed(order):
            # A step takes as long as several matrix products.
            times = 5 if name == MATMUL else 1
            began = time.process_time()
            for _ in range(times):
                run()
            if number:  # the first round warms up
                seconds[name].append((time.process_time() - began) / times)
    rates = {name: [counts[name] / value for value in values] for name, values in seconds.items()}
    for name in runs:
        yield {
            "name": name,
            "gflop": round(counts[name] / 1e9, 2),
            "seconds": round(median(seconds[name]), 4),
            "share": round(median(one / top for one, top in zip(rates[name], rates[MATMUL], strict=True)), 4),
            "against_timm": round(
                median(theirs / ours for ours, theirs in zip(seconds[name], seconds[TIMM], strict=True)), 4
            ),
            "rounds": rounds,
            "torch": torch.__version__,
            "timm": timm.__version__,
            "threads": torch.get_num_threads(),
        }


def report(records: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """The table of the records."""
    yield "| step | GFLOP | ms | share of the matmul rate | speed relative to timm's ViT |"
    yield "| --- | --- | --- | --- | --- |"
    for record in records:
        speed = "-" if record["name"] == MATMUL else f"{record['against_timm']:.2f}"
        milliseconds = f"{1000 * record['seconds']:,.0f}"
        yield f"| {record['name']} | {record['gflop']:.1f} | {milliseconds} | {record['share']:.2f} | {speed} |"


def show_profile(run: Callable[[], object]) -> None:
    """Print where the time of a step goes."""
    run()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for _ in range(3):
            run()
    print(found.key_averages().table(sort_by="self_cpu_time_total", row_limit=24, max_name_column_width=50))


def main() -> None:
    """Measure and print, or show a profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="*", choices=list(BACKBONES), default=list(BACKBONES))
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--out", type=Path, help="JSON Lines file for the records")
    parser.add_argument("--profile", choices=[TIMM, *BACKBONES], help="instead, show where the time of a step goes")
    chosen = parser.parse_args()
    torch.manual_seed(0)
    if chosen.profile:
        show_profile(contestants([] if chosen.profile == TIMM else [chosen.profile], chosen.batch)[chosen.profile])
        return
    records = list(measured(contestants(chosen.rows, chosen.batch), chosen.rounds))
    print("\n".join(report(records)))
    if chosen.out:
        chosen.out.write_text("".join(json.dumps(record) + "\n" for record in records))


if __name__ == "__main__":
    main()
