"""Lower bounds on what a run needs, computed before it starts, to refuse runs that this machine cannot hold."""

from __future__ import annotations

import math
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch

from reorder_kit.data.free_memory import all_memory
from reorder_kit.errors import Problem, RecipeError
from reorder_kit.experiment.experiment import MOST_TRIED_PATCHES, Experiment
from reorder_kit.interfaces import BackboneFacts, ImageShape, Policy
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

_BYTES = 4
"""Bytes of a number: weights, moments and images have 32 bits, whatever the precision of a step."""
_UNITS = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3), ("bytes", 1))
_LITTLE = 0.1
"""Parameters are not counted exactly, which takes time, if weights take a smaller share of the memory."""
_WORKERS, _WORKERS_OF_CPU = 128, 4
"""This many loader processes are always accepted, and this many per CPU."""
_BYTES_OF_SLOT = 7
"""Bytes per patch of an order in JSON."""
_CLASSES = ("a", "b")


@dataclass(frozen=True)
class Machine:
    """The resources of a machine.

    Args:
        memory: memory of the model's device, in bytes.
        place: what memory that is, in words.
        disk: space for the run folder, free or used by the run's checkpoints and orders, in bytes.
        cpus: the number of CPUs.
    """

    memory: int
    place: str
    disk: int
    cpus: int

    @classmethod
    def here(cls, device: str, folder: Path) -> Self:
        """This machine.

        Args:
            device: the device in the recipe.
            folder: the run's folder, which need not exist.
        """
        there = next((path for path in (folder, *folder.absolute().parents) if path.is_dir()), Path("/"))
        memory, place = all_memory(), "of memory"
        if device not in ("cpu", "mps") and torch.cuda.is_available():
            memory, place = torch.cuda.get_device_properties(0).total_memory, "on the GPU"
        # A resumed run reuses the space of what it has already written.
        written = [*(folder / "checkpoints").rglob("*"), *(folder / "orders").rglob("*")]
        kept = sum(path.stat().st_size for path in written if path.is_file())
        return cls(memory, place, shutil.disk_usage(there).free + kept, os.cpu_count() or 1)


@dataclass(frozen=True)
class Needs:
    """The least that a run needs, in bytes; activations, whose size depends on the backbone, need more.

    Args:
        parameters: the number of the backbone's parameters.
        weights: parameters with gradients, both moments, and a running average if there is one.
        policy: the policy's parameters with gradients and moments, and its mixture of patches if it has one.
        images: one batch.
        checkpoints: two checkpoints, because the older one is deleted after the newer one is written, and that of a
            search before the run.
        orders: the files of the orders after each epoch.
    """

    parameters: int
    weights: int
    policy: int
    images: int
    checkpoints: int
    orders: int

    @classmethod
    def of(cls, experiment: Experiment, image: ImageShape, parameters: int, images: int | None = None) -> Self:
        """The needs of a run.

        Args:
            experiment: the parts.
            image: the shape of its images.
            parameters: the number of the backbone's parameters.
            images: the number of training images; None if unknown.
        """
        recipe, slots = experiment.recipe, experiment.num_slots(experiment.facts(image).grid)
        frozen = recipe.train.weights is not None and "backbone" in recipe.train.weights.freeze
        averaged = 0 if recipe.train.ema_decay is None else 1
        held, saved = (1, 1) if frozen else (4 + averaged, 3 + averaged)
        state, mixture = _policy_numbers(experiment, experiment.facts(image))
        batch = recipe.data.batch_size if images is None else min(images, recipe.data.batch_size)
        kept = 2 if experiment.trials is None else 3
        epochs = recipe.train.epochs if recipe.train.steps is None else 1
        return cls(
            parameters=parameters,
            weights=held * parameters * _BYTES,
            policy=(4 * state + mixture) * _BYTES,
            images=batch * math.prod(image.axes) * _BYTES,
            checkpoints=kept * (saved * parameters + 3 * state) * _BYTES,
            orders=epochs * slots * _BYTES_OF_SLOT,
        )

    def misfits(self, machine: Machine) -> list[Problem]:
        """The needs that a machine cannot meet."""
        problems = []
        parts = {"backbone": self.weights, "order.learner": self.policy, "data.batch_size": self.images}
        if sum(parts.values()) > machine.memory:
            largest = max(parts, key=parts.__getitem__)
            reason = (
                f"the run takes at least {_told(sum(parts.values()))}: {_told(self.weights)} for the "
                f"{self.parameters:,} parameters of the backbone with gradients and moments, {_told(self.policy)} for "
                f"the policy, {_told(self.images)} for a batch of images; there is {_told(machine.memory)} "
                f"{machine.place}"
            )
            problems.append(Problem(largest, reason, "make it smaller, or use a larger machine"))
        if self.checkpoints + self.orders > machine.disk:
            reason = (
                f"the run writes at least {_told(self.checkpoints + self.orders)}: {_told(self.checkpoints)} for two "
                f"checkpoints, {_told(self.orders)} for the orders after its epochs; {_told(machine.disk)} are free"
            )
            problems.append(Problem("train", reason, "free some space, give another --out, or train for fewer epochs"))
        return problems


def refuse_hopeless(
    experiment: Experiment,
    source: str,
    folder: Path,
    image: ImageShape | None = None,
    images: int | None = None,
    machine: Machine | None = None,
) -> None:
    """Refuse a run whose lower bounds exceed this machine.

    Args:
        experiment: the parts.
        source: the recipe's name in messages.
        folder: the run's folder.
        image: the shape of its images; the data source's if not given.
        images: the number of training images; None if unknown.
        machine: the machine; this machine if not given.

    Raises:
        RecipeError: with the needed and the available amounts.
    """
    recipe = experiment.recipe
    machine = machine or Machine.here(recipe.train.device, folder)
    problems = []
    if recipe.data.workers > max(_WORKERS, _WORKERS_OF_CPU * machine.cpus):
        cpus = "1 CPU" if machine.cpus == 1 else f"{machine.cpus} CPUs"
        reason = f"{recipe.data.workers} processes would load images on a machine with {cpus}"
        problems.append(Problem("data.workers", reason, f"one per CPU, {machine.cpus}, is often enough"))
    image = image or experiment.data_source.image
    if image is not None:
        parameters = _parameters(experiment, image, enough=int(_LITTLE * machine.memory) // _BYTES)
        problems += Needs.of(experiment, image, parameters, images).misfits(machine)
    if problems:
        raise RecipeError(problems, source)


def _parameters(experiment: Experiment, image: ImageShape, enough: int) -> int:
    """The number of the backbone's parameters, or an estimate if that is far below ``enough``.

    Args:
        experiment: the parts.
        image: the shape of its images.
        enough: the number from which parameters matter.
    """
    facts = experiment.facts(image)
    # A block of a transformer has 12 matrices of dim x dim.
    guess = facts.dim * (12 * facts.depth * facts.dim + facts.grid.num_patches + math.prod(image.axes))
    if 16 * guess < enough:  # only an option that makes blocks far wider could reach it
        return guess
    alone = experiment.without_downloads()
    with suppress(Exception), torch.random.fork_rng(devices=[]), torch.device("meta"):
        # This takes no memory and computes nothing. If a plugin's backbone cannot be built so, the estimate is low.
        return sum(parameter.numel() for parameter in alone.build_backbone(image).parameters())
    return facts.depth * facts.dim**2


def _policy_numbers(experiment: Experiment, facts: BackboneFacts) -> tuple[int, int]:
    """The numbers in the policy, and in its mixture of patches with gradient.

    For many patches both are extrapolated: they grow with patches or with pairs, as three small policies show.
    """
    if experiment.learner is None or not experiment.learns:
        return 0, 0
    patches, slots = facts.grid.num_patches, experiment.num_slots(facts.grid)
    if patches <= MOST_TRIED_PATCHES:
        policy = experiment.trial_policy(facts, _CLASSES)
        return _size(policy), 2 * slots * patches if policy.mixes else 0
    try:
        policies = [_policy_of(experiment, facts, columns) for columns in (2, 4, 6)]
    except Exception:  # a plugin's policy may not support these artificial grids
        return 0, 0
    first, second, third = map(_size, policies)
    step = (patches - 4) / 4
    curve = third - 2 * second + first
    state = round(first + step * (second - first) + step * (step - 1) / 2 * curve)
    return max(0, state), 2 * slots * patches if policies[0].mixes else 0


def _policy_of(experiment: Experiment, facts: BackboneFacts, columns: int) -> Policy:
    """The policy for two rows of ``columns`` patches."""
    grid = Grid(2, columns)
    small = BackboneFacts(grid, facts.levels[0].dim, facts.depth)
    with torch.random.fork_rng(devices=[]):
        return experiment.build_policy(Order.identity(grid.num_patches), small, _CLASSES)


def _size(policy: Policy) -> int:
    return sum(tensor.numel() for tensor in (*policy.parameters(), *policy.buffers()))


def _told(size: int) -> str:
    """A size in words: ``16 GB``."""
    unit, power = next((unit, power) for unit, power in _UNITS if size >= power or power == 1)
    return f"{size / power:,.3g} {unit}" if size < 1000 * power else f"{size / power:,.0f} {unit}"
