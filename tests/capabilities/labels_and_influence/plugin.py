"""A start that puts patches that separate classes where the model looks."""

import torch
from pydantic import Field

from reorder_kit import hookimpl
from reorder_kit.interfaces import CLASS, ComponentOptions, Order, Prior, ReorderKitError, cut


class TellingPatches(Prior):
    """The patch that best separates classes goes to the most influential slot, the next one to the next slot.

    Separation is the share of a patch's variance that lies between the means of classes.
    """

    name = "telling-patches"

    class Options(ComponentOptions):
        images: int = Field(100_000, ge=1, description="training images to look at")
        models: int = Field(2, ge=1, description="models whose influence is averaged")
        steps: int = Field(6, ge=0, description="steps that each of them is trained for")

    def start(self, context):
        patches, targets = [], []
        for batch in context.training.batches(self.options.images):
            if batch.kind != CLASS:
                raise ReorderKitError(f"telling-patches compares classes, but targets are of the kind {batch.kind}")
            patches.append(cut(batch.images, context.grid).double())
            targets.append(batch.targets)
        frequency = torch.tensor(list(context.training.targets())).bincount().double()
        telling = share_between(torch.cat(patches), torch.cat(targets), frequency)
        candidates = [context.candidates["row"], context.candidates["column"]]
        influence = context.influence(candidates, self.options.models, self.options.steps)
        order = torch.empty_like(candidates[0].indices)
        order[influence.argsort(stable=True)] = telling.argsort(stable=True)
        return Order(order)


def share_between(patches, targets, frequency):
    """The share of each patch's variance that lies between classes, which are as frequent as in all training images."""
    labels = targets.unique()
    weights = (frequency[labels] / frequency[labels].sum())[:, None, None]
    means = torch.stack([patches[targets == label].mean(dim=0) for label in labels])
    within = torch.stack([patches[targets == label].var(dim=0, correction=0) for label in labels])
    between = weights * (means - (weights * means).sum(dim=0)).square()
    of_patches = between.sum(dim=(0, 2))
    return of_patches / (of_patches + (weights * within).sum(dim=(0, 2))).clamp(min=1e-12)


@hookimpl
def register_priors():
    return [TellingPatches]
