"""Predict each patch from those before it in the sequence."""

import torch
from torch import nn

from reorder_kit import hookimpl
from reorder_kit.interfaces import (
    NONE,
    Pass,
    StepResult,
    Task,
    cut,
    gather_images,
    require_causal,
    require_no_leaks,
)


class NextPatch(Task):
    """The mean squared error of the pixels of each patch, predicted from earlier slots only."""

    name = "next-patch"
    target_kinds = (NONE,)
    headline = "error"
    higher_is_better = False
    is_dense = True

    def check(self, facts, policy):
        require_causal(facts, "it would see the patches it predicts")
        require_no_leaks(policy, "it would tell of the patches to be predicted")

    def build_head(self, context):
        pixels = context.image.channels * context.image.height * context.image.width
        return NextPixels(context.facts.levels[-1].dim, pixels // context.facts.grid.num_patches)

    def prepare(self, batch, training, context):
        return batch.with_prepared(pixels=cut(batch.images, context.facts.grid))

    def step(self, model, batch, progress):
        output = model(batch)
        loss = self.score_per_image(output.outputs, batch)
        return StepResult(loss, output.outputs, (Pass(output.proposals, -loss.detach()),))

    def score_per_image(self, predictions, batch):
        return (predictions - batch.prepared["pixels"]).square().mean(dim=(1, 2))

    def build_metrics(self, context):
        return MeanError(self.score_per_image)


class NextPixels(nn.Module):
    """The pixels of the next slot; those of the first are the same for all images. All patches row-major again."""

    def __init__(self, dim, pixels):
        super().__init__()
        self.first = nn.Parameter(torch.zeros(pixels))
        self.draw = nn.Linear(dim, pixels)

    def forward(self, features):
        known = features.slots().patches[:, :-1]
        drawn = torch.cat([self.first.expand(len(known), 1, -1), self.draw(known)], dim=1)
        return features.order.restore(drawn)


class MeanError:
    """The mean over all images of all processes."""

    def __init__(self, error):
        self.error, self.errors = error, []

    def update(self, predictions, batch):
        self.errors.append(self.error(predictions, batch))

    def compute(self):
        return {"error": float(gather_images(torch.cat(self.errors))[0].mean())}


@hookimpl
def register_tasks():
    return [NextPatch]
