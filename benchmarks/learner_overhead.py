"""Training-step time with an order-learner over the same step without one.

    python benchmarks/learner_overhead.py

ViT-S/16 at 224 px, batch 16, CPU, fp32. Steps with and without the learner alternate in one process, so that whatever
else the machine does falls on both; the figure is the median of the ratios of neighbouring steps, with its 95 %
bootstrap interval.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from accelerate import Accelerator
from scipy.stats import bootstrap
from torch import nn

from reorder_kit.compose import compose
from reorder_kit.grid import Grid
from reorder_kit.interfaces import Batch, ImageShape
from reorder_kit.ordered_model import OrderedModel
from reorder_kit.plugin_manager import PluginHost
from reorder_kit.progress import Progress
from reorder_kit.training.optimization import Optimizers
from reorder_kit.training.step_module import StepModule

IMAGE = ImageShape(3, 224, 224)
CLASSES = [str(number) for number in range(1000)]
LEARNERS = {"reinforce": 1.05, "softsort": 1.10}
# The middle of the search, where every learner does all of its work.
PROGRESS = Progress(step=50, steps_per_epoch=100, epochs=1, stream=1)


def training_step(learner: str | None, batch: Batch) -> Callable[[], float]:
    """A function that takes one training step and returns its seconds."""
    host = PluginHost(third_party=False)
    order = {"start": "hilbert"}
    if learner:
        order["learner"] = {"name": learner, "warmup_epochs": 0, "search_epochs": 1}
    content = {
        "format_version": 1,
        "name": "overhead",
        "data": {"name": "digits"},
        "backbone": {"name": "vit", "size": "small", "patch_size": 16},
        "order": order,
    }
    experiment = compose(content, host, "benchmark")

    def start(grid: Grid):
        return host.orderings.get("hilbert")().order(grid)

    model = OrderedModel.build(experiment, IMAGE, CLASSES, start).train()
    parts = nn.ModuleDict({"backbone": model.backbone, "head": model.head})
    recipe = experiment.recipe
    optimizers = Optimizers(parts, model.policy, recipe.optimizer, recipe.schedule, 5.0, Accelerator(cpu=True))
    module = StepModule(model, experiment.task)

    def step() -> float:
        began = time.perf_counter()
        model.policy.advance(PROGRESS)
        result = module(batch, PROGRESS)
        (result.loss.mean() + model.policy.loss(result.proposal, result.reward)).backward()
        optimizers.step(PROGRESS)
        return time.perf_counter() - began

    return step


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=16, help="images of a step")
    parser.add_argument("--pairs", type=int, default=40, help="pairs of steps that are measured")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    batch = Batch(torch.randn(arguments.batch, 3, 224, 224), torch.randint(len(CLASSES), (arguments.batch,)))
    threads = torch.get_num_threads()
    print(f"torch {torch.__version__}, {threads} threads, batch {arguments.batch}, {arguments.pairs} pairs")
    plain = training_step(None, batch)
    for learner, bar in LEARNERS.items():
        learned = training_step(learner, batch)
        for step in (plain, learned):
            step()
            step()
        ratios, seconds = [], []
        for pair in range(arguments.pairs):
            # Which of the two comes first alternates, too.
            first, second = (plain, learned) if pair % 2 else (learned, plain)
            one, other = first(), second()
            base, with_learner = (one, other) if pair % 2 else (other, one)
            ratios.append(with_learner / base)
            seconds.append(base)
        interval = bootstrap((np.array(ratios),), np.median, rng=0).confidence_interval
        print(
            f"{learner}: {np.median(ratios):.3f} of the plain step ({np.median(seconds):.2f} s), "
            f"95 % interval {interval.low:.3f} to {interval.high:.3f}; at most {bar:.2f} wanted"
        )


if __name__ == "__main__":
    main()
