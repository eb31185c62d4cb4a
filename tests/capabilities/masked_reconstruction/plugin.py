"""Hide patches of each image, and reconstruct them from the others."""

import torch
from pydantic import Field
from torch import nn

from reorder_kit import hookimpl
from reorder_kit.interfaces import (
    NONE,
    ComponentOptions,
    Pass,
    StepResult,
    Task,
    cut,
    gather_images,
    require_no_leaks,
)


class MaskedReconstruction(Task):
    """The mean squared error of the pixels of hidden patches."""

    name = "masked-reconstruction"
    target_kinds = (NONE,)
    headline = "error"
    higher_is_better = False
    is_dense = True

    class Options(ComponentOptions):
        hidden: float = Field(0.5, gt=0, lt=1, description="share of the patches that are hidden")

    def check(self, facts, policy):
        require_no_leaks(policy, "hidden patches would tell of themselves")

    def build_head(self, context):
        grid, pixels = context.facts.grid, context.image.channels * context.image.height * context.image.width
        return PixelDecoder(grid.num_patches, context.facts.levels[-1].dim, pixels // grid.num_patches)

    def prepare(self, batch, training, context):
        patches = context.facts.grid.num_patches
        rank = batch.random("masked-reconstruction/mask", patches).argsort(dim=1).argsort(dim=1)
        keep = rank >= round(self.options.hidden * patches)
        return batch.with_prepared(keep=keep, pixels=cut(batch.images, context.facts.grid))

    def step(self, model, batch, progress):
        features = model.read(batch, keep=batch.prepared["keep"])
        drawn = model.head(features)
        loss = self.score_per_image(drawn, batch)
        return StepResult(loss, drawn, (Pass(features.proposals, -loss.detach()),))

    def predict(self, model, batch, result=None):
        return model.head(model.read(batch, keep=batch.prepared["keep"])) if result is None else result.outputs

    def score_per_image(self, predictions, batch):
        hidden = ~batch.prepared["keep"]
        by_patch = (predictions - batch.prepared["pixels"]).square().mean(dim=2)
        return (by_patch * hidden).sum(dim=1) / hidden.sum(dim=1)

    def build_metrics(self, context):
        return MeanError(self.score_per_image)


class PixelDecoder(nn.Module):
    """A mask token for each hidden patch, positions, and attention over all patches."""

    def __init__(self, patches, dim, pixels):
        super().__init__()
        self.missing = nn.Parameter(torch.zeros(dim))
        self.places = nn.Parameter(0.02 * torch.randn(patches, dim))
        self.mix = nn.Linear(patches, patches)
        self.draw = nn.Linear(dim, pixels)

    def forward(self, features):
        sequence = features.patches()
        seen = torch.where(sequence.valid.unsqueeze(2), sequence.patches, self.missing) + self.places
        return self.draw(seen + self.mix(seen.transpose(1, 2)).transpose(1, 2).relu())


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
    return [MaskedReconstruction]
