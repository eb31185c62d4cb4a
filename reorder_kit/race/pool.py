"""The candidates of a race: fixed rules, proposals of priors, and orders added by the user."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.analysis.saliency_files import read_saliency
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.fixed_orders import fixed_orders
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import RankingPrior
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.matching import matched
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.race.candidate import Candidate, unlike
from reorder_kit.race.opened import OpenedRecipe, random_orders
from reorder_kit.recipe.overrides import override
from reorder_kit.runs.run_folder import RunFolder

START = "start"
_FIRST_PRIOR = "informed"
"""A prior whose proposal races even if the budget allows few candidates."""
_TEST = "test"
_RANDOM_SUBSETS = 4
"""The number of random partial orders, which vary the patches that are read."""


@dataclass(frozen=True)
class Brought:
    """Orders added by the user.

    Args:
        files: order files.
        runs: folders of finished runs, which add their final order and, if saliency was recorded, the order with the
            most salient patch in the most influential slot.
    """

    files: tuple[Path, ...] = ()
    runs: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Pool:
    """The candidates of a race.

    Args:
        candidates: different orders; those that do not come from a rule are first.
        start: the name of the candidate that the recipe starts from.
        notes: which proposals are missing, and why.
        certain: names of candidates that race before others whatever their score: the start, the proposal of the first
            prior, and the added orders.
    """

    candidates: tuple[Candidate, ...]
    start: str
    notes: tuple[str, ...]
    certain: tuple[str, ...]

    @property
    def fixed(self) -> tuple[Candidate, ...]:
        """The candidates that come from rules."""
        return tuple(candidate for candidate in self.candidates if candidate.is_fixed)


def read_apart(pool: Pool, reached: Sequence[bool]) -> Pool:
    """Keep only candidates that differ in the slots that the model reads.

    Of candidates that are equal there, a fixed rule is kept, or else the first.

    Args:
        pool: different orders.
        reached: whether the model reads each slot.
    """
    standing: dict[tuple[int, ...], Candidate] = {}
    for each in (*pool.fixed, *pool.candidates):
        standing.setdefault(each.read(reached), each)
    kept = set(standing.values())
    candidates = tuple(each for each in pool.candidates if each in kept)
    start = next(each for each in pool.candidates if each.name == pool.start)
    alike = len(pool.candidates) - len(candidates)
    found = f"{alike} of {len(pool.candidates)} candidates differ from others only in slots that are not read"
    notes = (*pool.notes, f"{found}; only one of each such group races") if alike else pool.notes
    certain = {standing[each.read(reached)].name: None for each in pool.candidates if each.name in pool.certain}
    return Pool(candidates, standing[start.read(reached)].name, notes, tuple(certain))


def pool_of(
    opened: OpenedRecipe,
    content: Mapping[str, Any],
    brought: Brought,
    host: PluginHost,
    announce: Callable[[str], None] = lambda what: None,
) -> Pool:
    """Collect every candidate of a recipe.

    Args:
        opened: the recipe.
        content: the recipe as plain data, for its other starts.
        brought: orders added by the user.
        host: the available plugins.
        announce: called with a message before a slow step.

    Raises:
        ReorderKitError: if an added order does not fit the recipe, or a prior fails unexpectedly.
    """
    start = opened.start_of(opened.experiment)
    rules = [
        Candidate.of(name, order.first(start.num_slots), is_fixed=True)
        for name, order in fixed_orders(host, opened.grid).items()
    ]
    notes: list[str] = []
    mine = list(_brought(brought, opened.grid, start, notes))
    proposed = list(_priors(opened, content, host, announce, notes))
    others = [*mine, *proposed]
    if not start.is_full:
        generator = torch.Generator().manual_seed(opened.experiment.recipe.seed)
        subsets = random_orders(opened.grid.num_patches, start.num_slots, _RANDOM_SUBSETS, generator)
        others += [Candidate.of(f"random-{number}", order) for number, order in enumerate(subsets, start=1)]
    rules = unlike(rules)
    ruled = {candidate.key for candidate in rules}
    # An order that a rule also gives counts as fixed: it must not win under another name.
    free = [candidate for candidate in unlike([*others, Candidate.of(START, start)]) if candidate.key not in ruled]
    named = _named_apart([*free, *rules])
    begins = Candidate.of(START, start).key
    first = {each.key for each in proposed if each.name == _FIRST_PRIOR}
    stay = {begins, *first, *(each.key for each in mine)}
    certain = tuple(each.name for each in named if each.key in stay)
    return Pool(tuple(named), next(each.name for each in named if each.key == begins), tuple(notes), certain)


def trimmed(
    pool: Sequence[Candidate], count: int, kept: Sequence[str], score: Callable[[Sequence[Order]], Sequence[float]]
) -> list[Candidate]:
    """As many candidates as the budget allows: those that must stay, then the best by a score.

    Args:
        pool: all candidates.
        count: number of candidates that the budget allows.
        kept: names of candidates that stay whatever their score, in order of priority.
        score: scores orders; the highest is the best.
    """
    if count >= len(pool):
        return list(pool)
    stay = sorted((each for each in pool if each.name in kept), key=lambda each: kept.index(each.name))[:count]
    rest = [each for each in pool if each not in stay]
    scores = score([each.order for each in rest]) if count > len(stay) else []
    best_first = sorted(range(len(scores)), key=lambda place: -scores[place])
    return [*stay, *(rest[place] for place in best_first[: count - len(stay)])]


def _priors(
    opened: OpenedRecipe,
    content: Mapping[str, Any],
    host: PluginHost,
    announce: Callable[[str], None],
    notes: list[str],
) -> Iterator[Candidate]:
    """The proposals of priors that rank patches; those that score orderings choose one that is in the pool anyway."""
    for name in sorted(host.priors, key=lambda name: name != _FIRST_PRIOR):
        if not issubclass(host.priors.get(name), RankingPrior):
            continue
        announce(f"running the prior {name}")
        changed = override(content, [("order.start", {"prior": name}), ("order.learner", None), ("controls", [])])
        changed["order"].pop("weights", None)
        try:
            yield Candidate.of(name, opened.start_of(compose(changed, host, f"prior {name}")))
        except ReorderKitError as error:  # for example a plugin's prior for other tasks
            notes.append(f"{name} does not race: {error.message}")


def _brought(brought: Brought, grid: Grid, start: Order, notes: list[str]) -> Iterator[Candidate]:
    for file in brought.files:
        yield _of_file(file.stem, OrderFile.load(file), grid, start, str(file))
    for path in brought.runs:
        folder = RunFolder(path)
        name = path.absolute().name
        stored = folder.read_order()
        yield _of_file(f"{name}-learned", stored, grid, start, str(path))
        record = read_saliency(folder, folder.read_result())
        if record is None:
            notes.append(f"{path}: no order by saliency, which was not recorded ({_recording(path)})")
        elif record.split == _TEST:
            notes.append(f"{path}: no order by saliency, which was recorded on test images ({_recording(path)})")
        elif not (record.influence and stored.order.is_full and start.is_full):
            notes.append(f"{path}: no order by saliency, because the influence of its slots is not known")
        else:
            yield Candidate.of(
                f"{name}-saliency",
                _by_saliency(stored.order, record.apart_from_slots.by_slot.final, torch.tensor(record.influence)),
            )


def _recording(run: Path) -> str:
    """The command that records saliency on images that may be used to choose an order."""
    return f"reorder-kit saliency {run} --split validation"


def _of_file(name: str, stored: OrderFile, grid: Grid, start: Order, source: str) -> Candidate:
    if stored.grid != grid:
        raise ReorderKitError(
            f"{source}: its order has a {stored.grid} grid, but the recipe has a {grid} grid of patches",
            "add orders of the same grid",
        )
    if stored.order.num_slots < start.num_slots:
        raise ReorderKitError(
            f"{source}: its order has {stored.order.num_slots} slots, but the recipe's start has {start.num_slots}",
            "add orders with at least as many patches",
        )
    return Candidate.of(name, stored.order.first(start.num_slots))


def _by_saliency(order: Order, by_slot: Sequence[float], influence: Float[Tensor, " slot"]) -> Order:
    """The order with the most salient patch in the most influential slot, and so on.

    Args:
        order: the order in which saliency was measured.
        by_slot: saliency of the patch in each slot of that order.
        influence: influence of each slot.
    """
    most_first = torch.tensor(by_slot).argsort(descending=True, stable=True)
    return matched(Order(order.indices[most_first]), influence)


def _named_apart(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The same candidates with distinct names that do not contain the mark of mutations."""
    used: dict[str, int] = {}
    found = []
    for each in candidates:
        name = each.name.replace("~", "-")
        used[name] = used.get(name, 0) + 1
        apart = name if used[name] == 1 else f"{name}-{used[name]}"
        found.append(Candidate(apart, each.indices, each.patches, each.is_fixed))
    return found
