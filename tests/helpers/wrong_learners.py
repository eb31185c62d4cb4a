"""Order-learners for the kit: correct ones of several kinds, and wrong ones that each break a rule."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import nn

from reorder_kit.interfaces import ComponentOptions, Grid, Order, OrderLearner, Phases, Policy, Proposal

GRIDS = (Grid(1, 1), Grid(3, 5))


class ScorePolicy(Policy):
    """A score for each patch, with noise; scores move toward rewarded noise."""

    lr = 0.05

    def __init__(self, start):
        super().__init__()
        self.scores = nn.Parameter(-start.rank.float())
        self.generator = torch.Generator()

    def advance(self, progress):
        super().advance(progress)
        self.generator.manual_seed(progress.stream)

    def propose(self, sequence, block=0):
        if self.phase != "search":
            return Proposal(self.best_order())
        noise = torch.randn(sequence.batch, len(self.scores), generator=self.generator)
        drawn = self.scores.detach() + noise
        order = Order.trusted(drawn.argsort(dim=1, descending=True), len(self.scores))
        return Proposal(order, log_prob=self.log_prob((drawn - self.scores).square().sum(dim=1)))

    def log_prob(self, squares):
        return -squares / 2

    def loss(self, passes, batch=None):
        proposal, reward = passes[0].proposals[0], passes[0].reward
        if proposal.log_prob is None:
            return reward.new_zeros(())
        return -(self.advantage(reward) * proposal.log_prob).mean()

    def advantage(self, reward):
        relative = reward - reward[0]  # equal rewards give zero, without rounding
        return relative - relative.mean()

    def best_order(self, sequence=None, block=0):
        return Order.trusted(self.scores.detach().argsort(descending=True), len(self.scores))

    def build_optimizer(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


class Scores(OrderLearner):
    """Scores with noise."""

    name = "scores"
    uses_reward = True
    policy = ScorePolicy

    def phases(self, epochs):
        return Phases(0.1 * epochs, 0.5 * epochs)

    def build_policy(self, context):
        return self.policy(context.start)


def learner(policy_class=ScorePolicy, **attributes):
    """Scores, with a mistake."""
    return type("Wrong", (Scores,), {"__doc__": "A wrong one.", "policy": policy_class, **attributes})


class FromZero(ScorePolicy):
    def __init__(self, start):
        super().__init__(start)
        nn.init.zeros_(self.scores)


class SearchesInWarmUp(ScorePolicy):
    def propose(self, sequence, block=0):
        if self.phase != "warm-up":
            return super().propose(sequence, block)
        self.phase = "search"
        proposal = super().propose(sequence, block)
        self.phase = "warm-up"
        return proposal


class NeverHardens(ScorePolicy):
    def propose(self, sequence, block=0):
        if self.phase != "hardened":
            return super().propose(sequence, block)
        self.phase = "search"
        proposal = super().propose(sequence, block)
        self.phase = "hardened"
        return proposal


class Repeats(ScorePolicy):
    def propose(self, sequence, block=0):
        proposal = super().propose(sequence, block)
        indices = proposal.order.indices.clone()
        indices[..., -1] = indices[..., 0]
        return Proposal(Order.trusted(indices, len(self.scores)), log_prob=proposal.log_prob)


class SaysItMixes(ScorePolicy):
    mixes = True


class CountsInPython(ScorePolicy):
    calls = 0

    def propose(self, sequence, block=0):
        self.calls += 1
        self.generator.manual_seed(self.calls)
        return super().propose(sequence, block)


class AddsUp(ScorePolicy):
    def __init__(self, start):
        super().__init__(start)
        self.register_buffer("steps", torch.tensor(0))

    def advance(self, progress):
        super().advance(progress)
        self.steps += 1
        self.generator.manual_seed(int(self.steps))


class Sizeless(ScorePolicy):
    def __init__(self, start):
        super().__init__(start)
        kept = self.scores.detach()
        del self.scores
        self.scores = kept
        self.scale = nn.Parameter(torch.ones(()))


class Idle(ScorePolicy):
    def __init__(self, start):
        super().__init__(start)
        self.idle = nn.Parameter(torch.ones(2))


class Underflows(ScorePolicy):
    def log_prob(self, squares):
        return (-10 * squares).exp().log()


class NotANumber(ScorePolicy):
    def metrics(self):
        return {"entropy": float("nan")}


class NoBaseline(ScorePolicy):
    lr = 1.0

    def advantage(self, reward):
        return reward


class TryingPolicy(Policy):
    """Two patches are swapped if that improves the step's reward."""

    def __init__(self, start):
        super().__init__()
        self.register_buffer("indices", start.indices.clone())
        self.generator = torch.Generator()

    def advance(self, progress):
        super().advance(progress)
        self.generator.manual_seed(progress.shared_stream)

    def propose(self, sequence, block=0):
        return Proposal(self.best_order())

    def search(self, evaluate):
        if self.phase != "search":
            return
        first, second = torch.randint(len(self.indices), (2,), generator=self.generator).tolist()
        swapped = self.indices.clone()
        swapped[[first, second]] = self.indices[[second, first]]
        candidate = Proposal(Order.trusted(swapped, len(swapped)))
        if self.is_better(evaluate(candidate), evaluate(Proposal(self.best_order()))):
            self.indices.copy_(swapped)

    def is_better(self, reward, before):
        return reward.mean() > before.mean()

    def best_order(self, sequence=None, block=0):
        return Order.trusted(self.indices.clone(), len(self.indices))

    def build_optimizer(self):
        return None


class TakesAll(TryingPolicy):
    def is_better(self, reward, before):
        return True


class TakesNone(TryingPolicy):
    def is_better(self, reward, before):
        return False


class Tries(Scores):
    """It tries to swap patches."""

    name = "tries"
    policy = TryingPolicy

    def extra_passes(self, batch):
        return 2.0


class Penalized(ScorePolicy):
    """Its loss is not zero, whatever the reward."""

    def propose(self, sequence, block=0):
        return Proposal(self.best_order())

    def loss(self, passes, batch=None):
        return self.scores.square().sum() if self.phase == "search" else self.scores.new_zeros(())


class OrdersTwice(ScorePolicy):
    """Scores decide before block 0; before block 1 everything stays where it is."""

    blocks = (0, 1)

    def propose(self, sequence, block=0):
        if block == 0:
            return super().propose(sequence)
        return Proposal(self.best_order(sequence, block), block=block)

    def best_order(self, sequence=None, block=0):
        return super().best_order() if block == 0 else self.later_order()

    def later_order(self):
        return Order.identity(len(self.scores))


class ReversesLater(OrdersTwice):
    def later_order(self):
        return Order(torch.arange(len(self.scores)).flip(0))


class ForgetsTheBlock(OrdersTwice):
    def propose(self, sequence, block=0):
        return Proposal(self.best_order(sequence, block)) if block else super().propose(sequence)


class ReadsPixels(ScorePolicy):
    """Images with the same pixels draw alike; pixels and targets must be available."""

    needs = frozenset({"pixels"})

    def propose(self, sequence, block=0):
        assert sequence.pixels.shape[:2] == sequence.patches.shape[:2]
        return super().propose(sequence, block)

    def loss(self, passes, batch=None):
        assert batch.targets.shape == passes[0].reward.shape
        assert set(batch.targets.tolist()) <= {0, 1}
        return super().loss(passes, batch)


class ReadsPixelsInSecret(ReadsPixels):
    needs = frozenset()


class ComparesRepeats(ScorePolicy):
    """Each image is compared with itself in another repeat."""

    repeats = 2

    def loss(self, passes, batch=None):
        first, second = passes
        if first.proposals[0].log_prob is None:
            return first.reward.new_zeros(())
        difference = first.reward - second.reward
        return -(difference * (first.proposals[0].log_prob - second.proposals[0].log_prob)).mean()


class SquaresOnly(ScorePolicy):
    """A missing square grid, or a call before the first step, is an error."""

    advanced = False

    def advance(self, progress):
        super().advance(progress)
        self.advanced = True

    def load_state_dict(self, *args, **keywords):
        self.advanced = False
        return super().load_state_dict(*args, **keywords)

    def propose(self, sequence, block=0):
        assert sequence.grid.height == sequence.grid.width
        assert self.advanced
        return super().propose(sequence, block)

    def best_order(self, sequence=None, block=0):
        assert self.advanced
        return super().best_order(sequence, block)


class Frozen(ScorePolicy):
    def __init__(self, start):
        super().__init__(start)
        self.kept = nn.Parameter(torch.ones(2), requires_grad=False)


class WithTemperature(Scores):
    """Scores with a temperature of a different type from that of the package's learners."""

    class Options(ComponentOptions):
        temperature: float = Field(1.0, gt=0, description="of the noise")


class TriesBoth(TryingPolicy):
    """It swaps before block 0, and tries each candidate together with the order before block 1."""

    blocks = (0, 1)

    def propose(self, sequence, block=0):
        return Proposal(self.best_order(sequence, block), block=block)

    def search(self, evaluate):
        later = Proposal(Order.identity(len(self.indices)), block=1)
        super().search(lambda proposal: evaluate([proposal, later]))

    def best_order(self, sequence=None, block=0):
        return super().best_order() if block == 0 else Order.identity(len(self.indices))
