"""The tables of judges.py: how well each judge ranks orders, and the regret of following it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, islice
from statistics import mean
from typing import Any

from scipy.stats import spearmanr

TRUTH, ORDERS = "truth", "orders"
"""Pseudo-judges: the truth, and the list of orders."""
_MOST_HALVES = 20

Scores = Mapping[str, float]
"""Scores by the name of an order; higher is better."""
Case = tuple[str, str]
"""Data set and backbone."""


def by_case(records: Iterable[Mapping[str, Any]]) -> dict[Case, dict[str, dict[int, dict[str, float]]]]:
    """Values by case, judge, seed and order."""
    found: dict[Case, dict[str, dict[int, dict[str, float]]]] = {}
    for record in records:
        if record["judge"] != ORDERS:
            judges = found.setdefault((record["case"], record["backbone"]), {})
            judges.setdefault(record["judge"], {}).setdefault(record["seed"], {})[record["order"]] = record["value"]
    return found


def whole(seeds: Mapping[int, Scores], orders: int) -> list[Scores]:
    """The seeds with a value for every order; an unfinished one would be compared on fewer orders."""
    return [seeds[seed] for seed in sorted(seeds) if len(seeds[seed]) == orders]


def average(seeds: Sequence[Scores]) -> dict[str, float]:
    """The mean of each order over seeds."""
    return {order: mean(scores[order] for scores in seeds) for order in seeds[0]}


def correlation(judged: Scores, truth: Scores) -> float:
    """Spearman's rank correlation; 0 if one of them is constant."""
    names = sorted(truth)
    first, second = [judged[name] for name in names], [truth[name] for name in names]
    if len(set(first)) < 2 or len(set(second)) < 2:
        return 0.0
    return float(spearmanr(first, second).statistic)


def regret(judged: Scores, truth: Scores) -> float:
    """By how much the best order is better than the one that a judge picks; the mean over ties."""
    most = max(judged.values())
    return max(truth.values()) - mean(truth[name] for name, value in judged.items() if value == most)


def halves(seeds: Sequence[Scores]) -> tuple[float, float]:
    """Spearman between two disjoint halves of the seeds, and the regret of one half's pick in the other.

    The mean over ways to halve them; NaN with fewer than two seeds.
    """
    numbers = range(len(seeds))
    found = []
    for chosen in islice(combinations(numbers, len(seeds) // 2), _MOST_HALVES):
        others = [number for number in numbers if number not in chosen]
        if chosen and others:
            first, second = (average([seeds[number] for number in half]) for half in (chosen, others))
            found.append((correlation(first, second), (regret(first, second) + regret(second, first)) / 2))
    return (mean(rho for rho, _ in found), mean(lost for _, lost in found)) if found else (math.nan, math.nan)


def of_perfect_judge(rho: float, seeds: int) -> float:
    """The approximate correlation of a judge that knows each order's score over infinitely many seeds.

    Judges are compared with the mean over all seeds, which is more reliable than the mean over half of them: this is
    Spearman-Brown, with a square root, since such a judge has no noise of its own. For halves of equal size it is
    sqrt(2 rho / (1 + rho)). It is exact for Pearson's correlation, and approximate for Spearman's.

    Args:
        rho: the correlation between two halves of the seeds; with an odd number, one half has one more.
        seeds: number of seeds in both halves together.

    Returns:
        The correlation with the mean over all seeds; NaN if the halves do not agree.
    """
    if not rho > 0:
        return math.nan
    smaller, larger = seeds // 2, seeds - seeds // 2
    # With noise = variance of a seed / variance between orders, rho is 1 / sqrt((1 + noise/smaller) (1 +
    # noise/larger)).
    excess = smaller * larger * (rho**-2 - 1)
    noise = -seeds / 2 + math.sqrt(seeds**2 / 4 + excess)
    return 1 / math.sqrt(1 + noise / seeds)


def report(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """A table for each backbone, as lines of Markdown."""
    cases, costs = by_case(records), _costs(records)
    lines: list[str] = []
    for backbone in dict.fromkeys(backbone for _, backbone in cases):
        rows: dict[str, dict[str, str]] = defaultdict(dict)
        for (case, own), judges in cases.items():
            if own == backbone:
                _fill(rows, case, judges)
        names = list(dict.fromkeys(case for of_row in rows.values() for case in of_row))
        if names:
            lines += _table(backbone, rows, names, costs)
    return lines or ["Nothing was measured yet."]


def _fill(rows: dict[str, dict[str, str]], case: str, judges: Mapping[str, Mapping[int, Scores]]) -> None:
    orders = max((len(scores) for seeds in judges.values() for scores in seeds.values()), default=0)
    seeds = whole(judges.get(TRUTH, {}), orders)
    if not seeds:
        return
    truth = average(seeds)
    rho, lost = halves(seeds)
    perfect = of_perfect_judge(rho, len(seeds))
    rows["seeds of the truth"][case] = f"{len(seeds)} of {orders} orders"
    rows["one half of the seeds for the other"][case] = "-" if math.isnan(rho) else f"{rho:+.2f}, {100 * lost:.1f}"
    rows["a perfect judge, estimated from the halves"][case] = "-" if math.isnan(perfect) else f"{perfect:+.2f}"
    rows["a random pick"][case] = f"0, {100 * (max(truth.values()) - mean(truth.values())):.1f}"
    for judge, of_judge in judges.items():
        own = whole(of_judge, orders)
        if judge != TRUTH and own:
            single = mean(correlation(each, truth) for each in own)
            together = average(own)
            of_all = f"; {len(own)} together {correlation(together, truth):+.2f}" if len(own) > 1 else ""
            rows[judge][case] = f"{single:+.2f}{of_all}, {100 * regret(together, truth):.1f}"


def _costs(records: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], float]:
    """The cost of each judge for one order, as a share of one full training, by backbone."""
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for record in records:
        if record["judge"] != ORDERS:
            seconds[record["backbone"], record["judge"]].append(record["seconds"])
    return {
        (backbone, judge): mean(spent) / mean(seconds[backbone, TRUTH])
        for (backbone, judge), spent in seconds.items()
        if seconds.get((backbone, TRUTH))
    }


def _table(
    backbone: str,
    rows: Mapping[str, Mapping[str, str]],
    names: Sequence[str],
    costs: Mapping[tuple[str, str], float],
) -> list[str]:
    lines = [f"**{backbone}**", "", f"| judge | {' | '.join(names)} | cost of an order, full trainings |"]
    lines.append("| --- " * (len(names) + 2) + "|")
    for judge, cells in rows.items():
        cost = f"{costs[backbone, judge]:.3f}" if (backbone, judge) in costs else ""
        lines.append(f"| {judge} | {' | '.join(cells.get(name, '-') for name in names)} | {cost} |")
    return [*lines, ""]
