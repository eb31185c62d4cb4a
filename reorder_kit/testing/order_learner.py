"""The contract of order-learners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from pydantic import BaseModel
from torch import Tensor

from reorder_kit.interfaces import Grid, Order, OrderLearner, PatchSequence
from reorder_kit.testing._learner_orders import ORDER_RULES
from reorder_kit.testing._search import (
    STEPS,
    LearnerCase,
    Led,
    Reward,
    Trials,
    by_loss,
    descend,
    expect_valid,
    shuffled,
)
from reorder_kit.testing.component import COMPONENT_RULES, OptionsGiven, given_of, options_of
from reorder_kit.testing.rule import Rule, expect, expect_equal, hold, rule

GRIDS: tuple[Grid, ...] = (Grid(1, 1), Grid(1, 2), Grid(3, 5), Grid(1, 17), Grid(8, 8))
BATCHES = (1, 7, 100)


@rule
def the_loss_has_a_finite_gradient_for_every_parameter(case: LearnerCase) -> None:
    """Use every parameter that requires a gradient in ``loss`` or in the soft permutation during the search, also for
    grids of one patch and batches of one image.
    """
    for grid in case.grids:
        for batch in case.batches:
            led = Led.by(case, shuffled(grid.num_patches), grid)
            middle = led.during_the_search()
            where = f"for {batch} images on a {grid} grid"
            gradients = _gradients(led, batch, where)
            for name, gradient in gradients.items():
                expect(gradient is not None, f"{name} has no gradient {where}")
            # A single sample may have nothing to compare with.
            if grid.num_patches == 1 or batch == 1 or all(map(_is_some, gradients.values())):
                continue
            led.learn(range(middle, middle + 3))  # a comparison of parts that start equal has no gradient before
            later = _gradients(led, batch, where)
            for name, gradient in gradients.items():
                expect(_is_some(gradient) or _is_some(later[name]), f"the gradient of {name} {where} is zero")


def _gradients(led: Led, batch: int, where: str) -> dict[str, Tensor | None]:
    """The gradient of each parameter, after checking that all are finite."""
    learned = {name: parameter for name, parameter in led.policy.named_parameters() if parameter.requires_grad}
    led.policy.zero_grad()
    loss = led.objective(led.readings(led.images(batch)))
    expect(loss.shape == () and loss.isfinite(), f"the loss {where} is {loss.detach()}")
    if not learned:
        expect(led.policy.build_optimizer() is None, "there is an optimizer, but there are no parameters")
        return {}
    torch.autograd.backward(loss)
    for name, parameter in learned.items():
        finite = parameter.grad is None or parameter.grad.isfinite().all()
        expect(finite, f"the gradient of {name} {where} is not finite")
    return {name: parameter.grad for name, parameter in learned.items()}


def _is_some(gradient: Tensor | None) -> bool:
    return gradient is not None and bool(gradient.any())


@rule
def no_temperature_gives_nan(case: LearnerCase) -> None:
    """Compute softmax and log-probabilities from differences in single precision, and clamp divisors."""
    schedule = dict(case.options).get("temperature")
    fields = type(schedule).model_fields if isinstance(schedule, BaseModel) else {}
    temperatures: list[dict[str, Any]] = [{}]
    if {"shape", "peak"} <= set(fields):
        temperatures = [{"temperature": {"shape": "constant", "peak": peak}} for peak in (1e-4, 1.0, 1e4)]
    for changed in temperatures:
        options = options_of(case.component, {**given_of(case.options), **changed})
        for grid in case.grids:
            for autocast in (False, True):
                expect_finite_steps(replace(case, options=options), grid, autocast, steps=3)


def expect_finite_steps(case: LearnerCase, grid: Grid, autocast: bool, steps: int) -> None:
    """Check that steps during the search give valid proposals, finite losses and finite parameters.

    Args:
        case: the learner.
        grid: the grid of patches.
        autocast: whether bfloat16 is used, as on a GPU.
        steps: number of steps.
    """
    led = Led.by(case, shuffled(grid.num_patches), grid)
    policy, first = led.policy, led.during_the_search()
    optimizer = policy.build_optimizer()
    where = f"on a {grid} grid{' in bfloat16' if autocast else ''}"
    for step in range(first, first + steps):
        led.move(step)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            sequence = led.images(5, torch.bfloat16 if autocast else torch.float32)
            readings = led.readings(sequence)
            for reading in readings:
                for proposal in reading.proposals:
                    expect_valid(proposal, 5, grid.num_patches)
                applied = reading.sequence.patches
                expect(applied.isfinite().all(), f"{where}, the reordered patches are not finite")
            loss = led.objective(readings)
            policy.search(Trials(sequence, by_loss))
        expect(loss.isfinite(), f"{where}, the loss is {loss.detach()}")
        descend(optimizer, loss)
        finite = all(parameter.isfinite().all() for parameter in policy.parameters())
        expect(finite, f"{where}, a parameter is not finite")


@rule
def metrics_are_finite_numbers_in_every_phase(case: LearnerCase) -> None:
    """Return plain floats from ``metrics``, from the first step to the last; omit values that are not known yet."""
    led = Led.by(case, shuffled(case.grid.num_patches), case.grid)
    for step in STEPS[::7]:
        led.learn([step])
        for name, value in led.policy.metrics().items():
            expect(type(value) is float and abs(value) < 1e9, f"at step {step}, {name} is {value!r}")


@rule
def uses_the_reward_exactly_if_it_says_so(case: LearnerCase) -> None:
    """Declare ``uses_reward = True`` if ``loss`` or ``search`` uses the reward, and False otherwise."""
    one, other = (_after_rewards(case, seed) for seed in (0, 1))
    differs = len(one) != len(other) or not all(map(_same, one, other))
    tries = Led.by(case, shuffled(case.grid.num_patches), case.grid).learns_from_trials
    expect_equal(case.component.uses_reward, differs or tries, "uses_reward")


def _after_rewards(case: LearnerCase, seed: int) -> list[Tensor]:
    """The losses, gradients and state of a policy that took three steps with random rewards."""
    led = Led.by(case, shuffled(case.grid.num_patches), case.grid)
    middle, optimizer = led.during_the_search(), led.policy.build_optimizer()
    sequence, generator = led.images(12), torch.Generator().manual_seed(seed)
    losses = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for step in range(middle, middle + 3):
            led.move(step)
            readings = led.readings(sequence)
            losses.append(led.loss(readings, [torch.randn(12, generator=generator) for _ in readings]))
            descend(optimizer, losses[-1])
    gradients = [parameter.grad for parameter in led.policy.parameters() if parameter.grad is not None]
    return [*losses, *gradients, *led.policy.state_dict().values()]


def _same(one: Tensor, other: Tensor) -> bool:
    both_nan = one.isnan() & other.isnan() if one.shape == other.shape else None
    return both_nan is not None and bool(((one == other) | both_nan).all())


@rule
def a_constant_reward_changes_no_order(case: LearnerCase) -> None:
    """Compare a reward with those of other proposals, or with a mean that starts at the first reward, not at zero."""
    if not case.component.uses_reward:
        return
    start = shuffled(case.grid.num_patches)
    led = Led.by(case, start, case.grid)
    optimizer = led.policy.build_optimizer()
    sequence = led.images(12)
    for step in led.steps_of("search")[:20]:
        led.move(step)
        led.policy.search(Trials(sequence, lambda read: torch.full((read.batch,), -2.3)))
        readings = led.readings(sequence)
        descend(optimizer, led.loss(readings, [torch.full((12,), -2.3) for _ in readings]))
    found = led.best(sequence)
    same = torch.equal(found.per_image(12), start.per_image(12))
    expect(same, "twenty steps with the same reward for every proposal change the best order")


@rule
def the_best_order_follows_the_reward_of_trials_and_nothing_else(case: LearnerCase) -> None:
    """Keep a candidate that does better on the same images, and draw candidates from ``progress.shared_stream``."""
    patches = case.grid.num_patches
    start, hidden = shuffled(patches), shuffled(patches, seed=1)
    noise = torch.randn(12, generator=torch.Generator().manual_seed(0))

    def ignores_the_order(read: PatchSequence) -> Float[Tensor, " image"]:
        return noise[: read.batch]

    def likes_an_order(read: PatchSequence) -> Float[Tensor, " image"]:
        return noise[: read.batch] + _likeness(read.order, hidden).float()

    def searched(reward: Reward | None) -> Order:
        led = Led.by(case, start, case.grid)
        sequence = led.images(12)
        for step in led.steps_of("search"):
            led.move(step)
            if reward is not None:
                led.policy.search(Trials(sequence, reward))
        return led.best(sequence)

    led = Led.by(case, start, case.grid)
    expected = searched(None) if led.is_rule else start  # a rule's order may depend on the schedule
    same = torch.equal(searched(ignores_the_order).per_image(12), expected.per_image(12))
    expect(same, "a reward that ignores the order changes it")
    if led.learns_from_trials and patches >= 4:
        before = float(start.kendall_tau(hidden))
        gained = float(_likeness(searched(likes_an_order), hidden).mean()) - before
        least = min(0.2, 3 / patches, (1 - before) / 2)  # reachable with a few dozen swaps
        expect(
            gained > least, f"a reward for similarity to an order raises Kendall's tau with that order by only {gained}"
        )


def _likeness(order: Order | None, liked: Order) -> Float[Tensor, " row"]:
    """Kendall's tau of each row of an order with the rewarded order."""
    assert order is not None
    rows = order.indices.reshape(-1, order.num_slots) if order.groups is None else order.per_image(len(order.groups))
    return torch.tensor([Order.trusted(row, order.num_patches).kendall_tau(liked) for row in rows], dtype=torch.float64)


@rule
def a_search_evaluates_as_many_images_as_declared(case: LearnerCase) -> None:
    """Return from ``extra_passes`` the mean number of passes of a batch that ``search`` evaluates; evaluate nothing in
    other phases.
    """
    for batch in (7, 100):
        led = Led.by(case, shuffled(case.grid.num_patches), case.grid)
        evaluated = dict.fromkeys(("warm-up", "search", "hardened"), 0)
        rewards = iter(range(1_000_000))  # every trial does better than all earlier ones, so none is skipped

        def rising(read: PatchSequence, rewards: Any = rewards) -> Float[Tensor, " image"]:
            return torch.full((read.batch,), float(next(rewards)))

        sequence = led.images(batch)
        for step in STEPS:
            led.move(step)
            trials = Trials(sequence, rising)
            led.policy.search(trials)
            evaluated[led.policy.phase] += trials.images
        expect_equal(
            (evaluated["warm-up"], evaluated["hardened"]),
            (0, 0),
            "the images evaluated in warm-up and after the search",
        )
        declared = led.learner.extra_passes(batch)
        passes = evaluated["search"] / batch / max(1, len(led.steps_of("search")))
        seen = f"extra_passes({batch}) is {declared}, but a step of the search evaluates {passes:.3f} batches"
        expect(0.9 * declared <= passes <= declared + 1e-9, seen)


ORDER_LEARNER_RULES: tuple[Rule[Any], ...] = (
    *COMPONENT_RULES,
    *ORDER_RULES,
    the_loss_has_a_finite_gradient_for_every_parameter,
    no_temperature_gives_nan,
    metrics_are_finite_numbers_in_every_phase,
    uses_the_reward_exactly_if_it_says_so,
    a_constant_reward_changes_no_order,
    the_best_order_follows_the_reward_of_trials_and_nothing_else,
    a_search_evaluates_as_many_images_as_declared,
)


def order_learner_case(
    learner: type[OrderLearner],
    options: OptionsGiven = None,
    grids: Sequence[Grid] = GRIDS,
    batches: Sequence[int] = BATCHES,
) -> LearnerCase:
    """A case for the rules of order-learners; see :func:`check_order_learner`."""
    return LearnerCase(learner, options_of(learner, options), tuple(grids), tuple(batches))


def check_order_learner(
    learner: type[OrderLearner], options: OptionsGiven = None, grids: Sequence[Grid] = GRIDS
) -> None:
    """Check an order-learner and its policies against their contract, without a model.

    Args:
        learner: the class.
        options: options as in a recipe; the defaults if not given.
        grids: grids of patches to test on, for a learner that does not work on all.

    Raises:
        BrokenRulesError: naming each broken rule, what was seen, and what to do.
        ReorderKitError: if the options are refused.

    >>> from reorder_kit.order_learners.softsort import SoftSort
    >>> check_order_learner(SoftSort, {"straight_through": True}, grids=[Grid(2, 3)])
    """
    hold(order_learner_case(learner, options, grids), ORDER_LEARNER_RULES)
