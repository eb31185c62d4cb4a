"""Models whose weights are shared by many orders: trained in random orders, and briefly further in one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import islice

import torch

from reorder_kit.data.data_loading import ShuffledKeys, evaluation_loader, train_loader
from reorder_kit.data.random_streams import seed_torch, stream
from reorder_kit.experiment.building import build_model
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.interfaces import Batch, DataSplits, TaskContext
from reorder_kit.interfaces.progress import Progress
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.model.task_checks import prepare, take_step, views_of
from reorder_kit.orders.order import Order
from reorder_kit.training.optimization import parameter_groups

GROUPS = 4
"""Random orders per batch, each for a part of its images."""


@dataclass(frozen=True)
class SharedWeights:
    """Trains such models, and judges orders by their loss.

    Args:
        experiment: the parts; its seed determines weights, batches and orders.
        splits: the training images, and the judged images as the validation split.
        context: the task context of the run.
    """

    experiment: Experiment
    splits: DataSplits
    context: TaskContext

    def train(self, start: Order, steps: int, swaps: int | None = None) -> OrderedModel:
        """Train a model from scratch that reads every batch in a few random orders.

        Args:
            start: an order of all patches.
            steps: optimizer steps.
            swaps: number of swaps of two patches between the orders and the start; None for any order.
        """
        model = build_model(replace(self.experiment, learner=None), self.context, start)
        generator = torch.Generator().manual_seed(self.experiment.recipe.seed)
        patches = start.num_patches

        def drawn() -> torch.Tensor:
            if swaps is None:
                return torch.randperm(patches, generator=generator)
            indices = start.indices.clone()
            for _ in range(swaps):
                slots = torch.randperm(patches, generator=generator)[:2]
                indices[slots] = indices[slots.flip(0)]
            return indices

        def random_orders(images: int) -> Order:
            orders = torch.stack([drawn() for _ in range(GROUPS)])
            return Order.trusted(orders, patches, torch.arange(images) % GROUPS)

        self._train(model, random_orders, steps, "shared")
        return model

    def further(self, model: OrderedModel, order: Order, steps: int) -> OrderedModel:
        """A copy of the model, trained further in one order, with the same batches for every order."""
        copied = deepcopy(model)
        self._train(copied, lambda images: order, steps, "further")
        return copied

    def judged(self) -> Sequence[Batch]:
        """The judged images, prepared once."""
        data, task = self.experiment.recipe.data, self.experiment.task
        samples, kind, views = self.splits.validation, self.context.kind, views_of(task, training=False)
        loader = evaluation_loader(samples, kind, "validation", data.batch_size, 0, views=views)
        return [prepare(task, batch, False, self.context) for batch in loader if len(batch)]

    @torch.no_grad()
    def loss(self, model: OrderedModel, order: Order, batches: Sequence[Batch]) -> float:
        """The mean loss on the judged images in an order."""
        model.eval()
        progress = Progress(1, 1, 1.0, phase="hardened", share=1.0)
        losses = [take_step(self.experiment.task, model.ordered_by(order), batch, progress).loss for batch in batches]
        return float(torch.cat(losses).mean())

    def _train(self, model: OrderedModel, orders: Callable[[int], Order], steps: int, what: str) -> None:
        recipe, task = self.experiment.recipe, self.experiment.task
        modules = torch.nn.ModuleDict({"backbone": model.backbone, "head": model.head})
        groups = parameter_groups(modules, recipe.optimizer.weight_decay)
        optimizer = torch.optim.AdamW(groups, lr=recipe.optimizer.lr, betas=recipe.optimizer.betas)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        seed = stream(recipe.seed, what) % 2**32
        keys = ShuffledKeys(len(self.splits.train), seed, 0, 1)
        views = views_of(task, training=True)
        loader = train_loader(self.splits.train, self.context.kind, keys, seed, recipe.data.batch_size, 0, views)
        step = 0
        while step < steps:
            for batch in islice(loader, steps - step):
                seed_torch(stream(seed, "batch", step))
                if len(batch):
                    progress = Progress(step, len(loader), steps / len(loader), phase="hardened", share=1.0)
                    model.train()
                    prepared = prepare(task, batch, True, self.context)
                    read = model.ordered_by(orders(len(prepared)))
                    take_step(task, read, prepared, progress).loss.mean().backward()
                    if recipe.train.clip_grad is not None:
                        torch.nn.utils.clip_grad_norm_(modules.parameters(), recipe.train.clip_grad)
                    optimizer.step()
                    optimizer.zero_grad(set_to_none=True)
                schedule.step()
                step += 1
            keys.epoch += 1
