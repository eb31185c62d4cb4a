"""The plan of a race: how its budget is spent on rungs of short trainings with ever fewer candidates and more seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import ConfigDict

from reorder_kit.errors import ReorderKitError

MOST_BUDGET = 10_000.0
LEAST_STEPS = 30
"""The least steps of a trial: shorter trainings are uninformative, unless a full one is hardly longer."""
_SHORT_SHARE = 5
"""The share of a full training in short ones: even shorter ones favor orders that only learn sooner."""
_FINAL_SHARE = 0.45
_MIDDLE_SHARE = 0.4
_LEAST_FINAL_TRIALS = 4
"""Trials of the smallest final: two candidates with two seeds."""
_MOST_FINALISTS, _MOST_SEEDS = 8, 5
_LEAST_SHORT_TRIALS = 12
"""With fewer trials, each goes to a candidate of the pool."""
_LEAST_LENGTHENING = 1.5
"""Trainings must be longer than short ones by this factor to be more informative."""
_TRIALS_OF_A_ROUND, _MOST_ROUNDS = 24, 4
_MOST_MUTATIONS = 64
"""The largest number of candidates in a round."""


@dataclass(frozen=True)
class Rung:
    """One round of a race: all its candidates are trained for the same number of steps, with the same seeds.

    Args:
        steps: optimizer steps of each training, with a schedule of that length.
        candidates: number of candidates.
        seeds: number of seeds of each candidate.
        mutations: number of candidates that are new mutations of the previous rung's leaders.
        trials: the largest number of trainings; those that an earlier rung trained for the same steps are reused.
    """

    steps: int
    candidates: int
    seeds: int
    mutations: int
    trials: int

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def cost(self) -> int:
        """The steps of all its trainings."""
        return self.steps * self.trials


@dataclass(frozen=True)
class RacePlan:
    """The rungs of a race.

    Args:
        full_steps: optimizer steps of a full training run.
        rungs: the rungs in sequence; the best candidate of the last one wins.
    """

    full_steps: int
    rungs: tuple[Rung, ...]

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def steps(self) -> int:
        """The steps of all trainings."""
        return sum(rung.cost for rung in self.rungs)

    @property
    def trials(self) -> int:
        """The largest number of trainings."""
        return sum(rung.trials for rung in self.rungs)

    @property
    def cost(self) -> float:
        """The cost in full training runs."""
        return self.steps / self.full_steps


def plan_of(budget: float, full_steps: int, pool: int, with_mutations: bool = True) -> RacePlan:
    """Plan a race that costs no more than its budget.

    Up to 45% of the budget goes to the final: at least two candidates with at least two seeds, trained in full if the
    budget allows, or else for a third of the steps. The rest screens the pool with one seed by trainings of a fifth of
    the steps, races the leaders against mutations of themselves with one more seed if the budget allows, and, before a
    final of full trainings, compares the best over a third of the steps.

    Args:
        budget: budget in full training runs.
        full_steps: optimizer steps of a full training run.
        pool: number of candidates.
        with_mutations: race leaders against mutations of themselves.

    Raises:
        ReorderKitError: if the budget is not positive or is too small to race two candidates, or there are fewer than
            two.

    >>> [(rung.steps, rung.candidates, rung.seeds) for rung in plan_of(3, 300, pool=60).rungs]
    [(60, 8, 1), (100, 2, 2)]
    """
    if pool < 2:
        raise ReorderKitError("there is only one order to race", "a race needs at least two different orders")
    require_budget(budget)
    total = math.floor(budget * full_steps + 1e-9)
    short = max(1, min(max(LEAST_STEPS, full_steps // _SHORT_SHARE), full_steps // 3))
    if total < 2 * short:
        least = math.ceil(100 * 2 * short / full_steps) / 100
        raise ReorderKitError(
            f"a budget of {budget:g} is {_counted(total, 'step')}, too few to race two candidates over "
            f"{_counted(short, 'step')} each",
            f"give --budget {least:g} or more",
        )
    third = full_steps // 3
    longer = [steps for steps in (full_steps, third) if steps >= _LEAST_LENGTHENING * short]
    final = _final(longer, total, pool)
    rest = total - sum(rung.cost for rung in final)
    middle: list[Rung] = []
    if final and final[0].steps > third >= _LEAST_LENGTHENING * short:
        candidates = min(pool, int(_MIDDLE_SHARE * rest) // (2 * third))
        middle = [Rung(third, candidates, 2, 0, 2 * candidates)] if candidates > final[0].candidates else []
        rest -= sum(rung.cost for rung in middle)
    needed = middle[0].candidates if middle else final[0].candidates if final else 1
    screened = list(_short_rungs(short, rest // short, pool, needed, with_mutations))
    return RacePlan(full_steps, (*screened, *middle, *final))


def require_budget(budget: float) -> None:
    """Refuse a budget that is not a positive number.

    Raises:
        ReorderKitError: if it is not.
    """
    if not (math.isfinite(budget) and 0 < budget <= MOST_BUDGET):
        raise ReorderKitError(
            f"the budget of {budget:g} full training runs is out of range",
            f"give a number above 0 and at most {MOST_BUDGET:g}, as in --budget 3",
        )


def _final(lengths: Sequence[int], total: int, pool: int) -> list[Rung]:
    """The final, with the longest trainings that the budget allows; empty if it only allows short ones."""
    share = int(_FINAL_SHARE * total)
    for steps in lengths:
        trials = share // steps
        if trials >= _LEAST_FINAL_TRIALS:
            candidates = min(pool, _MOST_FINALISTS, max(2, trials // 3))
            seeds = min(_MOST_SEEDS, trials // candidates)
            return [Rung(steps, candidates, seeds, 0, candidates * seeds)]
    return []


def _short_rungs(steps: int, trials: int, pool: int, needed: int, with_mutations: bool) -> Iterator[Rung]:
    """The screening of the pool, then rounds of its leaders with mutations or another seed.

    Args:
        steps: optimizer steps of each training.
        trials: number of trainings that the budget allows.
        pool: number of candidates.
        needed: number of candidates that the following rung needs.
        with_mutations: race leaders against mutations of themselves.
    """
    for_pool = trials - trials // 3
    candidates = min(pool, for_pool)
    is_long = trials >= _LEAST_SHORT_TRIALS and sum(_round(trials // 3, candidates, 2, with_mutations)) > needed
    if not is_long:
        for_pool, candidates = trials, min(pool, trials)
    seeds = min(3, for_pool // candidates)
    yield Rung(steps, candidates, seeds, 0, candidates * seeds)
    left = trials - candidates * seeds
    rounds = min(_MOST_ROUNDS, max(1, left // _TRIALS_OF_A_ROUND)) if is_long else 0
    for _ in range(rounds if with_mutations else min(1, rounds)):
        leaders, mutations = _round(left // rounds, candidates, seeds + 1, with_mutations)
        if leaders + mutations <= needed:
            return
        yield Rung(steps, leaders + mutations, seeds + 1, mutations, leaders + mutations * (seeds + 1))
        candidates = leaders + mutations


def _round(trials: int, candidates: int, seeds: int, with_mutations: bool) -> tuple[int, int]:
    """The numbers of leaders, which need one more seed, and of their mutations, which need all seeds, for so many
    trainings.
    """
    if not with_mutations:
        return min(candidates // 2, trials), 0
    leaders = min(candidates, max(2, min(candidates // 2, trials // (seeds + 1))))
    return leaders, min(_MOST_MUTATIONS, max(0, trials - leaders) // seeds)


def _counted(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number:,} {what}s"
