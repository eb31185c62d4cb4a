"""How reliable the verdicts of a study are: simulated studies with the real statistics.

    python benchmarks/verdicts.py [--studies 200] [--seeds 8] [--seed 0] [--only best-fixed]

A study has three backbones. Each is trained in three fixed orders, with two learners that start from the third one,
each with its order from scratch and with noise as the reward, and with two random orders: 33 rows, 8 seeds, 497 test
images (as in digits), scored right or wrong. An image is right if a sum exceeds a threshold: the quality of the row,
how easy the image is, the effect of the seed (partly shared by all rows, since seeds are paired), the interaction of
image and seed (partly shared by all rows), and, in some worlds, how well this row suits this image with any seed. The
last term is what other test images would change.

Against the best fixed order: a pool of fixed orders and two informed ones, none of which is better. The best of the
pool is chosen on 300 validation images and tested on 497 others, with the same seeds. Takes a few minutes on one core.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy import stats

from reorder_kit.statistics.bootstrap import mean_over_seeds_and_images
from reorder_kit.statistics.deciding_test import DecidingTest, p_of
from reorder_kit.statistics.estimate import mean_over_seeds
from reorder_kit.statistics.holm import holm
from reorder_kit.statistics.power import too_few_seeds
from reorder_kit.studies.comparisons import compare
from reorder_kit.studies.results import Comparison, Row
from reorder_kit.studies.wording import is_gain, is_loss

IMAGES = 497
VALIDATION = 300
MARGIN = 0.02
ALPHA = 0.05
ACCURACY = 0.93
BACKBONES = ("one", "two", "three")
QUESTIONS = ("order-matters", "learning-helps", "order-holds-up", "control")
Scores = Float[NDArray[np.float64], "seed image"]

EASE, SEEDS_SHARED, SEEDS_OWN, BOTH_SHARED, BOTH_OWN = 2.0, 0.08, 0.12, 0.7, 0.7
"""Standard deviations of the effects of image, seed, and both; those of seeds are 0.5 and 0.7 points of accuracy."""

SUITS = 0.7
"""Standard deviation of how well a row suits an image, if rows differ in that."""


@dataclass(frozen=True)
class World:
    """The truth in a simulated study.

    Args: name: the name in tables. gap: by how much one order of each backbone is better than the other two, and one
        learner better than its start, also from scratch. suits: how much rows differ in the images that suit them.
    """

    name: str
    gap: float = 0.0
    suits: float = 0.0


NOTHING = World("no effect")
OTHER_IMAGES = World("same accuracy, different images", suits=SUITS)
TWO_POINTS = World("2 points", gap=0.02, suits=SUITS / 2)
FIVE_POINTS = World("5 points", gap=0.05, suits=SUITS / 2)
WORLDS = (NOTHING, OTHER_IMAGES, TWO_POINTS, FIVE_POINTS)


def scores_of(
    random: np.random.Generator,
    accuracies: Float[NDArray[np.float64], " row"],
    seeds: int,
    suits: float,
    images: int = IMAGES,
) -> Float[NDArray[np.float64], "row seed image"]:
    """Right or wrong, for every row; an accuracy is that over all possible seeds and images."""
    rows = len(accuracies)
    spread = np.sqrt(EASE**2 + SEEDS_SHARED**2 + SEEDS_OWN**2 + BOTH_SHARED**2 + BOTH_OWN**2 + suits**2)
    latent = stats.norm.ppf(accuracies)[:, None, None] * spread
    for size, shape in (
        (EASE, (1, 1, images)),
        (SEEDS_SHARED, (1, seeds, 1)),
        (SEEDS_OWN, (rows, seeds, 1)),
        (BOTH_SHARED, (1, seeds, images)),
        (BOTH_OWN, (rows, seeds, images)),
        (suits, (rows, 1, images)),
    ):
        latent = latent + size * random.standard_normal(shape)
    return (latent > 0).astype(np.float64)


def grid_of(backbone: str) -> Iterator[tuple[str, str | None, str | None, bool]]:
    """For every row of a backbone: start, learner, control, and whether it is better if there is an effect."""
    yield from (("row", None, None, False), ("spiral", None, None, True), ("random", None, None, False))
    for learner in ("this", "that"):
        for control in (None, "learned-static", "null-reward"):
            yield "random", learner, control, learner == "this" and control != "null-reward"
    yield from (("row", None, control, False) for control in ("random-fixed", "random-per-batch"))


def made_up(world: World, random: np.random.Generator, seeds: int) -> tuple[list[Row], list[Scores]]:
    """The table of a simulated study, with scores of images."""
    rows, scores = [], []
    for backbone in BACKBONES:
        grid = list(grid_of(backbone))
        accuracies = np.array([ACCURACY + world.gap * is_better for *_, is_better in grid])
        found = scores_of(random, accuracies, seeds, world.suits)
        for (start, learner, control, _), each in zip(grid, found, strict=True):
            score = mean_over_seeds(each.mean(axis=1).tolist())
            rows.append(
                Row("images", backbone, start, learner, control, score, tuple(range(seeds)), (), 16, 16, False, 1.0)
            )
            scores.append(each)
    return rows, scores


def studies(world: World, count: int, seeds: int, seed: int) -> Iterator[tuple[list[Row], tuple[Comparison, ...]]]:
    """Tables and their comparisons."""
    random = np.random.default_rng([seed, WORLDS.index(world)])
    for number in range(count):
        rows, scores = made_up(world, random, seeds)
        yield rows, compare(rows, scores, MARGIN, ALPHA, seed=number)


def is_true(comparison: Comparison, rows: list[Row], world: World) -> bool:
    """Whether there is a true difference."""
    first = rows[comparison.rows[0]]
    has_gap = comparison.question == "order-matters" or (first.learner == "this" and first.control != "null-reward")
    return world.gap > 0 and has_gap


@dataclass(frozen=True)
class Told:
    """What studies answered to a question.

    Args:
        verdicts: counts by verdict and whether there is a true difference.
        unsure: counts of ``different`` whose interval contains 0, by whether there is a true difference.
        misled: studies that found a difference when there is none.
        sure_misled: those among them whose interval does not contain 0.
    """

    verdicts: Counter[tuple[str, bool]]
    unsure: Counter[bool]
    misled: int
    sure_misled: int

    def share(self, verdict: str, is_there: bool) -> float:
        """The share of a verdict among comparisons with, or without, a true difference."""
        of = sum(count for (_, found), count in self.verdicts.items() if found == is_there)
        return self.verdicts[verdict, is_there] / of


def tell(world: World, count: int, seeds: int, seed: int) -> dict[str, Told]:
    """Simulate studies and count their verdicts, by question and overall."""
    found = {question: Told(Counter(), Counter(), 0, 0) for question in (*QUESTIONS, "any")}
    misled, sure = Counter[str](), Counter[str]()
    for rows, comparisons in studies(world, count, seeds, seed):
        wrong: dict[str, list[bool]] = {question: [] for question in found}
        for each in comparisons:
            truth = is_true(each, rows, world)
            different = each.verdict == "different"
            low, high = each.difference.low, each.difference.high
            holds_zero = low is not None and high is not None and low <= 0 <= high
            for question in (each.question, "any"):
                found[question].verdicts[each.verdict, truth] += 1
                found[question].unsure[truth] += different and holds_zero
                if different and not truth:
                    wrong[question].append(holds_zero)
        misled.update(question for question, those in wrong.items() if those)
        sure.update(question for question, those in wrong.items() if not all(those))
    return {
        question: Told(told.verdicts, told.unsure, misled[question], sure[question]) for question, told in found.items()
    }


def pigeonhole(values: list[float], scores: Scores, seed: int) -> tuple[float, float]:
    """Percentiles over resampled seeds and resampled images, for comparison."""
    random, (seeds, images) = np.random.default_rng(seed), scores.shape
    drawn = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=500) @ scores
    weights = np.stack([np.bincount(random.integers(images, size=images), minlength=images) for _ in drawn])
    low, high = np.quantile((drawn * weights).sum(axis=1) / seeds / images, [0.025, 0.975])
    return float(low), float(high)


def coverage(count: int, seeds: int, suits: float, seed: int) -> dict[str, dict[str, float]]:
    """How often intervals of a row, and of the difference of two rows, contain the truth over all seeds and images."""
    random = np.random.default_rng([seed, seeds])
    hits: dict[str, Counter[str]] = {"row": Counter(), "difference": Counter()}
    for number in range(count):
        first, second = scores_of(random, np.full(2, ACCURACY), seeds, suits)
        for what, scores, truth in (("row", first, ACCURACY), ("difference", first - second, 0.0)):
            values = scores.mean(axis=1).tolist()
            student, ours = mean_over_seeds(values), mean_over_seeds_and_images(values, scores, number)
            for name, (low, high) in {
                "seeds alone (Student)": (student.ends[1], student.ends[2]),
                "seeds and images, percentiles (pigeonhole)": pigeonhole(values, scores, number),
                "seeds and images": (ours.ends[1], ours.ends[2]),
            }.items():
                hits[what][name] += low <= truth <= high
    return {what: {name: hit / count for name, hit in found.items()} for what, found in hits.items()}


def with_pool(
    random: np.random.Generator, pool: int, candidates: int, seeds: int, gap: float = 0.0
) -> tuple[list[Row], list[Scores]]:
    """A pool of equally good fixed orders, and orders that are better than all of them by a gap.

    The effect of a seed is the same in both splits. Fixed orders are labeled random, so that no other question applies.
    """
    accuracies = np.array([ACCURACY] * pool + [ACCURACY + gap] * candidates)
    both = scores_of(random, accuracies, seeds, 0.0, IMAGES + VALIDATION)
    rows = [
        Row(
            *("images", "one", f"order-{number}", None, None, mean_over_seeds(each[:, :IMAGES].mean(axis=1).tolist())),
            *(tuple(range(seeds)), (), 16, 16, False, 1.0),
            validation=tuple(each[:, IMAGES:].mean(axis=1).tolist()),
            origin="random" if number < pool else "chosen",
        )
        for number, each in enumerate(both)
    ]
    return rows, [each[:, :IMAGES] for each in both]


@dataclass(frozen=True)
class ToldOfBest:
    """What studies said about informed orders compared with the best fixed one.

    Args:
        gains: studies in which some order gains.
        losses: studies in which some order costs.
        plain_losses: studies that would have reported a loss without considering what other seeds choose.
    """

    gains: int
    losses: int
    plain_losses: int


def tell_of_best(
    pool: int,
    count: int,
    seeds: int,
    seed: int,
    gap: float = 0.0,
    candidates: int = 2,
    test: DecidingTest = "permutation",
) -> ToldOfBest:
    """Simulate studies and count those that find a difference from the best fixed order."""
    random = np.random.default_rng([seed, pool, seeds])
    names = [f"order-{number}" for number in range(pool)]
    gains = losses = plain = 0
    for number in range(count):
        rows, scores = with_pool(random, pool, candidates, seeds, gap)
        found = compare(rows, scores, MARGIN / 10, ALPHA, number, test=test, pool=names)
        gains += any(is_gain(each) for each in found)
        losses += any(is_loss(each) for each in found)
        p_values = holm([p_of(test, _pair(rows, each), number) for each in found])
        plain += any(p < ALPHA and each.difference.mean < 0 for p, each in zip(p_values, found, strict=True))
    return ToldOfBest(gains, losses, plain)


def _pair(rows: list[Row], comparison: Comparison) -> Float[NDArray[np.float64], "seed row"]:
    return np.array([rows[place].score.values for place in comparison.rows]).T


def print_best_fixed(arguments: argparse.Namespace) -> None:
    """Print false alarms and detected gains by the size of the pool."""
    print(f"\n{arguments.studies} studies of {arguments.seeds} seeds with two informed orders, which are\n")
    print("| fixed orders | as good: a gain | a loss | a loss by the plain test | 2 points better: a gain |")
    print("| --- | --- | --- | --- | --- |")
    for pool in (2, 8, 16, 88):
        alike = tell_of_best(pool, arguments.studies, arguments.seeds, arguments.seed)
        better = tell_of_best(pool, arguments.studies, arguments.seeds, arguments.seed, gap=0.02)
        cells = (alike.gains, alike.losses, alike.plain_losses, better.gains)
        print(f"| {pool} | {' | '.join(map(str, cells))} |", flush=True)


def print_verdicts(arguments: argparse.Namespace) -> None:
    """Print two tables: verdicts without and with a true difference."""
    began = time.perf_counter()
    told = {world: tell(world, arguments.studies, arguments.seeds, arguments.seed) for world in WORLDS}
    seconds = (time.perf_counter() - began) / len(WORLDS) / arguments.studies
    print(
        f"{arguments.studies} studies of {arguments.seeds} seeds, {IMAGES} images, margin {MARGIN}, alpha {ALPHA}; "
        f"{seconds:.2f} s per study\n"
    )
    if warning := too_few_seeds(arguments.seeds, 12, ALPHA):
        print(f"For the 12 comparisons of controls, {warning}.\n")
    print("| no true difference | question | studies with a difference | whose interval excludes 0 | equivalent |")
    print("| --- | --- | --- | --- | --- |")
    for world in (NOTHING, OTHER_IMAGES):
        for question, found in told[world].items():
            print(
                f"| {world.name} | {question} | {found.misled} of {arguments.studies} | {found.sure_misled} | "
                f"{found.share('equivalent', False):.0%} |"
            )
    print("\n| true difference | question | different | not distinguishable | equivalent |")
    print("| --- | --- | --- | --- | --- |")
    for world in (TWO_POINTS, FIVE_POINTS):
        for question in (*QUESTIONS[:3], "any"):
            shares = [
                told[world][question].share(verdict, True)
                for verdict in ("different", "not distinguishable", "equivalent")
            ]
            print(f"| {world.name} | {question} | {' | '.join(f'{share:.1%}' for share in shares)} |")


def print_coverage(arguments: argparse.Namespace) -> None:
    """Print the coverage of intervals."""
    print("\n| 95% interval of | seeds | seeds alone (Student) | pigeonhole, percentiles | seeds and images |")
    print("| --- | --- | --- | --- | --- |")
    for seeds in (3, 5, 8):
        for suits in (0.0, SUITS):
            for what, found in coverage(arguments.studies * 5, seeds, suits, arguments.seed).items():
                name = (
                    "a row" if what == "row" else f"a difference, {'different' if suits else 'the same'} images right"
                )
                if what == "row" and suits:
                    continue
                print(f"| {name} | {seeds} | {' | '.join(f'{share:.3f}' for share in found.values())} |", flush=True)


PARTS = {"verdicts": print_verdicts, "best-fixed": print_best_fixed, "coverage": print_coverage}


def main() -> None:
    """Print the chosen tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=8, help="seeds per row")
    parser.add_argument("--seed", type=int, default=0, help="seed of the simulation")
    parser.add_argument("--only", choices=PARTS, help="print only one of the tables")
    arguments = parser.parse_args()
    for name in PARTS if arguments.only is None else [arguments.only]:
        PARTS[name](arguments)


if __name__ == "__main__":
    main()
