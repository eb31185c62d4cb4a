"""The wording about a race before and after it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from reorder_kit.race.candidate import Candidate
from reorder_kit.race.results import EqualCost, Ranked, RungResult
from reorder_kit.race.wording import conclusion_of, seconds_in_words
from reorder_kit.statistics.estimate import Estimate
from reorder_kit.statistics.headline import Headline

ROW = Candidate("row", (0, 1, 2), 3, is_fixed=True)
MUTATION = Candidate("row~abc123", (1, 0, 2), 3)


def line(contender: str, score: float, behind: Estimate | None, runs: tuple[str, ...] = ("other",)) -> EqualCost:
    return EqualCost(contender, "row", 300, 4.0, Estimate(score, values=(score,)), behind, runs)


def told(winner: Candidate, behind: Estimate, *lines: EqualCost) -> list[str]:
    setup: Any = SimpleNamespace(start=ROW)
    final = RungResult(100, 2, (Ranked(winner.name, 0.5, None), Ranked("snake", 0.6, behind)))
    return list(conclusion_of(setup, winner, final, lines, Headline("top1")))


def test_a_loss_is_called_a_loss_and_what_is_not_sure_is_called_so() -> None:
    sentences = told(
        MUTATION,
        Estimate(0.1, -0.05, 0.25, (0.05, 0.15)),
        line("winner", 0.75, None, ("own",)),
        line("fixed", 0.5, Estimate(0.25, 0.125, 0.375)),
        line("longer", 0.875, Estimate(-0.125, -0.25, 0.0)),
        line("same", 0.75, Estimate(0.0, 0.0, 0.0), ("own",)),
    )
    assert sentences == [
        "row~abc123 wins. It is a mutation of row.",
        "Its loss is lower than that of snake by 0.1000 ± 0.1500 over 2 seeds of 100 steps; the interval includes 0, "
        "so the two are not distinguishable.",
        "At equal total cost it wins against the fixed (row, 300 steps): +25.0 points (+12.5 points to +37.5 points).",
        "At equal total cost it is not distinguishable from the longer (row, 300 steps): -12.5 points (-25.0 points to "
        "+0.0 points); the interval includes 0.",
        "It is also the same (row, 300 steps).",
    ]


def test_the_start_may_win() -> None:
    assert told(ROW, Estimate(0.1, 0.05, 0.15)) == [
        "row wins. It is the start of the recipe.",
        "Its loss is lower than that of snake by 0.1000 ± 0.0500 over 2 seeds of 100 steps.",
    ]


@pytest.mark.parametrize(("steps", "words"), [(60, "30 seconds"), (600, "5.0 minutes"), (36_000, "5.0 hours")])
def test_times_are_told_in_units_that_people_use(steps: int, words: str) -> None:
    assert seconds_in_words(steps, 0.5) == words


def test_equal_losses_are_called_equal_and_other_costs_are_told() -> None:
    cheaper = EqualCost("fixed", "row", 300, 3.5, Estimate(0.5, values=(0.5,)), Estimate(0.25), ("other",))
    dearer = EqualCost("longer", "row", 300, 5.0, Estimate(1.0, values=(1.0,)), Estimate(-0.25, -0.5, -0.125), ("o",))
    sentences = told(ROW, Estimate(0.0, values=(0.0,)), line("winner", 0.75, None, ("own",)), cheaper, dearer)
    assert sentences[1:] == [
        "To four digits, its loss equals that of snake over 2 seeds of 100 steps: the two are not distinguishable.",
        "At a higher total cost (4 full training runs to 3.5) it wins against the fixed (row, 300 steps): +25.0 "
        "points, without an interval.",
        "At a lower total cost (4 full training runs to 5) it loses against the longer (row, 300 steps): -25.0 points "
        "(-50.0 points to -12.5 points).",
    ]
