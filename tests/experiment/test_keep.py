"""``order.keep``: a run reads the first share of its starting order."""

from __future__ import annotations

import logging

import pytest
import torch

import reorder_kit
from order_plugins import KeepSome
from reorder_kit.errors import RecipeError, ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.memory import Needs
from reorder_kit.experiment.start_by_prior import no_influence
from reorder_kit.interfaces import CLASS, Batch, DataSplits, Grid, ImageShape, Order, Prior, Sample, ScoringPrior
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.orders.slots_read import slots_kept
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.testing import host_with
from two_levels import TwoLevels

GRID, DIGIT = Grid(4, 4), ImageShape(1, 8, 8)
FIRST_FOUR = {"row": [0, 1, 2, 3], "center-out": [6, 10, 9, 5], "strided": [0, 10, 2, 8]}


class Dark:
    """Blank images."""

    def __len__(self):
        return 20

    def __getitem__(self, index):
        return Sample(torch.zeros(1, 8, 8), 0)


SPLITS = DataSplits(DIGIT, ["a", "b"], Dark(), Dark(), Dark())


class Backward(Prior):
    """The last patch first; as many patches as are read, or all."""

    name = "backward"
    leaves_out = False

    def start(self, context):
        every = Order(torch.arange(15, -1, -1))
        return every.first(context.num_slots) if self.leaves_out else every


class Favorite(ScoringPrior):
    """Likes the strided order."""

    name = "favorite"

    def score(self, patches, orders):
        return {name: float(name == "strided") for name in orders}


HOST = host_with(Backward, Favorite, KeepSome, TwoLevels)


def recipe(keep=0.25, start="row", backbone="vit", learner=None, **others):
    order = {"start": start, "keep": keep, "learner": learner, **others.pop("order", {})}
    options = {"grid": [4, 4], "dim": 16, "depth": 1, "heads": 2} if backbone == "vit" else {"patch_size": 2, "dim": 8}
    return {
        "format_version": 1,
        "name": "keeping",
        "data": {"name": "digits", "batch_size": 400},
        "backbone": {"name": backbone, **options},
        "order": order,
        "train": {"epochs": 1, "device": "cpu"},
        **others,
    }


def start_of(content, influence=no_influence):
    return compose(content, HOST, "t").starting_order(GRID, SPLITS, influence)


@pytest.mark.parametrize(
    ("share", "patches", "slots"), [(0.25, 64, 16), (0.5, 9, 5), (0.1, 4, 1), (0.01, 16, 1), (0.99, 16, 16), (1, 7, 7)]
)
def test_a_share_is_a_whole_number_of_slots(share, patches, slots):
    assert slots_kept(share, patches) == slots


@pytest.mark.parametrize(("start", "read"), FIRST_FOUR.items())
def test_the_first_slots_of_an_ordering_are_read(start, read):
    assert start_of(recipe(start=start)) == Order(read, 16)


def test_a_file_is_read_up_to_the_share_of_all_patches(tmp_path):
    file = tmp_path / "order.json"
    OrderFile("mine", GRID, Order([5, 3, 1, 0, 2], 16)).save(file)
    start = {"file": str(file)}
    assert start_of(recipe(start=start)) == Order([5, 3, 1, 0], 16)
    assert start_of(recipe(keep=None, start=start)).num_slots == start_of(recipe(keep=1, start=start)).num_slots == 5
    with pytest.raises(ReorderKitError, match="asks for 8 of 16 patches, but the start holds 5"):
        start_of(recipe(keep=0.5, start=start))


@pytest.mark.parametrize("leaves_out", [False, True])
def test_the_first_slots_of_what_a_prior_gives_are_read(leaves_out, monkeypatch):
    monkeypatch.setattr(Backward, "leaves_out", leaves_out)
    assert start_of(recipe(start={"prior": "backward"})) == Order([15, 14, 13, 12], 16)


def test_a_prior_that_gives_another_number_of_slots_is_refused(monkeypatch):
    monkeypatch.setattr(Backward, "start", lambda self, context: Order([3, 2, 1], 16))
    with pytest.raises(ReorderKitError, match="instead of one order of all 16 patches, or of 4 of them"):
        start_of(recipe(start={"prior": "backward"}))


def test_a_scoring_prior_chooses_a_full_order_of_which_the_first_share_is_read():
    composed = compose(recipe(start={"prior": "favorite"}), HOST, "t")
    start = composed.starting_order(GRID, SPLITS, no_influence)
    assert start == Order(FIRST_FOUR["strided"], 16)
    assert composed.prior_of(start, GRID).chosen == "strided"


def test_the_best_patches_of_a_ranking_are_kept_and_matched_to_the_slots_there_are():
    asked = []

    def influence(orders, models, steps):
        asked.extend(orders)
        return torch.tensor([0.1, 0.2, 0.4, 0.3])

    ranking = {"name": "row", "reverse": True}  # from the best patch, 15 14 13 12 11 ...
    start = start_of(recipe(start={"prior": {"name": "influence-matched", "ranking": ranking}}), influence)
    assert start == Order([12, 13, 15, 14], 16)
    assert {(order.num_slots, order.num_patches) for order in asked} == {(4, 16)}
    assert asked[0] != asked[1]


@pytest.mark.parametrize("start", ["row", {"prior": "backward"}], ids=["rule", "prior"])
def test_random_orders_read_as_many_patches(start):
    found = start_of(recipe(start=start, order={"control": "random-fixed"}))
    assert found.num_slots == 4
    assert found.num_patches == 16
    assert sorted(found.indices.tolist()) != [0, 1, 2, 3]


def test_random_orders_read_as_many_patches_as_a_file_holds(tmp_path):
    OrderFile("mine", GRID, Order([5, 3, 1], 16)).save(tmp_path / "order.json")
    start = {"file": str(tmp_path / "order.json")}
    assert start_of(recipe(keep=None, start=start, order={"control": "random-fixed"})).num_slots == 3


def test_a_learner_that_takes_a_partial_start_orders_what_is_kept():
    composed = compose(recipe(start="row", keep=0.5, learner={"name": "keep-some", "keep": 3}), HOST, "t")
    facts = composed.facts(DIGIT)
    policy = composed.build_policy(composed.known_start(DIGIT, GRID), facts, ("a",))
    assert policy.best_order() == Order([5, 6, 7], 16)


def refused(content, host=HOST):
    with pytest.raises(RecipeError) as caught:
        compose(content, host, "t")
    return {problem.path: problem.message for problem in caught.value.problems}


def test_what_needs_every_patch_is_refused_with_everything_else():
    found = refused(recipe(learner="softsort", controls=["null-reward"]))
    assert found["order.keep"] == "4 of 16 patches are read, but softsort orders all of them"
    assert "controls" in found
    folder = {"name": "image-folder", "root": "photos"}
    found = refused(recipe(learner="softsort", backbone="local", data=folder))
    assert found["order.keep"] == "0.25 of all patches are read, but softsort orders all of them"
    assert compose(recipe(learner="softsort", keep=0.99), HOST, "t").num_slots(GRID) == 16


def test_a_hierarchical_backbone_is_refused_and_so_is_the_learner():
    content = recipe(learner="softsort") | {"backbone": {"name": "two-levels", "patch_size": 2}}
    with pytest.raises(RecipeError) as caught:
        compose(content, HOST, "t")
    reasons = [problem.message for problem in caught.value.problems if problem.path == "order.keep"]
    assert reasons == [
        "4 of 16 patches are read, but a hierarchical backbone merges neighbors",
        "4 of 16 patches are read, but softsort orders all of them",
    ]


@pytest.mark.parametrize("keep", [0, -0.5, 1.5, "half", True, float("nan")])
def test_what_is_no_share_is_refused(keep):
    assert "order.keep" in refused(recipe(keep=keep))


def test_a_continued_run_reads_as_many_slots_as_before():
    found = refused(recipe(start=None, order={"weights": "runs/other"}) | {"order": {"weights": "r", "keep": 0.5}})
    assert "leave out keep" in found["order"]


def test_fewer_slots_take_less_room():
    half, whole = (Needs.of(compose(recipe(keep=keep), HOST, "t"), DIGIT, 1000) for keep in (0.5, None))
    assert 2 * half.orders == whole.orders


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("keep")
    logging.disable(logging.WARNING)
    for name, keep in (("none", None), ("one", 1), ("quarter", 0.25)):
        content = recipe(keep=keep, start="strided", controls=["random-fixed"] if keep == 0.25 else [])
        reorder_kit.run(content, out=root / name, host=HOST)
    logging.disable(logging.NOTSET)
    return root


def test_to_keep_all_changes_nothing(folders):
    none, one = (RunFolder(folders / name) for name in ("none", "one"))
    assert none.recipe.read_bytes() == one.recipe.read_bytes()
    weights = [{file.name: file.read_bytes() for file in folder.path.rglob("*.safetensors")} for folder in (none, one)]
    assert weights[0]
    assert weights[0] == weights[1]
    assert none.read_result().metrics == one.read_result().metrics


def test_a_run_reads_a_share_and_so_does_the_control_beside_it(folders):
    folder = RunFolder(folders / "quarter")
    result = folder.read_result()
    assert result.order.start == result.order.final == FIRST_FOUR["strided"]
    assert result.order.reach.slots_read.words == "4 of 4 slots reach the readout, and 12 of 16 patches have no slot"
    assert len(result.order.influence) == 4
    beside = RunFolder(folder.controls / "random-fixed").read_result().order
    assert len(beside.start) == 4
    assert beside.start != result.order.start


def test_classes_are_told_from_the_patches_that_are_read_alone(folders):
    model = reorder_kit.load_run(folders / "quarter", host=HOST).model
    images = torch.rand(2, 1, 8, 8)
    row, column = 2, 4  # patch 6; 0, 10, 2 and 8 are read
    elsewhere, there = images.clone(), images.clone()
    elsewhere[..., row : row + 2, column : column + 2] = 9.0
    there[..., 0:2, column : column + 2] = 9.0  # patch 2

    def logits(images):
        return model(Batch(images, torch.zeros(2, dtype=torch.long), CLASS)).outputs

    assert torch.equal(logits(images), logits(elsewhere))
    assert not torch.allclose(logits(images), logits(there))
