"""Priors that rank patches: planted answers, all kinds of targets, and only training images."""

from __future__ import annotations

import pytest
import torch

from reorder_kit.data.training_split import TrainingSplit
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import (
    BOXES,
    CAPTION,
    CLASS,
    MASK,
    MULTI_LABEL,
    NONE,
    BoxTarget,
    DataSplits,
    Grid,
    ImageShape,
    Order,
    Part,
    PatchRanking,
    PriorContext,
    RankingPrior,
    Sample,
    Unreadable,
)
from reorder_kit.orderings.custom import Custom
from reorder_kit.orders.matching import effective_slots, matched
from reorder_kit.priors.influence_matched import InfluenceMatched
from reorder_kit.priors.informed import Informed
from reorder_kit.priors.pixel_deviation import PixelDeviation
from reorder_kit.priors.probe import Probe
from reorder_kit.testing import host_with

GRID, SHAPE = Grid(2, 3), ImageShape(1, 4, 6)
TELLING, COPY, SECOND, CONSTANT = 4, 1, 3, 0
"""The most informative patch, a copy of it, one with the remaining information, and a constant one."""


def image_of(label, index, classes=4):
    """Noise, in which two patches each show one bit of the class; the first bit shows more."""
    random = torch.Generator().manual_seed(index)
    patches = torch.randn(6, generator=random)
    patches[TELLING] = 3 * (label // 2) + 0.3 * torch.randn(1, generator=random)
    patches[COPY] = patches[TELLING] + 0.01 * torch.randn(1, generator=random)
    patches[SECOND] = 3 * (label % 2) + 1.2 * torch.randn(1, generator=random)
    patches[CONSTANT] = 7.0
    return patches.view(1, 2, 3).repeat_interleave(2, 1).repeat_interleave(2, 2)


class Planted:
    """240 images of four classes; every 25th cannot be read."""

    def __init__(self, target=lambda label: label):
        self.target_of = target

    def __len__(self):
        return 240

    def __getitem__(self, index):
        if index % 25 == 0:
            return Unreadable(str(index), "broken")
        return Sample(image_of(index % 4, index), self.target_of(index % 4))


class Forbidden:
    """What priors must not look at."""

    def __len__(self):
        raise AssertionError("a prior looks at images that are not for training")

    __getitem__ = __len__


def context(samples=None, kind=CLASS, influence=None, seed=0):
    splits = DataSplits(SHAPE, ["a", "b", "c", "d"], samples or Planted(), Forbidden(), Forbidden())
    slots = torch.arange(6.0) if influence is None else influence
    return PriorContext(GRID, SHAPE, seed, {}, TrainingSplit(splits, seed, kind), lambda *_: slots, len(slots))


def ranked(prior, told=None, **options):
    chosen = prior(prior.Options(**options), SHAPE, GRID)
    return chosen.rank(told or context())


def test_informed_ranks_by_what_is_new_and_probe_by_what_each_tells_alone():
    informed, probe = (ranked(prior).patches.indices.tolist() for prior in (Informed, Probe))
    assert {informed[0], informed[1]} == {TELLING, SECOND} or {informed[0], informed[1]} == {COPY, SECOND}
    assert set(probe[:2]) == {TELLING, COPY}
    assert probe[2] == SECOND
    assert informed[-1] == CONSTANT


def test_by_accuracy_the_same_patches_come_first_and_every_image_needs_one_class():
    found = ranked(Informed, criterion="accuracy")
    assert {found.patches.indices[0].item(), found.patches.indices[1].item()} in ({TELLING, SECOND}, {COPY, SECOND})
    right = found.figures["told right"]
    assert right[1] == pytest.approx(max(right), abs=0.05)
    with pytest.raises(ReorderKitError, match="the classes of an image") as raised:
        ranked(Informed, context(Planted(presence), MULTI_LABEL), criterion="accuracy")
    assert raised.value.hint == "use criterion: squared-error"


def test_the_figures_are_by_rank_and_add_up():
    ranking = ranked(Informed)
    adds, in_all, right = ranking.figures.values()
    assert list(ranking.figures) == ["adds about the class", "in all", "told right"]
    assert torch.tensor(adds).cumsum(0).tolist() == pytest.approx(list(in_all), abs=1e-5)
    assert adds[0] == max(adds) == pytest.approx(1 / 3, abs=0.05)  # one of the two bits explains a third of the squares
    assert right[1] > 0.8 > 0.6 > right[0] > 0.4
    probe = ranked(Probe)
    (told,) = probe.figures.values()
    assert list(told) == sorted(told, reverse=True)
    assert told[0] == pytest.approx(adds[0])


def test_pixel_deviation_looks_at_no_targets():
    ranking = ranked(PixelDeviation, context(Planted(lambda label: 0)))
    values = torch.stack(
        [sample.image for sample in map(Planted().__getitem__, range(240)) if isinstance(sample, Sample)]
    )
    by_patch = torch.nn.functional.avg_pool2d(values, 2).flatten(1).std(dim=0, correction=0)
    assert ranking.patches == Order(by_patch.argsort(descending=True))
    (deviations,) = ranking.figures.values()
    assert deviations == pytest.approx(by_patch.sort(descending=True).values.tolist(), abs=1e-5)


def boxes(label):
    of_bits = torch.tensor([label // 2, 2 + label % 2])
    return BoxTarget(torch.tensor([[0.0, 0, 1, 1]] * 2), of_bits, torch.zeros(2, dtype=torch.bool))


def presence(label):
    row = torch.zeros(4)
    row[[label // 2, 2 + label % 2]] = 1.0
    return row


def mask(label):
    return torch.tensor([label // 2, 2 + label % 2, 255]).repeat(4, 2)


@pytest.mark.parametrize(
    ("kind", "target"), [(MULTI_LABEL, presence), (BOXES, boxes), (MASK, mask)], ids=["labels", "boxes", "masks"]
)
def test_several_classes_are_told_whatever_shows_them(kind, target):
    found = ranked(Informed, context(Planted(target), kind))
    assert list(found.figures) == ["adds about the classes", "in all"]
    assert found.patches == ranked(Informed, context(Planted(presence), MULTI_LABEL)).patches
    assert set(found.patches.indices[:2].tolist()) in ({TELLING, SECOND}, {COPY, SECOND})


@pytest.mark.parametrize(
    ("kind", "target"),
    [(NONE, lambda label: None), (CAPTION, lambda label: "a thing"), (CLASS, lambda label: 2)],
    ids=["no target", "captions", "one class"],
)
def test_without_classes_the_image_itself_is_to_be_told(kind, target):
    ranking = ranked(Informed, context(Planted(target), kind))
    assert list(ranking.figures) == ["adds about the image", "in all"]
    # The patch with the largest variance, which has a copy, explains most of the image; the copy adds little.
    order = ranking.patches.indices.tolist()
    assert order[0] in (TELLING, COPY)
    assert {order[4], order[5]} == {CONSTANT, TELLING + COPY - order[0]}


class Flipped(Planted):
    """The same, mirrored at random."""

    draws = 0

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        type(self).draws += 1
        if isinstance(sample, Unreadable) or torch.rand(1) < 0.5:
            return sample
        return Sample(sample.image.flip(-1), sample.target)


def test_versions_of_an_image_are_drawn_under_the_training_transform_and_share_a_fold():
    prior = Informed(Informed.Options(views=2), SHAPE, GRID)
    rows = prior.options.rows(context(Flipped()))
    assert Flipped.draws == 3 * 240
    assert len(rows.features) == 3 * 230
    assert torch.equal(rows.folds.view(3, 230), rows.folds[:230].expand(3, 230))
    assert torch.equal(rows.targets.view(3, 230, 4), rows.targets[:230].expand(3, 230, 4))
    assert len(prior.options.rows(context()).features) == 230  # nothing is random, so more versions add nothing


def test_the_same_seed_gives_the_same_ranking():
    once, again = (ranked(Informed, context(Flipped(), seed=3), images=100) for _ in range(2))
    assert once == again
    assert once != ranked(Informed, context(Flipped(), seed=4), images=100)


def test_numbers_that_are_not_finite_are_told_of():
    class Infinite(Planted):
        def __getitem__(self, index):
            return Sample(torch.full((1, 4, 6), torch.inf), index % 4)

    with pytest.raises(ReorderKitError, match="NaN or infinity"):
        ranked(Informed, context(Infinite()))


@pytest.mark.parametrize("prior", [Informed, Probe, PixelDeviation])
def test_images_that_cannot_be_read_are_told_of(prior):
    class Broken(Planted):
        def __getitem__(self, index):
            return Unreadable(str(index), "broken")

    with pytest.raises(ReorderKitError, match="could be read"):
        ranked(prior, context(Broken()))


def test_a_run_starts_with_the_best_patch_in_the_most_influential_slot():
    influence = torch.tensor([0.1, 0.0, 0.4, 0.0, 0.3, 0.2])
    told = context(influence=influence)
    best = ranked(Informed).patches.indices.tolist()
    start = Informed(None, SHAPE, GRID).start(told)
    assert [start.indices.tolist()[slot] for slot in (2, 4, 5, 0, 1, 3)] == best


def test_influence_is_asked_for_with_random_orders_of_the_seed():
    asked = []

    def influence(orders, models, steps):
        asked.append(([order.indices.tolist() for order in orders], models, steps))
        return torch.ones(6)

    told = PriorContext(GRID, SHAPE, 5, {}, context().training, influence, 6)
    for _ in range(2):
        PixelDeviation(PixelDeviation.Options(models=3, orders=2, steps=7), SHAPE, GRID).start(told)
    (orders, models, steps), again = asked
    assert (len(orders), models, steps) == (2, 3, 7)
    assert orders[0] != orders[1]
    assert again[0] == orders


def test_any_ordering_can_be_matched(tmp_path):
    host = host_with()
    options = InfluenceMatched.Options.model_validate({}, context={"host": host})
    tall = Grid(3, 3)
    center_out = InfluenceMatched(options, ImageShape(1, 3, 3), tall).rank(
        PriorContext(tall, ImageShape(1, 3, 3), 0, {}, context().training, lambda *_: torch.ones(9), 9)
    )
    assert center_out.patches.indices.tolist() == [4, 3, 6, 7, 8, 5, 2, 1, 0]
    file = tmp_path / "order.json"
    file.write_text('{"name": "mine", "grid": [2, 3], "order": [5, 0, 1, 2, 3, 4]}')
    mine = InfluenceMatched.Options(ranking=Part.of(Custom, file=file))
    assert InfluenceMatched(mine, SHAPE, GRID).start(context()).indices.tolist() == [4, 3, 2, 1, 0, 5]
    file.write_text('{"name": "mine", "grid": [2, 3], "order": [5, 0]}')
    with pytest.raises(ReorderKitError, match="custom leaves out 4"):
        InfluenceMatched(mine, SHAPE, GRID).start(context())


def test_a_ranking_of_a_plugin_is_matched():
    class Last(RankingPrior):
        name = "last"

        def rank(self, context):
            return PatchRanking(Order([5, 4, 3, 2, 1, 0]))

    assert Last(None, SHAPE, GRID).start(context()).indices.tolist() == [0, 1, 2, 3, 4, 5]


def test_what_is_no_ranking_is_refused():
    with pytest.raises(ValueError, match="every patch once"):
        PatchRanking(Order([1, 0], num_patches=3))
    with pytest.raises(ValueError, match="'told' has 2 numbers for 3 patches"):
        PatchRanking(Order([1, 0, 2]), {"told": [0.1, 0.2]})


def test_matching_and_effective_slots_by_hand():
    assert matched(Order([3, 1, 0, 2]), torch.tensor([0.0, 0.5, 0.5, 0.0])).indices.tolist() == [0, 3, 1, 2]
    assert effective_slots(torch.tensor([1.0, 0.0, 0.0])) == pytest.approx(1)
    assert effective_slots(torch.full((16,), 1 / 16)) == pytest.approx(16)
    assert effective_slots(torch.zeros(3)) == 0
