"""The summary of a finished race."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from reorder_kit.orders.checksums import digest_of
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.race.candidate import Candidate, Trial
from reorder_kit.race.course import Course, RungStanding
from reorder_kit.race.proof import Contender, contenders_of
from reorder_kit.race.race_folder import RaceFolder
from reorder_kit.race.race_images import require_digest_of_images
from reorder_kit.race.results import EqualCost, RaceResult, Ranked, RungResult
from reorder_kit.race.setup import RaceSetup
from reorder_kit.race.standing import Standing
from reorder_kit.race.wording import conclusion_of
from reorder_kit.statistics.bootstrap import mean_over_seeds_and_images
from reorder_kit.statistics.headline import Headline

ImageScores = Float[NDArray[np.floating], "seed image"]


def summarize(standing: Standing, folder: RaceFolder, metric: Headline) -> RaceResult:
    """Write the winner and the results.

    Args:
        standing: the standing of a finished race.
        folder: the folder of the race.
        metric: the headline metric of the equal-cost table.

    Raises:
        ReorderKitError: if a file of a training is missing or damaged, or the folder cannot be written.
    """
    setup, winner = standing.setup, standing.main.require_winner()
    fixed = standing.fixed
    OrderFile(winner.name, setup.grid_of_patches, winner.order).save(folder.order)
    rungs = tuple(_rung(each, folder, setup.seed) for each in standing.main.rungs)
    table = _table(standing, folder, metric, fixed) if fixed is not None else ()
    trained, diverged = standing.main.trials, standing.main.diverged
    result = RaceResult(
        name=setup.name,
        headline=metric.name,
        higher_is_better=metric.higher_is_better,
        budget=setup.budget,
        cost=standing.main.steps_spent / setup.full_steps,
        seconds=sum(folder.seconds(trial) for key, trial in trained.items() if math.isfinite(standing.told[key].loss)),
        judged=setup.judged,
        winner=winner.name,
        order=winner.indices,
        fixed_winner=None if fixed is None or fixed.winner is None else fixed.winner.name,
        start=setup.start.name,
        rungs=rungs,
        fixed_rungs=_fixed_rungs(fixed, folder, setup.seed),
        left_out=setup.left_out,
        seeds=standing.seeds,
        equal_cost=table,
        conclusion=tuple(conclusion_of(setup, winner, rungs[-1], table, metric)),
        notes=(*setup.notes, *(f"a training of {each.name} diverged, so it ranks last" for each in diverged)),
        files={file.name: digest_of(file) for file in (folder.order, folder.recipe, folder.setup)},
    )
    result.write(folder.results)
    return result


def _fixed_rungs(course: Course | None, folder: RaceFolder, seed: int) -> tuple[RungResult, ...]:
    return () if course is None else tuple(_rung(each, folder, seed) for each in course.rungs)


def _rung(standing: RungStanding, folder: RaceFolder, seed: int) -> RungResult:
    """A rung with each candidate compared with the best, image by image; diverged candidates are left out."""
    rung, best = standing.rung, standing.field[0]
    if math.isinf(standing.losses[0]):
        return RungResult(rung.steps, rung.seeds, ())
    of_best = _losses(best, standing, folder)
    ranked = [Ranked(best.name, standing.losses[0], None)]
    for candidate, loss in zip(standing.field[1:], standing.losses[1:], strict=True):
        if math.isinf(loss):
            continue
        differences = _losses(candidate, standing, folder) - of_best
        behind = mean_over_seeds_and_images(differences.mean(axis=1).tolist(), differences, seed)
        ranked.append(Ranked(candidate.name, loss, behind))
    return RungResult(rung.steps, rung.seeds, tuple(ranked))


def _losses(candidate: Candidate, standing: RungStanding, folder: RaceFolder) -> ImageScores:
    steps = standing.rung.steps
    return np.stack([folder.losses(Trial(candidate, seed, steps)) for seed in range(standing.rung.seeds)])


def _table(standing: Standing, folder: RaceFolder, metric: Headline, fixed: Course) -> tuple[EqualCost, ...]:
    contenders = contenders_of(standing.setup, standing.main, fixed)
    tested = [_Tested.of(each, folder, standing.setup, standing.seeds, metric) for each in contenders]
    return tuple(_lines(tested, contenders, folder, standing.setup, metric, standing.seeds))


class _Tested:
    """The scores of a contender on test images, seed by seed.

    Args:
        values: the headline metric.
        images: the contribution of each image; None if unknown.
    """

    def __init__(self, values: Sequence[float], images: ImageScores | None) -> None:
        self.values, self.images = values, images

    @classmethod
    def of(cls, contender: Contender, folder: RaceFolder, setup: RaceSetup, seeds: int, metric: Headline) -> _Tested:
        runs = [folder.proof(contender.candidate, contender.steps, number) for number in range(seeds)]
        for run in runs:
            require_digest_of_images(setup, run.read_data().split_digest, folder)
        values = [run.read_result().metrics.test.score(metric.name) for run in runs]
        scores = [run.read_test_scores() for run in runs]
        known = [each for each in scores if each is not None]
        alike = len(known) == seeds and len({len(each) for each in known}) == 1
        return cls(values, np.stack(known) if alike else None)

    def behind(self, winner: _Tested, metric: Headline, seed: int) -> tuple[list[float], ImageScores | None]:
        """How much better the winner is."""
        sign = 1 if metric.higher_is_better else -1
        values = [sign * (best - own) for best, own in zip(winner.values, self.values, strict=True)]
        if winner.images is None or self.images is None or winner.images.shape != self.images.shape:
            return values, None
        return values, sign * (winner.images - self.images)


def _lines(
    tested: Sequence[_Tested],
    contenders: Sequence[Contender],
    folder: RaceFolder,
    setup: RaceSetup,
    metric: Headline,
    seeds: int,
) -> Iterator[EqualCost]:
    for each, contender in zip(tested, contenders, strict=True):
        runs = [folder.proof(contender.candidate, contender.steps, number) for number in range(seeds)]
        differences, of_images = each.behind(tested[0], metric, setup.seed)
        is_winner = contender is contenders[0]
        yield EqualCost(
            contender=contender.name,
            order=contender.candidate.name,
            steps=contender.steps,
            cost=contender.cost,
            score=mean_over_seeds_and_images(each.values, each.images, setup.seed),
            behind=None if is_winner else mean_over_seeds_and_images(differences, of_images, setup.seed),
            runs=tuple(run.path.relative_to(folder.path).as_posix() for run in runs),
        )
