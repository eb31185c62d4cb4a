"""A race in sentences: its plan and its results."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from reorder_kit.race.candidate import Candidate
from reorder_kit.race.plan import RacePlan, Rung
from reorder_kit.race.proof import most_proof_steps
from reorder_kit.race.results import EqualCost, RungResult
from reorder_kit.race.setup import RaceSetup
from reorder_kit.statistics.estimate import Estimate
from reorder_kit.statistics.headline import Headline, signed


def plan_in_words(setup: RaceSetup, seeds: int) -> Iterator[str]:
    """The plan of a race and its cost, as lines.

    Args:
        setup: the setup of the race.
        seeds: number of seeds of the proof.
    """
    full = setup.full_steps
    yield (
        f"a budget of {_runs(setup.budget)} of {full:,} steps; each trial is judged by its mean loss on "
        f"{setup.judged}; test images are not read"
    )
    yield f"{_of_pool(len(setup.field), setup.left_out, 'candidates')}: {_names(setup.field)}"
    if setup.left_out or (seeds and setup.fixed_left_out):
        yield "the budget does not allow the others: the rules with the best closed-form scores race"
    yield from _rungs(setup.plan)
    yield f"the race costs at most {_runs(setup.plan.cost)}, counted in training steps"
    yield from (f"note: {note}" for note in setup.notes)
    if not seeds:
        yield "no proof: with --seeds 3, the winner would be trained on fresh seeds and tested at equal total cost"
        return
    yield (
        f"for the proof, {_of_pool(len(setup.fixed_field), setup.fixed_left_out, 'fixed rules')} race on their own "
        f"with the same budget, which costs at most {_runs(setup.fixed_plan.cost)}, less what both races share"
    )
    proof = most_proof_steps(setup, seeds) / full
    yield (
        f"then, on {_counted(seeds, 'fresh seed')} each: both winners over {full:,} steps, and the best fixed order "
        f"and the start ({setup.start.name}) over {setup.longer_steps:,}; this costs at most {_runs(proof)}"
    )


def seconds_in_words(steps: int, seconds_of_a_step: float) -> str:
    """How long a number of training steps takes, judging by the first trial.

    >>> seconds_in_words(300, 0.5)
    '2.5 minutes'
    """
    seconds = steps * seconds_of_a_step
    if seconds < 100:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.1f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"


def conclusion_of(
    setup: RaceSetup, winner: Candidate, final: RungResult, table: Sequence[EqualCost], metric: Headline
) -> Iterator[str]:
    """The results in sentences.

    Args:
        setup: the setup of the race.
        winner: the winner of the race.
        final: its last rung.
        table: the equal-cost table; empty without a proof.
        metric: the headline metric of the table.
    """
    what = " It is the start of the recipe." if winner.key == setup.start.key else ""
    if winner.root != winner.name:
        what = f" It is a mutation of {winner.root}."
    yield f"{winner.name} wins.{what}"
    for runner_up in final.candidates[1:2]:  # none if all others diverged
        if runner_up.behind is not None:
            yield _of_runner_up(runner_up.name, runner_up.behind, final)
    are_shares = metric.are_shares(value for line in table for value in line.score.values)
    for line in table[1:]:
        if line.behind is not None:
            yield _comparison(line, table[0], are_shares)


def trials_in_words(rung: RungResult) -> str:
    """How the candidates of a rung were trained.

    >>> trials_in_words(RungResult(1, 2, ()))
    '1 step, 2 seeds'
    """
    return f"{_counted(rung.steps, 'step')}, {_counted(rung.seeds, 'seed')}"


def _of_runner_up(name: str, behind: Estimate, final: RungResult) -> str:
    trials = f"over {_counted(final.seeds, 'seed')} of {_counted(final.steps, 'step')}"
    if round(behind.mean, 4) == 0:
        return f"To four digits, its loss equals that of {name} {trials}: the two are not distinguishable."
    unsure = "; the interval includes 0, so the two are not distinguishable" if behind.ends[1] <= 0 else ""
    return f"Its loss is lower than that of {name} by {behind.written(4)} {trials}{unsure}."


def _comparison(line: EqualCost, winner: EqualCost, are_shares: bool) -> str:
    against = f"{line.contender} ({line.order}, {line.steps:,} steps)"
    if line.runs == winner.runs:
        return f"It is also the {against}."
    assert line.behind is not None
    mean, low, high = line.behind.ends
    change = signed(mean, are_shares)
    if line.behind.low is None:
        verb = "wins" if mean > 0 else "loses" if mean < 0 else "ties"
        return f"{_at_cost(line, winner)} it {verb} against the {against}: {change}, without an interval."
    interval = f"{change} ({signed(low, are_shares)} to {signed(high, are_shares)})"
    if low <= 0 <= high:
        return (
            f"{_at_cost(line, winner)} it is not distinguishable from the {against}: {interval}; "
            "the interval includes 0."
        )
    return f"{_at_cost(line, winner)} it {'wins' if mean > 0 else 'loses'} against the {against}: {interval}."


def _at_cost(line: EqualCost, winner: EqualCost) -> str:
    """The words for the total cost: races may cost less than planned."""
    if math.isclose(line.cost, winner.cost):
        return "At equal total cost"
    which = "lower" if winner.cost < line.cost else "higher"
    return f"At a {which} total cost ({winner.cost:.4g} full training runs to {line.cost:.4g})"


def _rungs(plan: RacePlan) -> Iterator[str]:
    for number, rung in enumerate(plan.rungs, start=1):
        cost = rung.cost / plan.full_steps
        yield f"rung {number}: {_field(rung)}, {_counted(rung.seeds, 'seed')}, {rung.steps:,} steps: {_runs(cost)}"


def _field(rung: Rung) -> str:
    if not rung.mutations:
        return f"{rung.candidates} orders"
    leaders = rung.candidates - rung.mutations
    return f"{_counted(leaders, 'leader')} and {_counted(rung.mutations, 'mutation')} of them"


def _of_pool(raced: int, left_out: int, what: str) -> str:
    return f"{raced} of {raced + left_out} {what}" if left_out else f"{raced} {what}"


def _names(field: Sequence[Candidate]) -> str:
    names = [candidate.name for candidate in field]
    shown = ", ".join(names[:20])
    return f"{shown}, and {len(names) - 20} more" if len(names) > 20 else shown


def _runs(count: float) -> str:
    return "1 full training run" if count == 1 else f"{count:.4g} full training runs"


def _counted(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number:,} {what}s"
