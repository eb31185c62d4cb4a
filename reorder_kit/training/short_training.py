"""Short trainings before a run, for priors that measure the influence of slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice

import torch
from accelerate import Accelerator
from jaxtyping import Float
from torch import Tensor

from reorder_kit.analysis.influence import influence_profile
from reorder_kit.data.data_loading import ShuffledKeys, load_batch, train_loader
from reorder_kit.data.random_streams import seed_torch, stream
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.building import build_model, frozen_parts
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.interfaces import Batch, DataSplits, Influence, TaskContext
from reorder_kit.interfaces.progress import Progress
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.model.task_checks import prepare, take_step, views_of
from reorder_kit.orders.order import Order
from reorder_kit.training.optimization import parameter_groups

INFLUENCE_IMAGES = 256


def influence_of_short_training(
    experiment: Experiment, splits: DataSplits, context: TaskContext, accelerator: Accelerator
) -> Influence:
    """A function of orders, models and steps that gives the mean influence profile of models trained for these steps.

    Each model has its own weights and batches; its batches are read in the orders in turn, with a constant step size,
    only in this process. Influence is measured on some training images, the same for all models.

    Args:
        experiment: the parts; the learner is not used.
        splits: opened data.
        context: what is known about the run.
        accelerator: device and precision.
    """

    def influence(orders: Sequence[Order], models: int, steps: int) -> Float[Tensor, " slot"]:
        if not orders or models < 1 or steps < 0:
            raise ReorderKitError(
                f"influence needs at least one order and one model, and 0 or more steps, not {len(orders)} orders, "
                f"{models} models and {steps} steps"
            )
        on_device = [order.to(accelerator.device) for order in orders]
        batch = _some_training_images(experiment, splits, context).to(accelerator.device)
        profiles = [
            _influence_of_one(experiment, splits, context, accelerator, on_device, batch, number, steps)
            for number in range(models)
        ]
        profile = torch.stack(profiles).mean(dim=0).cpu()
        if not profile.isfinite().all():
            raise ReorderKitError(
                f"the influence of slots is NaN or infinite after {steps} steps of training",
                "lower optimizer.lr, or the steps of the prior",
            )
        return profile

    return influence


def _some_training_images(experiment: Experiment, splits: DataSplits, context: TaskContext) -> Batch:
    generator = torch.Generator().manual_seed(experiment.recipe.seed)
    chosen: list[int] = torch.randperm(len(splits.train), generator=generator)[:INFLUENCE_IMAGES].tolist()
    batch = load_batch(splits.train, context.kind, "train", chosen, views_of(experiment.task, training=False))
    if not len(batch):
        raise ReorderKitError("influence is measured on training images, but none could be read")
    return batch


def _influence_of_one(
    experiment: Experiment,
    splits: DataSplits,
    context: TaskContext,
    accelerator: Accelerator,
    orders: Sequence[Order],
    batch: Batch,
    number: int,
    steps: int,
) -> Float[Tensor, " slot"]:
    seed = stream(experiment.recipe.seed, "influence", number) % 2**32
    recipe = experiment.recipe.model_copy(update={"seed": seed})
    alone = replace(experiment, recipe=recipe, learner=None)
    model = build_model(alone, context, orders[0].to("cpu")).to(accelerator.device)
    turn = cycle([*orders[number % len(orders) :], *orders[: number % len(orders)]])
    with torch.random.fork_rng(devices=[]):
        _train(model, alone, splits, context, accelerator, turn, steps)
    prepared = prepare(experiment.task, batch, False, context)
    progress = Progress(steps, max(1, steps), 1.0, phase="hardened", share=1.0)
    return influence_profile(model.ordered_by(next(turn)), experiment.task, prepared, progress)


def _train(
    model: OrderedModel,
    experiment: Experiment,
    splits: DataSplits,
    context: TaskContext,
    accelerator: Accelerator,
    turn: cycle[Order],
    steps: int,
) -> None:
    recipe, task = experiment.recipe, experiment.task
    modules = torch.nn.ModuleDict({"backbone": model.backbone, "head": model.head})
    frozen = frozen_parts(model.backbone, model.head, recipe.train.weights)
    for part in frozen:
        part.requires_grad_(False)
    groups = parameter_groups(modules, recipe.optimizer.weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=recipe.optimizer.lr, betas=recipe.optimizer.betas)
    keys = ShuffledKeys(len(splits.train), recipe.seed, 0, 1)
    data, views = recipe.data, views_of(task, training=True)
    loader = train_loader(splits.train, context.kind, keys, recipe.seed, data.batch_size, data.workers, views)
    step = 0
    while step < steps:
        for batch in islice(loader, steps - step):
            seed_torch(stream(recipe.seed, "batch", step))
            if len(batch):
                prepared = prepare(task, batch.to(accelerator.device), True, context)
                model.train()
                for part in frozen:
                    part.eval()
                progress = Progress(step, len(loader), steps / len(loader), phase="hardened", share=1.0)
                with accelerator.autocast():
                    result = take_step(task, model.ordered_by(next(turn)), prepared, progress)
                result.loss.mean().backward()  # type: ignore[no-untyped-call]
                if recipe.train.clip_grad is not None:
                    torch.nn.utils.clip_grad_norm_(modules.parameters(), recipe.train.clip_grad)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                with torch.no_grad():
                    task.after_step(model, [result], progress)
            step += 1
        keys.epoch += 1
