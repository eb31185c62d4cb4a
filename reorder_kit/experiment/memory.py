"""What a run needs at least, worked out before it starts: what is hopeless on this machine is refused in numbers."""

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
"""Of a number: weights, moments and images have 32 bits, whatever the precision of a step."""
_UNITS = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3), ("bytes", 1))
_LITTLE = 0.1
"""Weights that take a smaller share of the memory are not counted, which takes a moment."""
_WORKERS, _WORKERS_OF_CPU = 128, 4
"""So many processes that load images are never too many, nor so many for each CPU."""
_BYTES_OF_SLOT = 7
"""Of an order in JSON."""
_CLASSES = ("a", "b")


@dataclass(frozen=True)
class Machine:
    """What there is.

    Args:
        memory: where the model is, bytes.
        place: where that is, in words.
        disk: free for the run folder, and in use for checkpoints and orders of the run, bytes.
        cpus: how many.
    """

    memory: int
    place: str
    disk: int
    cpus: int

    @classmethod
    def here(cls, device: str, folder: Path) -> Self:
        """This machine.

        Args:
            device: as a recipe says it.
            folder: of the run; it need not be there.
        """
        there = next((path for path in (folder, *folder.absolute().parents) if path.is_dir()), Path("/"))
        memory, place = all_memory(), "of memory"
        if device not in ("cpu", "mps") and torch.cuda.is_available():
            memory, place = torch.cuda.get_device_properties(0).total_memory, "on the GPU"
        # What a resumed run has written already needs no more room.
        written = [*(folder / "checkpoints").rglob("*"), *(folder / "orders").rglob("*")]
        kept = sum(path.stat().st_size for path in written if path.is_file())
        return cls(memory, place, shutil.disk_usage(there).free + kept, os.cpu_count() or 1)


@dataclass(frozen=True)
class Needs:
    """What a run needs at least, bytes; activations, whose size depends on the backbone, come on top.

    Args:
        parameters: how many the backbone has.
        weights: they, their gradients, both moments of each, and their average where there is one.
        policy: parameters of the policy with gradients and moments, and its mixture of patches where it has one.
        images: a batch.
        checkpoints: two of them, since the older one goes when the newer one is there, and that of a search before
            the run.
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
        """What a run needs.

        Args:
            experiment: the parts.
            image: the shape of its images.
            parameters: how many the backbone has.
            images: of the training split; None if that is not known.
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
        """What a machine cannot hold."""
        problems = []
        parts = {"backbone": self.weights, "order.learner": self.policy, "data.batch_size": self.images}
        if sum(parts.values()) > machine.memory:
            largest = max(parts, key=parts.__getitem__)
            reason = (
                f"the run takes {_told(sum(parts.values()))} at least: {_told(self.weights)} for the "
                f"{self.parameters:,} parameters of the backbone with gradients and moments, {_told(self.policy)} for "
                f"the policy, {_told(self.images)} for a batch of images; there is {_told(machine.memory)} "
                f"{machine.place}"
            )
            problems.append(Problem(largest, reason, "make it smaller, or use a larger machine"))
        if self.checkpoints + self.orders > machine.disk:
            reason = (
                f"the run writes {_told(self.checkpoints + self.orders)} at least: {_told(self.checkpoints)} for two "
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
    """Refuse a run that this machine cannot hold, whatever else it needs.

    Args:
        experiment: the parts.
        source: what to call the recipe in messages.
        folder: of the run.
        image: the shape of its images; what the data source says of it if not given.
        images: of the training split; None if that is not known.
        machine: what there is; this machine if not given.

    Raises:
        RecipeError: with what is needed and what is there.
    """
    recipe = experiment.recipe
    machine = machine or Machine.here(recipe.train.device, folder)
    problems = []
    if recipe.data.workers > max(_WORKERS, _WORKERS_OF_CPU * machine.cpus):
        cpus = "1 CPU" if machine.cpus == 1 else f"{machine.cpus} CPUs"
        reason = f"{recipe.data.workers} processes would load images on a machine with {cpus}"
        problems.append(Problem("data.workers", reason, f"as many as there are CPUs, {machine.cpus}, are often enough"))
    image = image or experiment.data_source.image
    if image is not None:
        parameters = _parameters(experiment, image, enough=int(_LITTLE * machine.memory) // _BYTES)
        problems += Needs.of(experiment, image, parameters, images).misfits(machine)
    if problems:
        raise RecipeError(problems, source)


def _parameters(experiment: Experiment, image: ImageShape, enough: int) -> int:
    """The parameters of the backbone; a guess, if that is far below what counts.

    Args:
        experiment: the parts.
        image: the shape of its images.
        enough: numbers that count.
    """
    facts = experiment.facts(image)
    # A block of a transformer has 12 matrices of dim x dim.
    guess = facts.dim * (12 * facts.depth * facts.dim + facts.grid.num_patches + math.prod(image.axes))
    if 16 * guess < enough:  # nothing but an option that makes blocks far wider could bring it there
        return guess
    alone = experiment.without_downloads()
    with suppress(Exception), torch.random.fork_rng(devices=[]), torch.device("meta"):
        # Takes no memory and computes nothing. A plugin's may not be built like that; then its blocks are counted low.
        return sum(parameter.numel() for parameter in alone.build_backbone(image).parameters())
    return facts.depth * facts.dim**2


def _policy_numbers(experiment: Experiment, facts: BackboneFacts) -> tuple[int, int]:
    """Numbers that the policy keeps, and those of its mixture of patches with their gradient.

    Of many patches both are guessed: they grow with patches or with pairs of them, and three small policies tell how.
    """
    if experiment.learner is None or not experiment.learns:
        return 0, 0
    patches, slots = facts.grid.num_patches, experiment.num_slots(facts.grid)
    if patches <= MOST_TRIED_PATCHES:
        policy = experiment.trial_policy(facts, _CLASSES)
        return _size(policy), 2 * slots * patches if policy.mixes else 0
    try:
        policies = [_policy_of(experiment, facts, columns) for columns in (2, 4, 6)]
    except Exception:  # a plugin's may not be built for such a grid, which nobody asked for
        return 0, 0
    first, second, third = map(_size, policies)
    step = (patches - 4) / 4
    curve = third - 2 * second + first
    state = round(first + step * (second - first) + step * (step - 1) / 2 * curve)
    return max(0, state), 2 * slots * patches if policies[0].mixes else 0


def _policy_of(experiment: Experiment, facts: BackboneFacts, columns: int) -> Policy:
    """The policy for two rows of so many patches."""
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
