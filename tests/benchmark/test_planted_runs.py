"""The runs of the planted benchmark: the list, their starts, and what is kept from them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from reorder_kit.benchmark.learner_options import CHOSEN, chosen_options
from reorder_kit.benchmark.planted_cases import CASES, SCRAMBLED, SELECTION, UNDONE
from reorder_kit.benchmark.planted_runs import PlantedRun, planned_runs
from reorder_kit.errors import RecipeError
from reorder_kit.order_learners.softsort import SoftSort
from reorder_kit.orders.grid import Grid
from reorder_kit.recipe.overrides import override
from reorder_kit.testing import host_with

HOST = host_with()
CHAIN, IMAGES = CASES["chain-16"], CASES["digits-4x4-recurrent"]
SMALL = [("train.epochs", 1), ("schedule.warmup_epochs", 0), ("data.batch_size", 100)]
SMALL_CHAIN = replace(
    CHAIN,
    sections=override(
        CHAIN.sections,
        [*SMALL, ("data.train_images", 200), ("data.validation_images", 50), ("data.test_images", 50)],
    ),
)
SMALL_IMAGES = replace(IMAGES, sections=override(IMAGES.sections, SMALL))


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_every_recipe_of_a_case_is_right(case):
    learners = {name: {case.name: {}} for name in HOST.order_learners}
    for run in planned_runs([case], learners, [0, 1]):
        settings = run.settings(HOST)
        assert settings["seed"] == run.seed
        assert settings["train"]["device"] == "cpu"


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_the_grid_of_a_case_is_the_backbones(case):
    experiment_settings = PlantedRun(case, 0, case.starts[0]).settings(HOST)
    shape = experiment_settings["data"].get("grid", [8, 8])
    size = experiment_settings["backbone"]["patch_size"]
    assert [side // size for side in shape] == list(case.grid)


def test_fixed_orders_are_trained_once_whatever_the_learners():
    runs = [str(run) for run in planned_runs([CHAIN], {"one": {"chain-16": {}}, "two": {"chain-16": {}}}, [3])]
    assert runs == [
        "chain-16, scrambled, seed 3",
        "chain-16, undone, seed 3",
        "chain-16, one from scrambled, seed 3",
        "chain-16, two from scrambled, seed 3",
    ]


def test_selection_has_a_run_from_each_start():
    runs = planned_runs([SELECTION], {"one": {"selection": {}}}, [0])
    assert [run.start for run in runs if run.learner] == ["row", "random"]


def test_seeds_hide_and_start_from_other_orders():
    chains = [PlantedRun(CHAIN, seed, SCRAMBLED).recipe for seed in (0, 1)]
    assert [recipe["data"]["order_seed"] for recipe in chains] == [0, 1]
    assert [recipe["order"]["start"]["seed"] for recipe in chains] == [0, 1]
    images = [PlantedRun(IMAGES, seed, SCRAMBLED).recipe for seed in (0, 1)]
    assert [recipe["data"]["plant"] for recipe in images] == [{"order": "random", "seed": seed} for seed in (0, 1)]
    assert "order_seed" not in CHAIN.sections["data"]


def test_a_learner_has_its_options_and_its_order_from_scratch_beside_it():
    recipe = PlantedRun(CHAIN, 0, SCRAMBLED, "softsort", {"lr": 0.3}).recipe
    assert recipe["order"]["learner"] == {"name": "softsort", "lr": 0.3}
    assert recipe["controls"] == ["learned-static"]
    assert PlantedRun(CHAIN, 0, SCRAMBLED).recipe["controls"] == []


def test_a_mistake_names_the_run():
    with pytest.raises(RecipeError, match="chain-16, softsort from scrambled, seed 0: 1 mistake"):
        PlantedRun(CHAIN, 0, SCRAMBLED, "softsort", {"lrr": 1}).settings(HOST)


def test_the_answer_of_a_chain_restores_all_its_neighbours():
    hidden = HOST.data_sources.get("planted-chain")
    outcome = PlantedRun(SMALL_CHAIN, 5, UNDONE).train(HOST)
    assert outcome["order"] == hidden(hidden.Options(order_seed=5)).hidden_order().indices.tolist()
    assert outcome["neighbours"] == 1.0
    assert outcome["reach"] == [16, 16]
    assert outcome["from_scratch"] is None


def test_the_answer_of_scrambled_images_is_row_order_of_the_true_image():
    outcome = PlantedRun(SMALL_IMAGES, 5, UNDONE).train(HOST)
    random = HOST.orderings.get("random")
    hidden = random(random.Options(seed=5)).order(Grid(4, 4)).indices
    # Place k holds true patch hidden[k], so read in this order the true patches are 0, 1, 2, ...
    assert hidden[torch.tensor(outcome["order"])].tolist() == list(range(16))
    assert outcome["neighbours"] == pytest.approx(12 / 15)  # of 15 steps of row order, 3 go to the next row


def test_a_learner_starts_scrambled_and_is_kept_with_its_order_from_scratch():
    run = PlantedRun(SMALL_IMAGES, 5, SCRAMBLED, "softsort", {"warmup_epochs": 1})
    outcome = run.train(HOST)
    assert outcome["order"] == list(range(16))  # it never searched
    assert outcome["neighbours"] < 0.5
    assert set(outcome["accuracy"]) == set(outcome["from_scratch"]) == {"test", "validation"}
    # With an unchanged order, both trainings are the same.
    assert outcome["accuracy"] == outcome["from_scratch"]
    assert outcome["seconds"] > 0


def test_chosen_options_are_of_built_in_learners_and_known_cases():
    for learner, by_case in CHOSEN.items():
        assert learner in HOST.order_learners
        assert set(by_case) <= set(CASES)
        for case in by_case:
            options = HOST.order_learners.get(learner).Options.model_validate(chosen_options(learner, case))
            searched = (options.warmup_epochs or 0) + (options.search_epochs or 0)
            assert searched < CASES[case].sections["train"]["epochs"], (learner, case)
    assert chosen_options(SoftSort.name, "no such case") == {}
