"""One correct component of each kind, for tests that break one thing about it; a run of them is fast."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from reorder_kit import hookimpl
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import (
    CLASS,
    Backbone,
    BackboneFacts,
    DataSource,
    DataSplits,
    Encoded,
    EvaluatedControl,
    Grid,
    ImageShape,
    InRunControl,
    Order,
    Ordering,
    OrderLearner,
    PatchSequence,
    Policy,
    Prior,
    Proposal,
    Sample,
    ScoringPrior,
    SupervisedTask,
    Tokenizer,
    TrainedControl,
)
from reorder_kit.jobs.work import PICTURES
from reorder_kit.priors.lzma import Lzma

SHAPE = ImageShape(1, 2, 2)
DISTRIBUTION = "their-package"
RECIPE: dict[str, Any] = {
    "format_version": 1,
    "name": "trial",
    "data": {"name": "their-data", "batch_size": 4},
    "task": "their-task",
    "backbone": "their-backbone",
    "order": {"start": "their-ordering", "learner": "their-learner"},
    "train": {"steps": 1, "device": "cpu"},
}


class Images:
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return Sample(torch.full(SHAPE.axes, float(index)), index % 2)


class Data(DataSource):
    """Four images."""

    name = "their-data"
    target_kinds = (CLASS,)

    def open(self, seed):
        return DataSplits(SHAPE, ["even", "odd"], Images(), Images(), Images())


class Net(Backbone):
    """The mean of four pixels."""

    name = "their-backbone"

    @classmethod
    def facts(cls, options, image):
        return BackboneFacts(Grid(2, 2), dim=1, depth=1)

    def tokenize(self, images):
        return PatchSequence(images.flatten(2).transpose(1, 2), self.grid)

    def encode(self, sequence, start=0, stop=None, extra_tokens=None):
        return Encoded(sequence)

    def summarize(self, encoded):
        return encoded.sequence.patches.mean(dim=1)

    def reach(self, num_slots):
        return torch.ones(num_slots, dtype=torch.bool)


class Head(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.linear = nn.Linear(1, classes)

    def forward(self, features):
        return self.linear(features.summary())


class Score:
    def update(self, predictions, batch):
        """No metrics."""

    def compute(self):
        return {"score": 1.0}


class Classify(SupervisedTask):
    """Tell classes apart."""

    name = "their-task"
    target_kinds = (CLASS,)
    headline = "score"

    def build_head(self, context):
        return Head(len(context.classes))

    def loss_per_image(self, outputs, targets):
        return nn.functional.cross_entropy(outputs, targets, reduction="none")

    def build_metrics(self, context):
        return Score()


class Rows(Ordering):
    """Row after row."""

    name = "their-ordering"

    def cells(self, height, width):
        return ((row, column) for row in range(height) for column in range(width))


class StartPolicy(Policy):
    def __init__(self, start):
        super().__init__()
        self.start = start

    def propose(self, sequence, block=0):
        return Proposal(self.best_order(), block=block)

    def best_order(self, sequence=None, block=0):
        return self.start

    def build_optimizer(self):
        return None


class Learner(OrderLearner):
    """Keeps the start."""

    name = "their-learner"
    uses_reward = False
    policy = StartPolicy

    def build_policy(self, context):
        return self.policy(context.start)


class Given(Prior):
    """Row-major."""

    name = "their-prior"

    def start(self, context):
        return Order.identity(context.grid.num_patches)


class Scoring(ScoringPrior):
    """All alike."""

    name = "their-prior"

    def score(self, patches, orders):
        return dict.fromkeys(orders, 0.0)


class Zeros(Tokenizer):
    """All the same token."""

    name = "their-tokenizer"
    vocabulary = 2

    def tokens(self, patches):
        return torch.zeros(*patches.shape[:2], 1, dtype=torch.long)


class Kept(TrainedControl):
    """The run again."""

    name, words = "their-control", "the same"

    def recipe(self, content, learned_order):
        return dict(content)


class InRun(InRunControl):
    """The run again."""

    name, words = "their-control", "the same"


class Evaluated(EvaluatedControl):
    """The run again."""

    name, words = "their-control", "the same"

    def change(self, model, batch, classes):
        return model, batch


RIGHT = (Data, Net, Classify, Rows, Learner, Given, Zeros)
"""The components of a run of :data:`RECIPE`, plus a prior and a tokenizer."""


def broken(component: type[Any], **attributes: Any) -> type[Any]:
    """A component with a change."""
    return type(component.__name__, (component,), {"__module__": __name__, "__doc__": "A wrong one.", **attributes})


def raises(error: BaseException) -> Any:
    """A method that raises an error like this one; a reused error would carry its old traceback."""

    def method(self, *arguments, **named):
        raise type(error)(*error.args)

    return method


def host_with_broken(component: type[Any] | None = None) -> PluginHost:
    """A host with a plugin of another distribution, one component of which replaces the correct one."""
    host = PluginHost(third_party=False, blocked=PICTURES)
    names = {getattr(component, "name", None)}
    chosen = [each for each in RIGHT if each.name not in names] + ([] if component is None else [component])
    hooks = {each.kind.hook: hookimpl(lambda each=each: [each]) for each in chosen}
    record = host.add(SimpleNamespace(**hooks), "theirs", DISTRIBUTION, "1.0")
    assert record.status == "ok", record.reason
    return host


def sections(component: type[Any]) -> dict[str, Any]:
    """The recipe sections that use a component of a kind, if they differ from the recipe."""
    prior = {"name": "their-prior"}
    if issubclass(component, Tokenizer):
        prior = {"name": Lzma.name, "tokenizer": "their-tokenizer"}
    return {"order": {"start": {"prior": prior}}} if issubclass(component, (Prior, Tokenizer)) else {}
