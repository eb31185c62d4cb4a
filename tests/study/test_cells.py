"""The grid of a study: its rows, what they share, and the recipe of each run."""

from __future__ import annotations

from pathlib import Path

import pytest

from reorder_kit.errors import RecipeError
from reorder_kit.experiment.compose import compose
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orders.grid import Grid
from reorder_kit.studies.cells import Cell, RowKey, cells_of, recipe_of, rows_of
from reorder_kit.studies.checking import check_study
from reorder_kit.studies.plan import plan_of

HOST = PluginHost(third_party=False)
GRID = Grid(4, 4)
CONTENT = {
    "format_version": 1,
    "name": "grid",
    "seeds": [4, 9],
    "recipe": {"train": {"epochs": 3, "device": "cpu"}, "optimizer": {"lr": 0.01}},
    "data": {"digits": {"batch_size": 50}},
    "backbones": {"narrow": {"name": "local", "patch_size": 2}, "vit": {"patch_size": 2, "set": {"train.epochs": 5}}},
    "starts": {"row": "row", "shuffled": "random", "one-shuffle": {"name": "random", "seed": 1}},
    "learners": {
        "soft": {"name": "softsort", "from": ["row", "shuffled"]},
        "reward": {"name": "reinforce", "from": ["row"]},
    },
}


@pytest.fixture(scope="module")
def study():
    return check_study(CONTENT, HOST, "grid.yaml", Path()).study


def recipe(study, cell):
    return recipe_of(study, cell, HOST, Path("runs/grid"))


def start_of(study, cell):
    """The order that a run starts from."""
    return compose(recipe(study, cell), HOST, "recipe").start.order(GRID).indices.tolist()


def test_rows_are_the_starts_the_learners_with_their_controls_and_random_orders(study):
    rows = [row.parts for row in rows_of(study, HOST)]
    expected = [
        ("row",),
        ("row", "soft"),
        ("row", "soft", "learned-static"),  # soft learners do not use rewards
        ("row", "reward"),
        ("row", "reward", "learned-static"),
        ("row", "reward", "null-reward"),
        ("shuffled",),
        ("shuffled", "soft"),
        ("shuffled", "soft", "learned-static"),
        ("one-shuffle",),
        ("row", "random-fixed"),
        ("row", "random-per-batch"),
    ]
    assert rows == [("digits", backbone, *names) for backbone in ("narrow", "vit") for names in expected]


def test_no_run_is_there_twice_and_each_seed_has_every_row(study):
    cells = cells_of(study, HOST)
    assert len({cell.path for cell in cells}) == len(cells) == 2 * 24
    assert [cell.seed for cell in cells] == [4] * 24 + [9] * 24
    # The only fixed rows are those of the starts; learners are compared with them.
    assert sum(cell.row.learner is None and cell.row.control is None for cell in cells) == 2 * 2 * 3


def test_a_run_has_a_folder_of_its_names():
    row = RowKey("digits", "vit", "row", "soft", "learned-static")
    assert str(Cell(row, 4).path) == "cells/digits/vit/row/soft/learned-static/seed-4"
    assert str(Cell(row, 4).after.path) == "cells/digits/vit/row/soft/seed-4"
    assert Cell(RowKey("digits", "vit", "row", "soft"), 4).after is None


def test_all_rows_of_a_seed_share_everything_but_what_they_are_about(study):
    recipes = [recipe(study, cell) for cell in cells_of(study, HOST) if cell.seed == 9]
    assert {content["seed"] for content in recipes} == {9}
    assert all(content["data"] == {"name": "digits", "batch_size": 50} for content in recipes)
    assert all(content["optimizer"] == {"lr": 0.01} for content in recipes)
    assert all(content["controls"] == [] for content in recipes)
    epochs = {content["backbone"]["name"]: content["train"] for content in recipes}
    assert epochs == {"local": {"epochs": 3, "device": "cpu"}, "vit": {"epochs": 5, "device": "cpu"}}
    assert len({content["name"] for content in recipes}) == len(recipes)


def test_a_random_start_is_another_order_for_each_seed_and_the_same_for_all_rows_of_one(study):
    def orders(name, **names):
        return [
            start_of(study, Cell(RowKey("digits", backbone, name, **names), seed))
            for seed in study.seeds
            for backbone in study.backbones
        ]

    first, first_again, second, second_again = orders("shuffled")
    assert first == first_again != second == second_again
    assert orders("shuffled", learner="soft") == [first, first, second, second]
    fixed = orders("one-shuffle")
    assert fixed == [fixed[0]] * 4
    assert orders("row") == [list(range(16))] * 4


def test_the_order_of_a_run_is_what_its_row_says(study):
    def order(*names, **more):
        content = recipe(study, Cell(RowKey("digits", "vit", *names, **more), 4))["order"]
        return {name: value for name, value in content.items() if value is not None}

    row, soft, reward = {"name": "row"}, {"name": "softsort"}, {"name": "reinforce"}
    learned = "runs/grid/cells/digits/vit/row/soft/seed-4/order.json"
    assert order("row") == {"start": row}
    assert order("row", "soft") == {"start": row, "learner": soft}
    assert order("row", "soft", "learned-static") == {"start": {"file": learned}}
    assert order("row", "reward", "null-reward") == {"start": row, "learner": reward, "control": "null-reward"}
    assert order("row", control="random-fixed") == {"start": row, "control": "random-fixed"}
    assert order("row", control="random-per-batch") == {"start": row, "control": "random-per-batch"}


def test_every_recipe_composes(study):
    for cell in cells_of(study, HOST):
        compose(recipe(study, cell), HOST, str(cell))


def test_the_plan_counts_runs_and_comparisons(study):
    plan = plan_of(study, HOST)
    assert plan.runs == 48
    assert plan.comparisons == {
        # The order learned from shuffled, in its run and from scratch; row is the only rule, and the start of the
        # others.
        "best-fixed": 4,
        "learning-helps": 6,
        "order-holds-up": 6,
        "control": 6,
    }
    assert plan.pool == ("row",)
    assert plan.questions[1] == "the only fixed order is row"
    # With 2 seeds p cannot fall below 0.5 for a pair.
    assert len(plan.warnings) == 4
    assert plan.warnings[1].startswith(
        "is a learner better than its fixed start: 2 seeds are too few: p cannot fall below 0.5"
    )
    assert plan_of(study.model_copy(update={"seeds": tuple(range(20))}), HOST).warnings == ()
    assert plan.left_out == ("null-reward is left out for soft, which does not learn from rewards",)


def test_what_a_learner_sets_is_set_where_it_learns_alone_and_told():
    learners = {"held": {"name": "reinforce", "from": ["row"], "set": {"schedule.hold_epochs": 1}}}
    study = check_study({**CONTENT, "learners": learners}, HOST, "grid.yaml", Path()).study
    held = {
        (cell.row.learner, cell.row.control)
        for cell in cells_of(study, HOST)
        if recipe(study, cell).get("schedule") == {"hold_epochs": 1}
    }
    assert held == {("held", None), ("held", "null-reward")}
    (warning,) = [line for line in plan_of(study, HOST).warnings if "held" in line]
    assert warning == ("held sets schedule.hold_epochs, but its fixed start does not: a difference may come from that")


def test_a_backbone_sets_how_much_of_each_start_it_reads():
    content = {key: value for key, value in CONTENT.items() if key not in ("learners", "controls")}
    content["backbones"] = {name: {"name": "vit", "patch_size": 2} for name in ("all", "half")}
    content["backbones"]["half"]["set"] = {"order.keep": 0.5}
    study = check_study(content, HOST, "grid.yaml", Path()).study
    found = {
        (cell.row.backbone, recipe_of(study, cell, HOST, Path())["order"].get("keep")) for cell in cells_of(study, HOST)
    }
    assert found == {("all", None), ("half", 0.5)}


@pytest.mark.parametrize(
    ("field", "name", "key"),
    [
        ("learners", "held", "order.start"),
        ("learners", "held", "order.keep"),
        ("learners", "held", "seed"),
        ("learners", "held", "backbone.dim"),
        ("learners", "held", "data.batch_size"),
        ("backbones", "vit", "seed"),
        ("backbones", "vit", "order.control"),
        ("data", "digits", "name"),
        ("data", "digits", "controls"),
    ],
)
def test_what_the_study_decides_cannot_be_set_in_a_row(field, name, key):
    section = {"learners": {"name": "reinforce"}, "backbones": {"patch_size": 2}, "data": {"batch_size": 50}}[field]
    wrong = {**CONTENT, field: {name: {**section, "set": {key: 3}}}}
    with pytest.raises(RecipeError) as caught:
        check_study(wrong, HOST, "grid.yaml", Path())
    told = {problem.path: problem.message for problem in caught.value.problems}
    assert told[f"{field}.{name}.set"] == f"{key} is set by the study itself"


def test_a_mistake_in_what_a_learner_sets_is_told_there():
    wrong = {**CONTENT, "learners": {"held": {"name": "reinforce", "set": {"schedule.hold": 1}}}}
    with pytest.raises(RecipeError) as caught:
        check_study(wrong, HOST, "grid.yaml", Path())
    assert {problem.path for problem in caught.value.problems} == {"learners.held.set.schedule.hold"}
