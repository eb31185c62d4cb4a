"""REINFORCE: proposals, exact gradients by enumeration, and planted rewards."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from policies import move, policy_loss, policy_of
from reorder_kit.interfaces import PatchSequence, Policy, Progress, Proposal
from reorder_kit.order_learners.reinforce import Reinforce, ReinforcePolicy
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

HOT = {"shape": "constant", "peak": 1.0}


def build(start: Order, **options: Any) -> ReinforcePolicy:
    """A policy that searches from the first step on."""
    learner = Reinforce(Reinforce.Options(**{"warmup_epochs": 0, "search_epochs": 1000, **options}))
    return policy_of(learner, start)


def images(batch: int, patches: int) -> PatchSequence:
    return PatchSequence(torch.zeros(batch, patches, 1), Grid(1, patches))


def at(step: int, steps: int = 1000, stream: int | None = None) -> Progress:
    """A step of a run with one step per epoch, ``steps`` epochs long."""
    place = step if stream is None else stream
    return Progress(step, steps_per_epoch=1, epochs=steps, stream=place, shared_stream=place)


def shuffled(patches: int, seed: int = 0) -> Order:
    return Order(torch.randperm(patches, generator=torch.Generator().manual_seed(seed)))


def train(
    policy: ReinforcePolicy, reward: Callable[[Proposal, int], Tensor], batch: int, steps: int, seed: int = 0
) -> None:
    optimizer = policy.build_optimizer()
    sequence = images(batch, policy.logits.shape[-1])
    for step in range(steps):
        move(policy, at(step, steps, stream=1_000_003 * seed + step))
        proposal = policy.propose(sequence)
        loss = policy_loss(policy, proposal, reward(proposal, step))
        if loss.requires_grad:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def taus(proposal: Proposal, hidden: Order, batch: int) -> Tensor:
    """Kendall's tau of each image's order with a hidden one: agreeing minus disagreeing pairs, over all pairs."""
    rank, hidden_rank = Order(proposal.order.per_image(batch)).rank.float(), hidden.rank.float()
    agree = (rank.unsqueeze(2) - rank.unsqueeze(1)).sign() * (hidden_rank.unsqueeze(1) - hidden_rank).sign()
    size = hidden.num_slots
    return agree.sum(dim=(1, 2)) / (size * (size - 1))


# --- Proposals


def test_logits_fall_from_zero_to_minus_one_along_the_start() -> None:
    assert build(Order([2, 0, 1])).logits.tolist() == [-0.5, -1.0, 0.0]


def test_the_start_is_kept_before_the_search_and_the_best_order_after_it() -> None:
    start = shuffled(9)
    policy = build(start, warmup_epochs=4, search_epochs=3, temperature=HOT)
    for step in range(12):
        move(policy, at(step))
        proposal = policy.propose(images(5, 9))
        assert policy.phase == ("warm-up" if step < 4 else "search" if step < 7 else "hardened")
        if policy.phase == "search":
            assert proposal.log_prob is not None
            policy.logits.data.copy_(torch.arange(9.0))
        else:
            assert proposal.log_prob is None
            assert proposal.order == (start if step < 4 else Order(list(range(8, -1, -1))))


@pytest.mark.parametrize(
    "temperature", [{"shape": "constant", "peak": 0}, {"shape": "linear"}, {"shape": "triangular", "peak": 0}]
)
def test_a_temperature_that_is_always_zero_is_refused(temperature: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="no order is drawn"):
        Reinforce.Options(temperature=temperature)


def test_temperature_zero_gives_the_best_order_without_log_probability() -> None:
    policy = build(shuffled(9))
    move(policy, at(0))  # where the default triangle starts
    proposal = policy.propose(images(4, 9))
    assert policy.phase == "search"
    assert proposal.order == shuffled(9)
    assert proposal.log_prob is None
    assert policy_loss(policy, proposal, torch.arange(4.0)) == 0


@pytest.mark.parametrize(
    ("options", "batch", "expected"),
    [
        ({"groups": 3}, 7, [0, 1, 2, 0, 1, 2, 0]),
        ({"groups": 8}, 3, [0, 1, 2]),
        ({"groups": 4}, 1, [0]),
        ({"granularity": "image"}, 5, [0, 1, 2, 3, 4]),
    ],
)
def test_images_are_dealt_to_groups(options: dict[str, Any], batch: int, expected: list[int]) -> None:
    policy = build(shuffled(30), temperature=HOT, **options)
    move(policy, at(3))
    proposal = policy.propose(images(batch, 30))
    assert proposal.order.groups is not None
    assert proposal.order.groups.tolist() == expected
    assert len({tuple(order) for order in proposal.order.indices.tolist()}) == len(set(expected))
    assert proposal.log_prob is not None
    assert proposal.log_prob.shape == (len(set(expected)),)


def test_the_stream_alone_decides_what_is_drawn() -> None:
    policy, other = build(shuffled(30), temperature=HOT), build(shuffled(30), temperature=HOT)
    move(policy, at(1, stream=5))
    policy.propose(images(16, 30))
    drawn = []
    for one, stream in [(policy, 8), (other, 8), (policy, 9)]:
        move(one, at(2, stream=stream))
        drawn.append(one.propose(images(16, 30)).order)
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_several_batches_of_one_step_get_their_own_orders() -> None:
    policy = build(shuffled(30), temperature=HOT)
    move(policy, at(2))
    assert policy.propose(images(16, 30)).order != policy.propose(images(16, 30)).order


def test_a_higher_temperature_draws_farther_from_the_start() -> None:
    start = shuffled(30)
    near = []
    for temperature in (0.01, 0.2, 5.0):
        policy = build(start, temperature={"shape": "constant", "peak": temperature})
        move(policy, at(0))
        near.append(float(taus(policy.propose(images(64, 30)), start, 64).mean()))
    # At 0.01 neighboring logits are 3.4 apart; at 5.0 all of them are within 0.2.
    assert near[0] > 0.95 > near[1] > 0.2 > near[2]


# --- The gradient


def density(logits: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """All orders, and their probabilities by the definition, in float64, with gradient."""
    size = logits.shape[-1]
    orders = torch.tensor(list(permutations(range(size))))
    weights = (logits / temperature).exp()
    before = torch.cat([torch.full((len(orders), 1), size), orders[:, :-1]], dim=1)
    # For each slot, the weight of every patch; in Plackett-Luce it does not depend on the previous patch.
    rows = weights[before] if logits.ndim == 2 else weights.expand(len(orders), size, -1)
    ahead = rows.gather(2, orders.unsqueeze(1).expand(-1, size, -1)).triu()
    return orders, (ahead.diagonal(dim1=1, dim2=2) / ahead.sum(dim=2)).prod(dim=1)


@pytest.mark.parametrize("compat", ["none", "released"])
@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_the_expected_score_is_zero_unless_the_published_density_is_asked_for(temperature: float, compat: str) -> None:
    schedule = {"shape": "constant", "peak": temperature}
    policy = build(shuffled(3), granularity="image", compat=compat, temperature=schedule)
    move(policy, at(0))
    proposal = policy.propose(images(20_000, 3))
    orders, probabilities = density(policy.logits.detach().double(), temperature)
    assert proposal.log_prob is not None
    drawn = proposal.order.indices.tolist()
    first = [drawn.index(order) for order in orders.tolist()]  # every order was drawn at least once
    (probabilities.float() * proposal.log_prob[first]).sum().backward()
    assert policy.logits.grad is not None
    largest = float(policy.logits.grad.abs().max())
    if compat == "released" and temperature != 1:
        assert largest > 0.1
    else:
        assert largest < 1e-5


@pytest.mark.parametrize(
    "options",
    [
        {"groups": 4},
        {"granularity": "image"},
        {"groups": 4, "baseline": "none"},
        {"granularity": "image", "baseline": "none"},
        {"distribution": "successors", "groups": 4},
        pytest.param({"control_variate": "relax", "groups": 4}, marks=pytest.mark.slow),
    ],
    ids=str,
)
@pytest.mark.parametrize("temperature", [0.5, pytest.param(1.0, marks=pytest.mark.slow)])
def test_the_mean_gradient_is_that_of_the_expected_reward(options: dict[str, Any], temperature: float) -> None:
    # Within 4.5 standard errors in each logit; by the t distribution a false alarm has a rate below 0.0002 for 20.
    policy = build(shuffled(4), temperature={"shape": "constant", "peak": temperature}, **options)
    if policy.surrogate is not None:  # no baseline, or a wrong one, may bias it
        policy.surrogate.worth.data.normal_(generator=torch.Generator().manual_seed(2))
    logits = policy.logits.detach().double().requires_grad_()
    orders, probabilities = density(logits, temperature)
    worth = torch.randn(24, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 0.5
    (probabilities * worth).sum().backward()
    assert logits.grad is not None

    index = {tuple(order): place for place, order in enumerate(orders.tolist())}
    move(policy, at(0))
    gradients = []
    for _ in range(400):
        proposal = policy.propose(images(32, 4))
        rows = [index[tuple(order)] for order in proposal.order.indices.tolist()]
        reward = worth[rows][proposal.order.groups].float()
        (gradient,) = torch.autograd.grad(policy_loss(policy, proposal, reward), policy.logits)
        gradients.append(-gradient.double())
    mean, error = torch.stack(gradients).mean(dim=0), torch.stack(gradients).std(dim=0) / math.sqrt(400)
    assert ((mean - logits.grad).abs() <= 4.5 * error).all()
    assert (logits.grad.abs() > 4.5 * error).any()  # the test would detect a missing gradient


def weighed(policy: ReinforcePolicy, rewards: list[float], log_probs: list[float], groups: list[int]) -> list[float]:
    """The advantage of each sample: the factor of its log-probability in minus the mean."""
    log_prob = torch.tensor(log_probs, dtype=torch.float32, requires_grad=True)
    order = Order(torch.stack([torch.arange(3)] * len(log_probs)), groups=torch.tensor(groups))
    policy_loss(policy, Proposal(order, log_prob=log_prob), torch.tensor(rewards, dtype=torch.float32)).backward()
    assert log_prob.grad is not None
    return (-len(log_probs) * log_prob.grad).tolist()


def test_leave_one_out_compares_with_the_mean_of_the_others() -> None:
    # Group means 2, 5, 11 (the first of three images, 1, 2 and 3); the others' means 8, 6.5, 3.5.
    advantages = weighed(build(shuffled(3)), [1, 5, 11, 2, 3], [-1, -1, -1], [0, 1, 2, 0, 0])
    assert advantages == pytest.approx([-6, -1.5, 7.5])


def test_one_sample_alone_has_nothing_to_be_compared_with() -> None:
    assert weighed(build(shuffled(3)), [7.0], [-1.0], [0]) == [0]


def test_without_a_baseline_the_reward_itself_counts() -> None:
    policy = build(shuffled(3), baseline="none")
    assert weighed(policy, [1, 5, 3], [-1, -1], [0, 1, 0]) == pytest.approx([2, 5])


def test_the_running_mean_starts_at_the_first_mean() -> None:
    policy = build(shuffled(3), baseline="ema", ema_decay=0.75)
    assert policy.reward_mean.isnan()
    # First batch: mean 4. It is compared with itself, and the running mean is 4.
    assert weighed(policy, [1, 5, 6], [-1, -1, -1], [0, 1, 2]) == pytest.approx([-3, 1, 2])
    assert float(policy.reward_mean) == pytest.approx(4)
    # Second batch: compared with 4; the running mean moves a quarter of the way from 4 to 8.
    assert weighed(policy, [7, 9], [-1, -1], [0, 1]) == pytest.approx([3, 5])
    assert float(policy.reward_mean) == pytest.approx(5)
    assert weighed(policy, [5], [-1], [0]) == pytest.approx([0])


def test_nothing_is_learned_from_what_is_drawn_while_the_model_explores() -> None:
    policy = build(shuffled(6), search_epochs=11, explore_share=0.5, temperature=HOT)
    for step, learns in [(0, False), (4, False), (5, True), (10, True)]:
        move(policy, at(step))
        proposal = policy.propose(images(8, 6))
        assert len(proposal.order.indices) == 8
        assert policy_loss(policy, proposal, torch.arange(8.0)).requires_grad == learns, step


def test_the_entropy_bonus_rewards_improbable_samples() -> None:
    # Rewards 1 and 1, plus half of 2 and 6 nats of surprise: 2 and 4.
    assert weighed(build(shuffled(3), entropy_bonus=0.5), [1, 1], [-2, -6], [0, 1]) == pytest.approx([-2, 2])


@pytest.mark.parametrize("baseline", ["leave-one-out", "ema", "none"])
def test_rewards_in_half_precision_and_logits_in_double_work(baseline: str) -> None:
    policy = build(shuffled(5), baseline=baseline, temperature=HOT).to(torch.float64)
    optimizer = policy.build_optimizer()
    for step in range(3):
        move(policy, at(step))
        policy_loss(policy, policy.propose(images(9, 5)), torch.randn(9).bfloat16()).backward()
        optimizer.step()
    assert policy.logits.dtype == torch.float64
    assert policy.logits.isfinite().all()


def test_a_normalized_advantage_has_a_root_mean_square_of_one() -> None:
    # Leave-one-out advantages -6, -1.5, 7.5, as above; their mean square is 31.5.
    policy = build(shuffled(3), normalize_advantage=True)
    advantages = weighed(policy, [1, 5, 11, 2, 3], [-1, -1, -1], [0, 1, 2, 0, 0])
    assert advantages == pytest.approx([value / math.sqrt(31.5) for value in (-6, -1.5, 7.5)])
    assert weighed(policy, [2, 2, 2], [-1, -5, -1], [0, 1, 2]) == [0, 0, 0]
    scaled = weighed(policy, [1e-6, 5e-6, 11e-6, 2e-6, 3e-6], [-1, -1, -1], [0, 1, 2, 0, 0])
    assert scaled == pytest.approx(advantages, rel=1e-4)


def test_logits_of_successors_are_larger_for_the_next_patch_of_the_start() -> None:
    logits = build(Order([2, 0, 1]), distribution="successors").logits
    expected = torch.zeros(4, 3)
    expected[3, 2] = expected[2, 0] = expected[0, 1] = 0.2
    assert torch.equal(logits, expected)


# --- Learning


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"granularity": "image"},
        {"proposals": "swaps"},
        *(
            pytest.param(options, marks=pytest.mark.slow)
            for options in (
                {"baseline": "ema"},
                {"optimizer": "sgd", "lr": 0.05, "temperature": {"shape": "constant", "peak": 0.3}},
                {"temperature": {"shape": "linear", "initial": 0.5, "final": 0.1}},
                {"normalize_advantage": True},
                {"reuse": 2},
                {"optimizer": "natural", "lr": 1.0, "normalize_advantage": True},
                {"distribution": "successors", "temperature": {"shape": "constant", "peak": 0.2}},
                {"control_variate": "relax"},
            )
        ),
    ],
    ids=str,
)
def test_a_planted_order_is_found_behind_noise(options: dict[str, Any]) -> None:
    hidden = Order([4, 1, 5, 0, 3, 2])
    policy = build(Order(hidden.indices.flip(0)), search_epochs=600, **options)
    noise = 0.3 * torch.randn(600, 32, generator=torch.Generator().manual_seed(0))
    train(policy, lambda proposal, step: taus(proposal, hidden, 32) + noise[step], batch=32, steps=600)
    assert policy.best_order().kendall_tau(hidden) >= 0.9


def entropy_after(bonus: float) -> float:
    policy = build(shuffled(4), temperature={"shape": "constant", "peak": 0.2}, entropy_bonus=bonus)
    train(policy, lambda proposal, _: torch.zeros(32), batch=32, steps=200)
    _, probabilities = density(policy.logits.detach().double(), 0.2)
    return float(torch.special.entr(probabilities).sum())


def test_the_entropy_bonus_raises_the_entropy() -> None:
    assert entropy_after(0.1) > entropy_after(0.0) + 0.5
    assert entropy_after(0.1) <= math.log(24)


def test_the_logged_entropy_estimates_that_of_the_distribution() -> None:
    policy = build(shuffled(4), granularity="image", temperature={"shape": "constant", "peak": 0.5})
    move(policy, at(0))
    policy_loss(policy, policy.propose(images(4000, 4)), torch.randn(4000))
    _, probabilities = density(policy.logits.detach().double(), 0.5)
    expected = float(torch.special.entr(probabilities).sum())
    assert policy.metrics() == {"temperature": 0.5, "entropy": pytest.approx(expected, abs=0.05)}


# --- Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": 1}, "at least 2 groups"),
        ({"groups": 0}, "greater than or equal to 1"),
        ({"ema_decay": 1.0}, "less than 1"),
        ({"temprature": {}}, "Extra inputs"),
        ({"proposals": "swaps", "groups": 1}, "at least 2 groups"),
        ({"proposals": "swaps", "baseline": "ema"}, "baseline does nothing"),
        ({"ratio_limit": 3.0}, "ratio_limit does nothing"),
        ({"max_kl": 1.0}, "max_kl does nothing"),
        ({"optimizer": "sgd", "damping": 1.0}, "damping does nothing"),
        ({"reuse": 1, "granularity": "image"}, "reuse needs"),
        ({"reuse": 1, "proposals": "swaps"}, "reuse needs"),
        ({"reuse": 1, "control_variate": "relax"}, "relax needs"),
        ({"control_variate": "relax", "distribution": "successors"}, "relax needs"),
        ({"control_variate": "relax", "optimizer": "natural"}, "relax needs"),
        ({"proposals": "swaps", "optimizer": "natural"}, "natural needs"),
        ({"compat": "released", "optimizer": "natural"}, "natural needs"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Reinforce.Options(**options)


@pytest.mark.parametrize(
    ("optimizer", "kind"), [("adam", torch.optim.Adam), ("sgd", torch.optim.SGD), ("natural", torch.optim.SGD)]
)
def test_the_policy_has_its_own_optimizer_without_decay(optimizer: str, kind: type[torch.optim.Optimizer]) -> None:
    policy: Policy = build(shuffled(5), optimizer=optimizer, lr=0.3)
    built = policy.build_optimizer()
    assert isinstance(built, kind)
    assert built.defaults["lr"] == 0.3
    assert built.defaults["weight_decay"] == 0
