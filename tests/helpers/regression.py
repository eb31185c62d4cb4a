"""A task whose headline is an error: lower is better, and it is not a share."""

from __future__ import annotations

from torch import nn

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import CLASS, SupervisedTask


class NumberHead(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.linear = nn.Linear(dim, 1)

    def forward(self, features):
        return self.linear(features.summary()).squeeze(1)


class MeanError:
    def __init__(self):
        self.total, self.images = 0.0, 0

    def update(self, predictions, batch):
        self.total += float((predictions - batch.targets).square().sum())
        self.images += len(batch)

    def compute(self):
        return {"mse": self.total / self.images}


class Regression(SupervisedTask):
    """Predict the number of the class by regression."""

    name = "regression"
    target_kinds = (CLASS,)
    headline = "mse"
    higher_is_better = False
    margin = 0.25

    def build_head(self, context):
        return NumberHead(context.facts.dim)

    def loss_per_image(self, outputs, targets):
        return (outputs - targets).square()

    def score_per_image(self, predictions, batch):
        return (predictions - batch.targets).square()

    def build_metrics(self, context):
        return MeanError()


class RegressionPlugin:
    @hookimpl
    def register_tasks(self):
        return [Regression]
