"""The contract of order-learners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.interfaces import Grid, Order, OrderLearner, PatchSequence, Proposal
from reorder_kit.testing._learner_orders import ORDER_RULES
from reorder_kit.testing._search import (
    STEPS,
    LearnerCase,
    Led,
    Reward,
    Trials,
    by_loss,
    expect_valid,
    images,
    shuffled,
)
from reorder_kit.testing.component import COMPONENT_RULES, OptionsGiven, given_of, options_of
from reorder_kit.testing.rule import Rule, expect, expect_equal, hold, rule

GRIDS: tuple[Grid, ...] = (Grid(1, 1), Grid(3, 5), Grid(8, 8))
BATCHES = (1, 7, 100)


@rule
def the_loss_reaches_every_parameter_in_finite_numbers(case: LearnerCase) -> None:
    """Let every parameter take part in ``loss`` or in the soft permutation during the search, for grids of one patch
    and batches of one image, too."""
    for grid in case.grids:
        for batch in case.batches:
            led = Led.by(case, shuffled(grid.num_patches), grid)
            led.amid_the_search()
            sequence = images(batch, grid.num_patches)
            loss = led.objective(led.policy.propose(sequence), sequence)
            expect(
                loss.shape == () and loss.isfinite(), f"the loss of {batch} images on a {grid} grid is {loss.detach()}"
            )
            if not list(led.policy.parameters()):
                expect(led.policy.build_optimizer() is None, "there is an optimizer, but no parameter")
                continue
            torch.autograd.backward(loss)
            for name, parameter in led.policy.named_parameters():
                where = f"of {name} for {batch} images on a {grid} grid"
                gradient = parameter.grad
                if gradient is None:
                    expect(False, f"there is no gradient {where}")
                    continue
                expect(gradient.isfinite().all(), f"the gradient {where} is not finite")
                # One sample alone may have nothing to be compared with.
                expect(grid.num_patches == 1 or batch == 1 or gradient.any(), f"the gradient {where} is zero")


@rule
def no_temperature_gives_nan(case: LearnerCase) -> None:
    """Compute softmax and log-probabilities from differences, in single precision, and clamp what is divided by."""
    fields = case.component.Options.model_fields
    temperatures: list[dict[str, Any]] = [{}]
    if "temperature" in fields:
        temperatures = [{"temperature": {"shape": "constant", "peak": peak}} for peak in (1e-4, 1.0, 1e4)]
    for changed in temperatures:
        options = options_of(case.component, {**given_of(case.options), **changed})
        for patches in (1, 2, 17, 64):
            for autocast in (False, True):
                expect_finite_steps(LearnerCase(case.component, options, (), ()), patches, autocast, steps=3)


def expect_finite_steps(case: LearnerCase, patches: int, autocast: bool, steps: int) -> None:
    """Go on if steps amid the search give valid proposals, finite losses and finite parameters.

    Args:
        case: the learner.
        patches: of the grid.
        autocast: whether bfloat16 is used, as on a GPU.
        steps: how many.
    """
    led = Led.by(case, shuffled(patches), Grid(1, patches))
    policy, first = led.policy, led.amid_the_search()
    optimizer = policy.build_optimizer()
    where = f"with {patches} patches{' in bfloat16' if autocast else ''}"
    for step in range(first, first + steps):
        led.move(step)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            sequence = images(5, patches, torch.bfloat16 if autocast else torch.float32)
            proposal = policy.propose(sequence)
            expect_valid(proposal, 5, patches)
            expect(
                proposal.apply(sequence).patches.isfinite().all(), f"{where}, patches that are applied are not finite"
            )
            loss = led.objective(proposal, sequence)
            policy.search(Trials(sequence, by_loss))
        expect(loss.isfinite(), f"{where}, the loss is {loss.detach()}")
        if optimizer is not None:
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        expect(
            all(parameter.isfinite().all() for parameter in policy.parameters()), f"{where}, a parameter is not finite"
        )


@rule
def metrics_are_finite_numbers_in_every_phase(case: LearnerCase) -> None:
    """Return plain floats from ``metrics``, from the first step to the last; leave out what is not known yet."""
    patches = case.grid.num_patches
    led = Led.by(case, shuffled(patches), case.grid)
    for step in STEPS[::7]:
        led.learn(patches, [step])
        for name, value in led.policy.metrics().items():
            expect(type(value) is float and abs(value) < 1e9, f"at step {step}, {name} is {value!r}")


@rule
def hangs_on_the_reward_exactly_if_it_says_so(case: LearnerCase) -> None:
    """Declare ``uses_reward = True`` if ``loss`` or ``search`` uses the reward, and False otherwise."""
    led = Led.by(case, shuffled(case.grid.num_patches), case.grid)
    led.amid_the_search()
    sequence = images(12, case.grid.num_patches)
    before = {name: value.clone() for name, value in led.policy.state_dict().items()}
    loss = led.loss(led.policy.propose(sequence), torch.randn(12, generator=torch.Generator().manual_seed(0)))
    changed = any(not torch.equal(value, before[name]) for name, value in led.policy.state_dict().items())
    uses = bool(loss != 0) or led.learns_from_trials or changed
    expect_equal(case.component.uses_reward, uses, "uses_reward")


@rule
def a_constant_reward_changes_no_order(case: LearnerCase) -> None:
    """Compare a reward with those of other proposals, or with a mean that starts at the first one, not at zero."""
    start = shuffled(case.grid.num_patches)
    led = Led.by(case, start, case.grid)
    optimizer = led.policy.build_optimizer()
    sequence = images(12, case.grid.num_patches)
    for step in led.steps_of("search")[:20]:
        led.move(step)
        led.policy.search(Trials(sequence, lambda _, tried: torch.full((tried.batch,), -2.3)))
        loss = led.loss(led.policy.propose(sequence), torch.full((12,), -2.3))
        if optimizer is not None and loss.requires_grad:
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    found = led.policy.best_order(sequence)
    same = torch.equal(found.per_image(12), start.per_image(12))
    expect(same, "twenty steps with the same reward for every proposal change the best order")


@rule
def the_best_order_follows_the_reward_of_trials_and_nothing_else(case: LearnerCase) -> None:
    """Keep a candidate that does better on the same images, and draw candidates from ``progress.shared_stream``."""
    start, hidden = shuffled(15), shuffled(15, seed=1)
    noise = torch.randn(12, generator=torch.Generator().manual_seed(0))

    def ignores_the_order(_: Proposal, tried: PatchSequence) -> Float[Tensor, " image"]:
        return noise[: tried.batch]

    def likes_an_order(proposal: Proposal, tried: PatchSequence) -> Float[Tensor, " image"]:
        return noise[: tried.batch] + proposal.order.kendall_tau(hidden)

    def searched(reward: Reward) -> tuple[Order, bool]:
        led = Led.by(case, start, Grid(3, 5))
        sequence = images(12, 15)
        for step in led.steps_of("search"):
            led.move(step)
            led.policy.search(Trials(sequence, reward))
        return led.policy.best_order(sequence), led.learns_from_trials

    unmoved, learns_from_trials = searched(ignores_the_order)
    expect(torch.equal(unmoved.per_image(12), start.per_image(12)), "a reward that ignores the order changes it")
    if learns_from_trials:
        gained = float(searched(likes_an_order)[0].kendall_tau(hidden)) - float(start.kendall_tau(hidden))
        expect(gained > 0.2, f"of a reward that likes an order, Kendall's tau with that order gains {gained}")


@rule
def a_search_evaluates_as_many_images_as_declared(case: LearnerCase) -> None:
    """Return from ``extra_passes`` how many passes of a batch ``search`` evaluates, on average over the search; try
    nothing in other phases."""
    for batch in (7, 100):
        led = Led.by(case, shuffled(15), Grid(3, 5))
        evaluated = dict.fromkeys(("warm-up", "search", "hardened"), 0)
        rewards = iter(range(1_000_000))  # every trial does better than all before: nothing is left out

        def rising(_: Proposal, tried: PatchSequence, rewards: Any = rewards) -> Float[Tensor, " image"]:
            return torch.full((tried.batch,), float(next(rewards)))

        for step in STEPS:
            led.move(step)
            trials = Trials(images(batch, 15), rising)
            led.policy.search(trials)
            evaluated[led.policy.phase] += trials.images
        expect_equal((evaluated["warm-up"], evaluated["hardened"]), (0, 0), "what is tried outside the search")
        declared = led.learner.extra_passes(batch)
        passes = evaluated["search"] / batch / max(1, len(led.steps_of("search")))
        seen = f"extra_passes({batch}) is {declared}, but a step of the search evaluates {passes:.3f} batches"
        expect(0.9 * declared <= passes <= declared + 1e-9, seen)


ORDER_LEARNER_RULES: tuple[Rule[Any], ...] = (
    *COMPONENT_RULES,
    *ORDER_RULES,
    the_loss_reaches_every_parameter_in_finite_numbers,
    no_temperature_gives_nan,
    metrics_are_finite_numbers_in_every_phase,
    hangs_on_the_reward_exactly_if_it_says_so,
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
    """What the rules of order-learners are held to; see :func:`check_order_learner`."""
    return LearnerCase(learner, options_of(learner, options), tuple(grids), tuple(batches))


def check_order_learner(
    learner: type[OrderLearner], options: OptionsGiven = None, grids: Sequence[Grid] = GRIDS
) -> None:
    """Hold an order-learner, and the policies that it builds, to their contract, without a model.

    Args:
        learner: the class.
        options: as a recipe gives them; the defaults if not given.
        grids: of patches, where it does not work on all.

    Raises:
        BrokenRulesError: naming each rule that is broken, what was seen, and what to do.
        ReorderKitError: if the options are refused.

    >>> from reorder_kit.order_learners.softsort import SoftSort
    >>> check_order_learner(SoftSort, {"straight_through": True}, grids=[Grid(2, 3)])
    """
    hold(order_learner_case(learner, options, grids), ORDER_LEARNER_RULES)
