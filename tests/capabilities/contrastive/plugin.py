"""Two views of each image, and a loss that distinguishes them from the views of other images."""

import torch
from pydantic import Field
from torch import nn

from reorder_kit import hookimpl
from reorder_kit.interfaces import (
    NONE,
    ComponentOptions,
    DataSource,
    DataSplits,
    ImageShape,
    Pass,
    Sample,
    StepResult,
    Task,
    gather_images,
)


class Glimpses:
    """Random images, of which a view is noisy; those for training are always noisy."""

    def __init__(self, seed, count, noise, training=False):
        self.images = torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
        self.noise, self.training = noise, training

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.view(index) if self.training else Sample(self.images[index], None)

    def view(self, index):
        return Sample(self.images[index] + self.noise * torch.randn(1, 8, 8), None)


class NoisyImages(DataSource):
    """Images without targets, and noise for augmentation."""

    name = "noisy-images"
    target_kinds = (NONE,)
    image = ImageShape(1, 8, 8)

    class Options(ComponentOptions):
        noise: float = Field(0.3, ge=0, description="standard deviation of the noise; pixels are from 0 to 1")

    def open(self, seed):
        noise = self.options.noise
        return DataSplits(self.image, [], Glimpses(0, 96, noise, True), Glimpses(1, 40, noise), Glimpses(2, 50, noise))


class Contrastive(Task):
    """InfoNCE both ways: each image finds its view among the views of all processes, and each view its image."""

    name = "contrastive"
    target_kinds = (NONE,)
    headline = "retrieval"

    class Options(ComponentOptions):
        dim: int = Field(8, ge=1, description="width of the embeddings that are compared")
        temperature: float = Field(0.2, gt=0, description="what similarities are divided by")

    def views(self, training):
        return 1

    def build_head(self, context):
        return Embedding(context.facts.dim, self.options.dim)

    def step(self, model, batch, progress):
        first, second = model(batch), model(batch.views[0])
        losses = self.info_nce(first.outputs, second.outputs), self.info_nce(second.outputs, first.outputs)
        passes = tuple(Pass(read.proposals, -losses[view].detach(), view) for view, read in enumerate((first, second)))
        outputs = torch.stack([first.outputs, second.outputs], dim=1)
        return StepResult(sum(losses) / 2, outputs, passes, {"to_view": losses[0], "to_image": losses[1]})

    def info_nce(self, queries, keys):
        keys, mine = gather_images(keys)
        own = torch.arange(mine.start, mine.stop, device=keys.device)
        return nn.functional.cross_entropy(queries @ keys.T / self.options.temperature, own, reduction="none")

    def predict(self, model, batch, result=None):
        if result is not None:
            return result.outputs
        return torch.stack([model(view).outputs for view in (batch, *batch.views)], dim=1)

    def score_per_image(self, predictions, batch):
        keys, mine = gather_images(predictions[:, 1])
        return ((predictions[:, 0] @ keys.T).argmax(1).cpu() == torch.arange(mine.start, mine.stop)).float()

    def build_metrics(self, context):
        return Retrieval(self.score_per_image)


class Embedding(nn.Module):
    """A point on the unit sphere."""

    def __init__(self, dim, out):
        super().__init__()
        self.linear = nn.Linear(dim, out)

    def forward(self, features):
        return nn.functional.normalize(self.linear(features.summary()), dim=1)


class Retrieval:
    """The share of images whose view is the nearest of its batch."""

    def __init__(self, score):
        self.score, self.hits = score, []

    def update(self, predictions, batch):
        self.hits.append(self.score(predictions, batch))

    def compute(self):
        return {"retrieval": float(gather_images(torch.cat(self.hits))[0].mean())}


@hookimpl
def register_data_sources():
    return [NoisyImages]


@hookimpl
def register_tasks():
    return [Contrastive]
