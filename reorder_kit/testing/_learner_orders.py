"""Rules of order-learners: the proposals of their policies, from every start and in every phase."""

from __future__ import annotations

from itertools import pairwise

import torch

from reorder_kit.interfaces import Order, PatchSequence, Policy, Proposal, ReorderKitError
from reorder_kit.testing._search import (
    EPOCHS,
    STEPS,
    LearnerCase,
    Led,
    Reading,
    expect_valid,
    shuffled,
)
from reorder_kit.testing.component import expect_no_draw
from reorder_kit.testing.rule import SeenError, expect, expect_close, expect_equal, rule


@rule
def says_whether_it_uses_the_reward(case: LearnerCase) -> None:
    """Set ``uses_reward = True`` or ``False`` in the class: controls that remove the reward depend on it."""
    for name in ("uses_reward", "is_rule", "takes_partial_start"):
        value = getattr(case.component, name, None)
        expect(isinstance(value, bool), f"{name} is {value!r}")


@rule
def a_rule_learns_nothing(case: LearnerCase) -> None:
    """Leave ``is_rule`` False if anything is learned: only a learner that learns nothing may begin with an order other
    than the start.
    """
    led = Led.by(case, shuffled(case.grid.num_patches), case.grid)
    learns = not led.has_nothing_to_learn or led.learns_from_trials
    expect(not (led.is_rule and learns), "is_rule is True, but there is something to learn")


@rule
def an_untrained_policy_is_the_start(case: LearnerCase) -> None:
    """Initialize so that the best order is ``context.start`` on every grid: scores from ``start.rank``, not zeros. The
    start must be restored by a state dict, and hold in double precision. Before later blocks than 0, begin with the
    identity. A learner that learns nothing sets ``is_rule = True``.
    """
    for grid in case.grids:
        for start in (Order.identity(grid.num_patches), shuffled(grid.num_patches)):
            led = Led.by(case, start, grid)
            if led.is_rule:
                return
            led.move(0)
            if led.policy.is_static:
                _expect_start(led, None, start, f"the best order on a {grid} grid")
            sequence = led.images(2)
            _expect_start(led, sequence, start, f"the best order on a {grid} grid")
            other = Led.by(case, Order(start.indices.flip(0)), grid)
            other.policy.load_state_dict(led.policy.state_dict())
            other.move(0)
            _expect_start(other, sequence, start, "the best order after loading the state")
            led.policy.to(torch.float64)
            led.move(0)
            _expect_start(led, led.images(2, torch.float64), start, "the best order in double precision")


@rule
def the_start_is_proposed_during_warm_up(case: LearnerCase) -> None:
    """Propose only the best order, hard and without a loss, while ``self.phase`` is ``warm-up``."""
    for grid in case.grids:
        start = shuffled(grid.num_patches)
        led = Led.by(case, start, grid)
        warmup = led.steps_of("warm-up")
        for step in {*warmup[:1], *warmup[-1:]}:
            led.move(step)
            sequence = led.images(3)
            readings = led.readings(sequence)
            expected = led.best(sequence) if led.is_rule else start
            for reading in readings:
                _expect_order(reading.order, expected, f"the proposal at step {step}")
                expect(_is_hard(reading), f"the proposal at step {step} is soft")
            loss = led.loss(readings, [torch.arange(3.0) + number for number in range(len(readings))])
            expect(not loss.requires_grad, f"the loss of step {step} has a gradient")


@rule
def phases_come_in_sequence_and_the_last_one_fixes_the_best_order(case: LearnerCase) -> None:
    """Propose only the best order while ``self.phase`` is ``hardened``; return the epochs of the phases from
    ``phases``.
    """
    led = Led.by(case, shuffled(case.grid.num_patches), case.grid)
    phases = [led.steps_of(phase) for phase in ("warm-up", "search", "hardened")]
    expect_equal([step for steps in phases for step in steps], list(STEPS), "the steps of the phases")
    led.learn(STEPS)
    sequence = led.images(7)
    learned = led.best(sequence)
    for step in phases[2]:
        led.move(step)
        reading = led.read(sequence)
        _expect_order(reading.order, learned, f"the proposal at step {step}, after the search,")
        expect(_is_hard(reading), f"the proposal at step {step}, after the search, is soft")


@rule
def proposals_are_valid_orders_of_every_image(case: LearnerCase) -> None:
    """Propose every patch exactly once for every image, whatever the batch size, as an argsort does. The shares of a
    soft permutation add up to 1; log-probabilities are at most 0, one for each row of the order. Set the block of an
    order before a block later than 0.
    """
    for grid in case.grids:
        for batch in case.batches:
            led = Led.by(case, shuffled(grid.num_patches), grid)
            steps = STEPS if grid.num_patches < 64 else led.steps_of("search")[::9]
            sequence = led.images(batch)
            for step in steps:
                led.move(step)
                reading = led.read(sequence)
                for proposal in reading.proposals:
                    expect_valid(proposal, batch, grid.num_patches)
                blocks = tuple(proposal.block for proposal in reading.proposals)
                expect_equal(blocks, tuple(led.policy.blocks), "the block of each proposal")
                expect_equal(reading.sequence.patches.shape, sequence.patches.shape, "the shape when applied")


@rule
def what_is_applied_follows_from_what_is_proposed(case: LearnerCase) -> None:
    """Set ``mixes`` exactly if a slot can hold a mixture of patches; make soft proposals with
    ``Proposal.straight_through`` or ``Proposal.mixture``.
    """
    led = Led.by(case, shuffled(case.grid.num_patches), case.grid)
    led.during_the_search()
    sequence = led.images(7)
    reading = led.read(sequence)
    is_exact = all(proposal.is_exact for proposal in reading.proposals)
    expect_equal(is_exact, not led.policy.mixes, "whether proposals are exact")
    if not led.policy.mixes:
        what = "the applied order is not the hard order, although mixes is False"
        expect_close(reading.sequence.patches, reading.order.apply(sequence.patches), what)


@rule
def all_state_is_in_parameters_and_buffers(case: LearnerCase) -> None:
    """Register everything that is learned or remembered, and seed generators with ``progress.stream`` in ``advance``: a
    run that was stopped must continue as if it had not been.
    """
    one, fresh = (Led.by(case, shuffled(case.grid.num_patches, seed), case.grid) for seed in (0, 1))
    middle = one.during_the_search()
    one.learn(range(middle))
    fresh.policy.load_state_dict(one.policy.state_dict())
    sequence = one.images(7)
    for step in (middle, middle + 1, STEPS[-1]):
        for led in (one, fresh):
            led.move(step)
        _expect_order(fresh.best(sequence), one.best(sequence), "the best order after loading")
        readings = [led.readings(sequence) for led in (one, fresh)]
        for pair in zip(*readings, strict=True):
            _expect_same(*pair)
        losses = [led.objective(each) for led, each in zip((one, fresh), readings, strict=True)]
        expect(torch.equal(*losses), f"the losses are {[float(loss.detach()) for loss in losses]}")
        _expect_same(one.read(sequence), fresh.read(sequence))
    for led in (one, fresh):
        led.learn(range(middle, middle + 3))
    states = one.policy.state_dict(), fresh.policy.state_dict()
    for name, value in states[0].items():
        expect_close(states[1][name], value, f"{name} differs three steps later", 0, 0)


@rule
def advancing_twice_to_a_step_is_advancing_once(case: LearnerCase) -> None:
    """Set in ``advance`` what depends on the step; do not accumulate anything there or draw from a global stream."""
    once, twice = (Led.by(case, shuffled(case.grid.num_patches), case.grid) for _ in range(2))
    sequence = once.images(7)
    # Both take the same earlier steps: something that began there, such as a round, may continue.
    step = once.during_the_search()
    twice.during_the_search()
    expect_no_draw(lambda: once.move(step))
    expect_no_draw(lambda: once.read(sequence))
    once.move(step)
    for _ in range(3):
        twice.move(step)
    _expect_same(twice.read(sequence), once.read(sequence))


@rule
def an_order_of_another_grid_is_refused_when_weights_are_loaded(case: LearnerCase) -> None:
    """Keep the order, or a score for each patch, in a buffer or a parameter, so that torch refuses another number of
    patches.
    """
    by_size = {grid.num_patches: grid for grid in case.grids}
    for sizes in pairwise(sorted(by_size)):
        small, large = (Led.by(case, shuffled(size), by_size[size]).policy for size in sizes)
        if not large.is_static and _shapes(small) == _shapes(large):
            continue  # orders that depend only on the images fit every grid
        try:
            large.load_state_dict(small.state_dict())
        except (RuntimeError, ReorderKitError):
            continue
        raise SeenError(f"a policy for {sizes[1]} patches accepts the weights of one for {sizes[0]}")


@rule
def phases_fit_runs_of_every_length(case: LearnerCase) -> None:
    """Return from ``phases(epochs)`` shares of the run, or the values of options, at least 0."""
    for epochs in (1, 2.5, EPOCHS, 300):
        phases = case.learner.phases(epochs)
        seen = f"in a run of {epochs} epochs, the phases are {phases}"
        expect(phases.warmup_epochs >= 0 and phases.search_epochs >= 0, seen)


ORDER_RULES = (
    says_whether_it_uses_the_reward,
    a_rule_learns_nothing,
    an_untrained_policy_is_the_start,
    the_start_is_proposed_during_warm_up,
    phases_come_in_sequence_and_the_last_one_fixes_the_best_order,
    proposals_are_valid_orders_of_every_image,
    what_is_applied_follows_from_what_is_proposed,
    all_state_is_in_parameters_and_buffers,
    advancing_twice_to_a_step_is_advancing_once,
    an_order_of_another_grid_is_refused_when_weights_are_loaded,
    phases_fit_runs_of_every_length,
)


def _expect_start(led: Led, sequence: PatchSequence | None, start: Order, what: str) -> None:
    first, *later = led.best_orders(sequence)
    _expect_order(first, start, what)
    for block, order in zip(led.policy.blocks[1:], later, strict=True):
        _expect_order(order, Order.identity(start.num_slots), f"{what} before block {block}")


def _is_hard(reading: Reading) -> bool:
    return all(proposal.soft is None for proposal in reading.proposals)


def _shapes(policy: Policy) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in policy.state_dict().items()}


def _expect_order(found: Order, expected: Order, what: str) -> None:
    batch = max(_images(each) for each in (found, expected))
    same = found.num_slots == expected.num_slots and torch.equal(found.per_image(batch), expected.per_image(batch))
    if not same:
        raise SeenError(f"{what} is {found.indices.tolist()}, not {expected.indices.tolist()}")


def _images(order: Order) -> int:
    """The number of images that an order is for; 1 if it is the same for all."""
    if order.is_static:
        return 1
    return len(order.indices if order.groups is None else order.groups)


def _expect_same(one: Reading, other: Reading) -> None:
    for proposals in zip(one.proposals, other.proposals, strict=True):
        _expect_same_proposal(*proposals)


def _expect_same_proposal(one: Proposal, other: Proposal) -> None:
    _expect_order(other.order, one.order, "the proposal")
    for name in ("soft", "log_prob"):
        first, second = (getattr(each, name) for each in (one, other))
        expect((first is None) == (second is None), f"{name} is present in only one of the proposals")
        if first is not None:
            first, second = (each.matrix.detach() if name == "soft" else each.detach() for each in (first, second))
            expect_close(first, second, f"{name} differs between two policies of the same state")
