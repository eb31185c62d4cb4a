"""The contract of priors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.data.training_split import TrainingSplit
from reorder_kit.experiment.start_by_prior import StartByPrior, candidates_of
from reorder_kit.interfaces import (
    CLASS,
    DataSplits,
    Grid,
    ImageShape,
    Order,
    Ordering,
    Part,
    Prior,
    PriorContext,
    Sample,
    ScoringPrior,
)
from reorder_kit.testing.component import (
    COMPONENT_RULES,
    ComponentCase,
    OptionsGiven,
    expect_no_draw,
    options_of,
    with_other_random_numbers,
)
from reorder_kit.testing.host import host_with
from reorder_kit.testing.rule import Rule, expect, expect_close, expect_equal, hold, rule

TILE = ImageShape(1, 2, 3)
GRIDS: tuple[Grid, ...] = (Grid(3, 5), Grid(1, 1), Grid(1, 2))


class NoiseImages:
    """Noise images of two classes."""

    def __init__(self, image: ImageShape, count: int = 12) -> None:
        self.images = torch.randn(count, *image.axes, generator=torch.Generator().manual_seed(3))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        return Sample(self.images[index], index % 2)


@dataclass(frozen=True)
class PriorCase(ComponentCase[Prior]):
    """A prior, and the grid of its patches.

    Args:
        grid: the grid, with patches of 2x3 pixels.
    """

    grid: Grid

    def __str__(self) -> str:
        return f"{super().__str__()} for {self.grid} patches"

    @property
    def image(self) -> ImageShape:
        """The shape of the images."""
        return ImageShape(TILE.channels, TILE.height * self.grid.height, TILE.width * self.grid.width)

    @cached_property
    def prior(self) -> Prior:
        """Built."""
        return self.component(self.options, self.image, self.grid)

    def patches(self, count: int, seed: int = 0) -> Float[Tensor, "image patch pixel"]:
        """Patches of noise images."""
        noise = torch.Generator().manual_seed(seed)
        return torch.randn(count, self.grid.num_patches, TILE.height * TILE.width, generator=noise)

    @property
    def orders(self) -> dict[str, Order]:
        """Every ordering without required options, as in a run, and three more orders, two of which are equal."""
        patches = self.grid.num_patches
        shuffled = Order(torch.randperm(patches, generator=torch.Generator().manual_seed(1)))
        again = Order(shuffled.indices.clone())
        further = {"forward": Order.identity(patches), "shuffled": shuffled, "shuffled again": again}
        return {**self._start.orders(self.grid), **further}

    def score(self, patches: Float[Tensor, "image patch pixel"]) -> Mapping[str, float]:
        """The scores of a scoring prior."""
        return self._scoring.score(patches, self.orders)

    def score_per_image(
        self, batches: Sequence[Float[Tensor, "image patch pixel"]]
    ) -> Mapping[str, Float[Tensor, " image"]]:
        """The scores of a scoring prior for every image."""
        return self._scoring.score_per_image(batches, self.orders)

    @property
    def scores(self) -> bool:
        """Whether it scores candidates."""
        return issubclass(self.component, ScoringPrior)

    @property
    def _start(self) -> StartByPrior:
        return StartByPrior(Part(self.component, self.options), _candidates())

    @property
    def _scoring(self) -> ScoringPrior:
        assert isinstance(self.prior, ScoringPrior)
        return self.prior

    def start(self, num_slots: int | None = None) -> Order:
        """The start that a new prior gives; all patches are read if the number of slots is not given."""
        splits = DataSplits(self.image, ["a", "b"], *(NoiseImages(self.image),) * 3)
        training = TrainingSplit(splits, seed=0, kind=CLASS)

        def influence(orders: Sequence[Order], models: int, steps: int) -> Tensor:
            return torch.linspace(1, 2, orders[0].num_slots) / orders[0].num_slots

        slots = self.grid.num_patches if num_slots is None else num_slots
        context = PriorContext(self.grid, self.image, 0, self.orders, training, influence, slots)
        return self.component(self.options, self.image, self.grid).start(context)


@rule
def starts_from_one_order_of_every_patch(case: PriorCase) -> None:
    """Return from ``start`` an ``Order`` of shape (slot) that leaves no patch out."""
    order = case.start()
    expect(isinstance(order, Order), f"start returns {order!r}")
    expect(order.is_static, f"there is more than one order: the shape is {tuple(order.indices.shape)}")
    expect_equal(
        sorted(order.indices.tolist()), list(range(case.grid.num_patches)), "the list of patches that it visits"
    )


@rule
def leaves_out_unread_patches_or_none(case: PriorCase) -> None:
    """If ``context.num_slots`` is below the number of patches, return an order of all patches or of that many."""
    slots = max(1, case.grid.num_patches // 2)
    order = case.start(slots)
    counts = (slots, case.grid.num_patches)
    expect(order.num_slots in counts, f"asked for {slots} slots, it gives an order with {order.num_slots}")
    expect_equal(order.num_patches, case.grid.num_patches, "the number of patches that it orders")


@rule
def starts_from_the_same_order_every_time(case: PriorCase) -> None:
    """Draw random numbers only from a generator seeded with ``context.seed``, and keep no state."""
    expect_no_draw(case.start)
    first, again = case.start(), with_other_random_numbers(case.start)
    expect_equal(again.indices.tolist(), first.indices.tolist(), "the order that it gives the second time")


@rule
def every_order_has_a_finite_score_for_every_image(case: PriorCase) -> None:
    """Return a score for each order by name, also for a grid of a single patch and images of a single color."""
    if not case.scores:
        return
    flat = torch.zeros_like(case.patches(1))
    scores = case.score_per_image([case.patches(2), flat])
    expect_equal(set(scores), set(case.orders), "the set of orders with a score")
    for name, values in scores.items():
        expect_equal(tuple(values.shape), (3,), f"the shape of the scores of three images for {name!r}")
        expect(values.isfinite().all(), f"the scores for {name!r} are {values.tolist()}")
    single = case.score(case.patches(2))
    expect_equal(set(single), set(case.orders), "the set of orders with a score")
    expect(all(type(value) is float and math.isfinite(value) for value in single.values()), f"the scores are {single}")


@rule
def the_score_is_the_mean_over_images(case: PriorCase) -> None:
    """Return the score of each image from ``score_per_image``; its mean is ``score``, and intervals are computed from
    it.
    """
    if case.scores:
        patches = case.patches(4)
        each = case.score_per_image([patches])
        for name, value in case.score(patches).items():
            mean = each[name].mean().double()
            expect_close(
                torch.tensor(value, dtype=torch.float64), mean, f"{name}: the score is not the mean", 1e-5, 1e-8
            )


@rule
def scores_do_not_depend_on_batches(case: PriorCase) -> None:
    """Let the score of an image depend only on that image, not on others in the batch."""
    if case.scores:
        patches = case.patches(5)
        whole, parts = (case.score_per_image(batches) for batches in ([patches], torch.split(patches, [2, 3])))
        for name, values in whole.items():
            expect_close(parts[name], values, f"{name}: images in two batches have different scores than in one")


@rule
def equal_orders_have_equal_scores(case: PriorCase) -> None:
    """Score the order, not its name or its place among the candidates."""
    if case.scores:
        scores = case.score(case.patches(4))
        expect_equal(scores["shuffled again"], scores["shuffled"], "the score of the same order under another name")


@rule
def scores_change_nothing_and_draw_nothing(case: PriorCase) -> None:
    """Do not change patches or candidates, and draw nothing from the global random stream."""
    if case.scores:
        patches, orders = case.patches(3), case.orders
        expect_no_draw(lambda: case._scoring.score(patches, orders))
        expect(torch.equal(patches, case.patches(3)), "the patches were changed")
        expect(all(orders[name] == order for name, order in case.orders.items()), "the candidates were changed")
        expect_equal(
            with_other_random_numbers(lambda: case.score(patches)), case.score(patches), "the score of a second call"
        )


@rule
def says_what_it_measures(case: PriorCase) -> None:
    """Say in ``measure``, in a few words, what a score is: it is the heading of the numbers in tables."""
    if issubclass(case.component, ScoringPrior):
        measure = case.component.measure
        expect(isinstance(measure, str) and 0 < len(measure.strip()) <= 40, f"measure is {measure!r}")


PRIOR_RULES: tuple[Rule[Any], ...] = (
    *COMPONENT_RULES,
    starts_from_one_order_of_every_patch,
    leaves_out_unread_patches_or_none,
    starts_from_the_same_order_every_time,
    every_order_has_a_finite_score_for_every_image,
    the_score_is_the_mean_over_images,
    scores_do_not_depend_on_batches,
    equal_orders_have_equal_scores,
    scores_change_nothing_and_draw_nothing,
    says_what_it_measures,
)


def prior_case(prior: type[Prior], options: OptionsGiven, grid: Grid) -> PriorCase:
    """A case for the rules of priors; see :func:`check_prior`."""
    return PriorCase(prior, options_of(prior, options), grid)


def check_prior(prior: type[Prior], options: OptionsGiven = None, grids: Sequence[Grid] = GRIDS) -> None:
    """Check a prior against its contract, on noise images.

    Args:
        prior: the class; one that scores candidates is also checked by the rules of scores.
        options: options as in a recipe, or an instance of its options class if one is a part; the defaults if not
            given.
        grids: grids of patches to test on.

    Raises:
        BrokenRulesError: naming each broken rule, what was seen, and what to do.
        ReorderKitError: if the options are refused.

    >>> from reorder_kit.interfaces import Part
    >>> from reorder_kit.priors.lzma import Lzma
    >>> from reorder_kit.tokenizers.pixels import Pixels
    >>> check_prior(Lzma, Lzma.Options(tokenizer=Part.of(Pixels, levels=4)))
    """
    for grid in grids:
        hold(prior_case(prior, options, grid), PRIOR_RULES)


@cache
def _candidates() -> dict[str, Ordering]:
    """The built-in orderings that a prior can choose from; a run also has those of plugins."""
    return candidates_of(host_with())
