"""The cost of an order-learner: relative to the training step of a model, and by the number of patches.

    python benchmarks/learner_overhead.py step
    python benchmarks/learner_overhead.py growth

`step`: the training step of ViT-S/16 at 224 px (196 patches), batch 16, CPU, fp32, during the search of a learner,
relative to the same step without one. Steps with and without the learner alternate in one process, so that other load
affects both; the figure is the median ratio of neighboring steps, with its 95% bootstrap interval. For learners that
try orders in extra forward passes, the table shows how many they declare.

`growth`: the learner's own work in a step (propose, apply to the patches of 4 images of width 64, backward, optimizer)
for 49, 196, 784 and 3,136 patches, each in its own process: median time, and peak resident memory above the baseline
before the first step (Linux). Forward passes of evaluations are the model's work and are excluded.

Learners have their defaults, except that `diffsort` uses the bitonic network.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from scipy.stats import bootstrap
from torch import nn

from reorder_kit.experiment.building import build_model
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import (
    CLASS,
    Batch,
    ImageShape,
    LearnerContext,
    Order,
    Pass,
    PatchSequence,
    Proposal,
    TaskContext,
)
from reorder_kit.interfaces.progress import Progress
from reorder_kit.model.reward_checks import RewardChecks
from reorder_kit.orders.grid import Grid
from reorder_kit.training.optimization import Optimizers
from reorder_kit.training.proposal_evaluation import ProposalEvaluator
from reorder_kit.training.step_module import StepModule

IMAGE = ImageShape(3, 224, 224)
CLASSES = [str(number) for number in range(1000)]
SIDES = (7, 14, 28, 56)
SECONDS_OF_A_SIZE = 20.0
# The middle of the search, where every learner does all of its work.
PROGRESS = Progress(step=50, steps_per_epoch=100, epochs=1, stream=1, shared_stream=2, share=0.5, phase_step=50)
SEARCH = {"warmup_epochs": 0, "search_epochs": 1}
# The other network has as many layers as patches: minutes per step at 3,136.
OPTIONS = {"diffsort": {"network": "bitonic"}}


def experiment_with(learner: str | None, host: PluginHost) -> Experiment:
    """A recipe with a learner in its search phase, or without one."""
    content: dict[str, Any] = {
        "format_version": 1,
        "name": "overhead",
        "data": {"name": "digits", "batch_size": 16},
        "backbone": {"name": "vit", "size": "small", "patch_size": 16},
        "order": {
            "start": "hilbert",
            "learner": {"name": learner, **SEARCH, **OPTIONS.get(learner, {})} if learner else None,
        },
    }
    return compose(content, host, "benchmark")


def training_step(learner: str | None, batch: Batch) -> Callable[[], float]:
    """A function that takes one training step and returns its seconds."""
    host = PluginHost(third_party=False)
    experiment = experiment_with(learner, host)
    facts = experiment.facts(IMAGE)
    context = TaskContext(facts, IMAGE, CLASS, CLASSES)
    model = build_model(experiment, context, host.orderings.get("hilbert")().order(facts.grid)).train()
    parts = nn.ModuleDict({"backbone": model.backbone, "head": model.head})
    recipe, accelerator = experiment.recipe, Accelerator(cpu=True)
    optimizers = Optimizers(parts, model.policy, recipe.optimizer, recipe.schedule, 5.0, accelerator)
    module, rewards = StepModule(model, experiment.task), RewardChecks(experiment.task, None)

    def step() -> float:
        began = time.perf_counter()
        model.policy.advance(PROGRESS)
        model.policy.search(
            ProposalEvaluator(model, experiment.task, batch, PROGRESS, accelerator, lambda reward: reward, rewards)
        )
        result = module(batch, PROGRESS)
        (result.loss.mean() + model.policy.loss(result.passes, batch)).backward()
        optimizers.step(PROGRESS)
        return time.perf_counter() - began

    return step


def step(learners: Iterable[str], batch_size: int, pairs: int) -> None:
    """Print the ratio of the steps with and without each learner."""
    torch.manual_seed(0)
    batch = Batch(torch.randn(batch_size, 3, 224, 224), torch.randint(len(CLASSES), (batch_size,)), CLASS)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, batch {batch_size}, {pairs} pairs\n")
    print("| learner | passes for evaluations | ratio to the plain step | 95% interval | plain step, s |")
    print("| --- | --- | --- | --- | --- |")
    plain = training_step(None, batch)
    host = PluginHost(third_party=False)
    for learner in learners:
        learned = training_step(learner, batch)
        for warm_up in (plain, learned):
            warm_up()
        ratios, seconds = [], []
        for pair in range(pairs):
            # Which of the two comes first also alternates.
            first, second = (plain, learned) if pair % 2 else (learned, plain)
            one, other = first(), second()
            base, with_learner = (one, other) if pair % 2 else (other, one)
            ratios.append(with_learner / base)
            seconds.append(base)
        interval = bootstrap((np.array(ratios),), np.median, rng=0).confidence_interval
        passes = host.order_learners.get(learner)().extra_passes(batch_size)
        print(
            f"| {learner} | {passes:g} | {np.median(ratios):.3f} | {interval.low:.3f} to {interval.high:.3f} "
            f"| {np.median(seconds):.2f} |",
            flush=True,
        )


def growth(learners: Iterable[str]) -> None:
    """Print time and memory of each learner by number of patches."""
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    print("| learner | " + " | ".join(f"{side * side:,} patches" for side in SIDES) + " |")
    print("| --- |" + " --- |" * len(SIDES))
    for learner in learners:
        figures = []
        for side in SIDES:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                milliseconds, mebibytes = pool.apply(measure_size, (learner, side))
            figures.append(f"{milliseconds:,.1f} ms, {mebibytes:,.0f} MiB")
        print(f"| {learner} | " + " | ".join(figures) + " |", flush=True)


def measure_size(name: str, side: int) -> tuple[float, float]:
    """Median milliseconds of a learner's work in a step, and peak memory above the baseline, MiB."""
    grid = Grid(side, side)
    learner = experiment_with(name, PluginHost(third_party=False)).learner
    assert learner is not None
    start = Order(torch.randperm(grid.num_patches, generator=torch.Generator().manual_seed(0)))
    policy = learner.build_policy(LearnerContext(start, grid, 64, 1, CLASS, CLASSES))
    optimizer = policy.build_optimizer()
    images = torch.randn(4, grid.num_patches, 64)
    weights = torch.randn(grid.num_patches, 64)

    def evaluate(proposal: Proposal | Sequence[Proposal], images: int | None = None) -> torch.Tensor:
        return torch.zeros(4)

    def take() -> float:
        began = time.perf_counter()
        policy.advance(PROGRESS)
        policy.search(evaluate)
        proposal = policy.propose(PatchSequence(images, grid))
        per_image = (proposal.apply(PatchSequence(images, grid)).patches * weights).mean(dim=(1, 2))
        loss = per_image.mean() + policy.loss([Pass((proposal,), -per_image.detach())])
        if loss.requires_grad:
            loss.backward()
        if optimizer is not None:
            optimizer.step()
            optimizer.zero_grad()
        return time.perf_counter() - began

    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    began = time.perf_counter()
    seconds = [take()]
    while len(seconds) < 3 or (time.perf_counter() - began < SECONDS_OF_A_SIZE / 10 and len(seconds) < 50):
        seconds.append(take())
        if time.perf_counter() - began > SECONDS_OF_A_SIZE:
            break
    # The first step includes one-time costs.
    return 1000 * median(seconds[1:] or seconds), resident("VmHWM") - before


def resident(kind: str) -> float:
    """Resident memory of this process, MiB: now (VmRSS) or at its peak (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    every = sorted(PluginHost(third_party=False).order_learners)
    steps = commands.add_parser("step")
    steps.add_argument("learners", nargs="*", default=every)
    steps.add_argument("--batch", type=int, default=16, dest="batch_size", help="images per step")
    steps.add_argument("--pairs", type=int, default=15, help="measured pairs of steps")
    steps.set_defaults(action=step)
    growing = commands.add_parser("growth")
    growing.add_argument("learners", nargs="*", default=every)
    growing.set_defaults(action=growth)
    arguments = vars(parser.parse_args())
    arguments.pop("action")(**arguments)


if __name__ == "__main__":
    main()
