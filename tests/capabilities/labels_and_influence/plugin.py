"""A start that puts patches that tell classes apart where the model looks."""

import torch
from pydantic import Field

from reorder_kit import hookimpl
from reorder_kit.interfaces import ComponentOptions, Order, Prior, ReorderKitError, cut


class TellingPatches(Prior):
    """The patch that tells classes apart best in the most influential slot, the next one in the next.

    How well a patch tells them apart is the share of its variance that lies between the means of classes.
    """

    name = "telling-patches"

    class Options(ComponentOptions):
        images: int = Field(100_000, ge=1, description="training images to look at")
        models: int = Field(2, ge=1, description="models whose influence is averaged")
        steps: int = Field(6, ge=0, description="steps that each of them is trained for")

    def start(self, context):
        if len(set(context.training.targets())) < 2:
            raise ReorderKitError("telling-patches compares classes, and the training images have only one")
        patches, targets = [], []
        for batch in context.training.batches(self.options.images):
            patches.append(cut(batch.images, context.grid).double())
            targets.append(batch.targets)
        telling = share_between(torch.cat(patches), torch.cat(targets))
        candidates = [context.candidates["row"], context.candidates["column"]]
        influence = context.influence(candidates, self.options.models, self.options.steps)
        order = torch.empty_like(context.candidates["row"].indices)
        order[influence.argsort(stable=True)] = telling.argsort(stable=True)
        return Order(order)


def share_between(patches, targets):
    """The share of each patch's variance that lies between classes."""
    between = torch.zeros_like(patches[0])
    for label in targets.unique():
        of_class = patches[targets == label]
        between += len(of_class) * (of_class.mean(dim=0) - patches.mean(dim=0)).square()
    within_and_between = (patches - patches.mean(dim=0)).square().sum(dim=0)
    return between.sum(dim=1) / within_and_between.sum(dim=1).clamp(min=1e-12)


@hookimpl
def register_priors():
    return [TellingPatches]
