"""What a step of low-rank and of gumbel-sinkhorn costs by slots, with one thread: python benchmarks/cost.py."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from reorder_kit_birkhoff.low_rank import LowRank
from torch import Tensor

from reorder_kit.interfaces import CLASS, Grid, LearnerContext, Order, OrderLearner, Policy, Progress
from reorder_kit.order_learners import SoftPolicy
from reorder_kit.order_learners.gumbel_sinkhorn import GumbelSinkhorn

SLOTS = (64, 196, 1024)
REPEATS = 5
LEARNERS: dict[str, OrderLearner] = {
    "low-rank": LowRank(LowRank.Options.model_validate({"warmup_epochs": 0, "search_epochs": 2})),
    "gumbel-sinkhorn": GumbelSinkhorn(
        GumbelSinkhorn.Options.model_validate({"warmup_epochs": 0, "search_epochs": 2, "noise": {"initial": 0.0}})
    ),
}


def policy_of(learner: OrderLearner, slots: int) -> SoftPolicy:
    """A policy in the middle of its search."""
    start = Order(torch.randperm(slots))
    context = LearnerContext(start, Grid(1, slots), dim=1, depth=1, target_kind=CLASS, classes=("no", "yes"))
    policy = learner.build_policy(context)
    assert isinstance(policy, SoftPolicy)
    policy.advance(learner.phases(2).locate(Progress(1, 1, 2, stream=1, shared_stream=1)))
    return policy


def milliseconds(run: Callable[[], object]) -> float:
    """The median of some runs, after one that does not count."""
    seconds = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds[1:])


def megabytes(policy: Policy, loss: Callable[[], Tensor]) -> float:
    """Parameters, their gradients and Adam's two moments, and what a forward pass keeps for the backward pass."""
    kept = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = loss()
    for parameter in policy.parameters():
        kept.pop(parameter.untyped_storage().data_ptr(), None)
    assert result.requires_grad
    parameters = sum(parameter.numel() for parameter in policy.parameters())
    return (16 * parameters + sum(kept.values())) / 1e6


def main() -> None:
    """Print a row for each number of slots and learner."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print("slots learner parameters MB matrix-ms step-ms order-ms")
    for slots in SLOTS:
        for name, learner in LEARNERS.items():
            policy = policy_of(learner, slots)
            optimizer = policy.build_optimizer()
            weights = torch.randn(slots, slots)

            def loss(policy: SoftPolicy = policy, weights: Tensor = weights) -> Tensor:
                return (policy.soft_permutation().matrix * weights).sum()

            def step(loss: Callable[[], Tensor] = loss, optimizer: torch.optim.Optimizer = optimizer) -> None:
                optimizer.zero_grad()
                torch.autograd.backward(loss())
                optimizer.step()

            memory = megabytes(policy, loss)
            times = [milliseconds(run) for run in (loss, step, policy.best_order)]
            parameters = sum(parameter.numel() for parameter in policy.parameters())
            print(slots, name, parameters, f"{memory:.1f}", *(f"{each:.1f}" for each in times))


if __name__ == "__main__":
    main()
