"""Components with unusual declarations, for random recipes."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import (
    CLASS,
    NONE,
    Backbone,
    BackboneFacts,
    ComponentOptions,
    DataSource,
    DataSplits,
    Encoded,
    Grid,
    ImageShape,
    Order,
    Ordering,
    OrderingOptions,
    OrderLearner,
    Pass,
    PatchSequence,
    Phases,
    Proposal,
    Sample,
    StepResult,
    Task,
    TrainedControl,
)
from reorder_kit.interfaces.requirements import (
    require_causal,
    require_first_block_only,
    require_hard,
    require_no_leaks,
    require_order_sensitive,
    require_static,
)
from reorder_kit.model.fixed_policies import FixedOrder
from two_levels import TwoLevels

WHY = "it would not work"
Requirement = Literal["causal", "sensitive", "hard", "static", "first-block", "no-leaks", "many-patches"]


class OddPolicy(FixedOrder):
    def __init__(self, options, start):
        super().__init__(start)
        self.is_static = options.kind != "dynamic"
        self.mixes = options.kind == "mixing"
        self.blocks = options.before

    def best_order(self, sequence=None, block=0):
        if block == min(self.blocks):
            return super().best_order()
        return Order.identity(len(self.indices))

    def propose(self, sequence, block=0):
        return Proposal(self.best_order(sequence, block), block=block)


class Odd(OrderLearner):
    """A learner with an option for everything that a policy can declare, and phases with other names."""

    name = "odd"
    uses_reward = False

    class Options(ComponentOptions):
        kind: Literal["plain", "mixing", "dynamic"] = Field("plain", description="what the policy declares")
        before: tuple[int, ...] = Field((0,), min_length=1, description="blocks before which it orders")
        begins: float = Field(0.0, ge=0, description="share of the run before its search")
        lasts: float | None = Field(None, ge=0, description="epochs of its search; null: all that are left")
        anew: bool = Field(False, description="train new weights afterward")
        least: int = Field(1, ge=1, description="fewest patches that it can order")

    def phases(self, epochs):
        first = self.options.begins * epochs
        return Phases(
            first, max(0.0, epochs - first) if self.options.lasts is None else self.options.lasts, self.options.anew
        )

    def build_policy(self, context):
        if context.grid.num_patches < self.options.least:
            raise ReorderKitError(f"{self.options.least} patches are needed, not {context.grid.num_patches}")
        return OddPolicy(self.options, context.start)


class Rewarded(Odd):
    """The same, with a reward."""

    name = "rewarded"
    uses_reward = True


class Leaping(Ordering):
    """Every n-th patch; not an order of all patches if n divides their number."""

    name = "leaping"

    class Options(OrderingOptions):
        leap: int = Field(3, ge=1, description="patches from one to the next")

    def cells(self, height, width):
        count = height * width
        return (divmod(place * self.options.leap % count, width) for place in range(count))


class Plain(Backbone):
    """A bag of patches with declarations from its options; patches need not fill the image."""

    name = "plain"

    class Options(ComponentOptions):
        patch_size: int = Field(2, ge=1, description="side of a patch, pixels")
        dim: int = Field(4, ge=1, description="width of the embedding")
        blocks: int = Field(2, ge=1, description="blocks")
        looks_back: bool = Field(False, description="declares that it is causal")
        blind: bool = Field(False, description="declares that orders make no difference")

    @classmethod
    def facts(cls, options, image):
        grid = Grid(image.height // options.patch_size, image.width // options.patch_size, image.frames)
        return BackboneFacts(
            grid,
            options.dim,
            options.blocks,
            is_causal=options.looks_back,
            order_sensitive=not options.blind,
        )

    def __init__(self, options, image):
        super().__init__(options, image)
        self.embed = nn.Linear(image.channels, options.dim)

    def tokenize(self, images):
        patches = self.embed(images.flatten(2).mean(dim=2))
        return PatchSequence(patches[:, None].expand(-1, self.grid.num_patches, -1), self.grid)

    def encode(self, sequence: PatchSequence, start=0, stop=None, extra_tokens=None):
        return Encoded(sequence)

    def summarize(self, encoded):
        return encoded.sequence.patches.mean(dim=1)

    def reach(self, num_slots):
        return torch.ones(num_slots, dtype=torch.bool)


class Images:
    def __init__(self, shape, count):
        self.shape, self.count = shape, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return Sample(torch.zeros(self.shape.axes), index % 2)


class Shapes(DataSource):
    """Blank images or clips of any shape, which may be undeclared until it is opened."""

    name = "shapes"
    target_kinds = (CLASS,)

    class Options(ComponentOptions):
        height: int = Field(4, ge=1, description="pixels")
        width: int = Field(6, ge=1, description="pixels")
        frames: int = Field(1, ge=1, description="of a clip")
        is_known: bool = Field(True, description="whether the shape is known before the data is opened")

    @property
    def shape(self):
        return ImageShape(1, self.options.height, self.options.width, self.options.frames)

    @property
    def image(self):
        return self.shape if self.options.is_known else None

    def open(self, seed):
        return DataSplits(self.shape, ["even", "odd"], *(Images(self.shape, count) for count in (20, 4, 4)))


class OtherLearner(TrainedControl):
    """The same run with a policy that mixes and orders twice."""

    name = "other-learner"
    words = "another learner"
    needs = frozenset({"learner"})

    def recipe(self, content, learned_order):
        learner = {"name": "odd", "kind": "mixing", "before": [0, 1]}
        return {**content, "order": {**content["order"], "learner": learner}}


class Shorter(TrainedControl):
    """A third of the run."""

    name = "shorter"
    words = "a third of the run"

    def recipe(self, content, learned_order):
        length = "steps" if "steps" in content["train"] else "epochs"
        third = max(1, content["train"][length] // 3)
        return {**content, "train": {**content["train"], length: third}}


class Demanding(Task):
    """A task that refuses what its options say."""

    name = "demanding"
    target_kinds = (NONE,)
    headline = "loss"
    higher_is_better = False

    class Options(ComponentOptions):
        requires: tuple[Requirement, ...] = Field((), description="what backbone and policy have to be")
        dense: bool = Field(False, description="declares that it looks at places")

    def __init__(self, options=None):
        super().__init__(options)
        self.is_dense = self.options.dense

    def controls(self):
        return OtherLearner(), Shorter()

    def check(self, facts, policy):
        for requirement in self.options.requires:
            match requirement:
                case "causal":
                    require_causal(facts, WHY)
                case "sensitive":
                    require_order_sensitive(facts, WHY)
                case "hard":
                    require_hard(policy, WHY)
                case "static":
                    require_static(policy, WHY)
                case "first-block":
                    require_first_block_only(policy, WHY)
                case "no-leaks":
                    require_no_leaks(policy, WHY)
                case "many-patches" if facts.grid.num_patches < 9:
                    raise ReorderKitError("nine patches are needed")

    def build_head(self, context):
        return nn.Linear(context.facts.dim, 1)

    def step(self, model, batch, progress):
        features = model.read(batch)
        loss = model.head(features.summary()).square().mean(dim=1)
        return StepResult(loss, None, (Pass(features.proposals, -loss.detach()),))

    def build_metrics(self, context):
        raise AssertionError("nothing is evaluated")


class OddPlugin:
    @hookimpl
    def register_order_learners(self):
        return [Odd, Rewarded]

    @hookimpl
    def register_orderings(self):
        return [Leaping]

    @hookimpl
    def register_backbones(self):
        return [Plain, TwoLevels]

    @hookimpl
    def register_data_sources(self):
        return [Shapes]

    @hookimpl
    def register_tasks(self):
        return [Demanding]
