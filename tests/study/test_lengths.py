"""Studies at several training lengths: their recipes, folders and rows, and which gains survive."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from made_rows import WIGGLE, answered, made_row
from reorder_kit.errors import RecipeError
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.statistics.estimate import mean_over_seeds
from reorder_kit.studies.cells import Cell, RowKey, cells_of, recipe_of
from reorder_kit.studies.checking import check_study
from reorder_kit.studies.lengths import lengthened
from reorder_kit.studies.plan import plan_of

HOST = PluginHost(third_party=False)
CONTENT = {
    "format_version": 1,
    "name": "long",
    "seeds": 1,
    "recipe": {"train": {"epochs": 6, "device": "cpu"}, "schedule": {"warmup_epochs": 2}},
    "data": ["digits"],
    "backbones": {
        "local": {"patch_size": 2},
        "steps": {"name": "local", "patch_size": 2, "set": {"train": {"steps": 20}}},
    },
    "starts": ["row"],
    "learners": ["softsort"],
    "controls": ["learned-static"],
    "lengths": [1, 2.5],
}


def checked(**changes):
    return check_study({**CONTENT, **changes}, HOST, "long.yaml", Path()).study


def test_every_row_is_there_at_every_length():
    study = checked()
    paths = [str(cell.path) for cell in cells_of(study, HOST)]
    rows = ["row/seed-0", "row/softsort/seed-0", "row/softsort/learned-static/seed-0"]
    assert paths == [
        f"cells/digits/{backbone}/{length}{row}"
        for backbone in ("local", "steps")
        for length in ("", "length-2.5/")
        for row in rows
    ]
    assert plan_of(study, HOST).of_lengths == " at 1x training and 2.5x training"
    assert plan_of(study, HOST).comparisons == {"learning-helps": 4, "order-holds-up": 4}


def test_a_longer_run_is_as_if_its_recipe_said_so():
    study = checked()

    def recipe(backbone, length):
        return recipe_of(study, Cell(RowKey("digits", backbone, "row", length=length), 0), HOST, Path("runs"))

    usual, longer = recipe("local", 1.0), recipe("local", 2.5)
    assert longer["name"] == "long-digits-local-length-2.5-row-seed-0"
    assert longer == {**usual, "name": longer["name"], "train": {"epochs": 15, "device": "cpu"}}
    assert recipe("steps", 2.5)["train"] == {"steps": 50}


def test_a_learned_order_is_trained_from_scratch_for_the_length_at_which_it_was_learned():
    cell = Cell(RowKey("digits", "local", "row", "softsort", "learned-static", 2.5), 3)
    assert str(cell.after.path) == "cells/digits/local/length-2.5/row/softsort/seed-3"


def test_the_recipe_of_the_usual_length_is_left_as_it_is():
    assert lengthened({"train": {"epochs": 3}}, 1.0) == {"train": {"epochs": 3}}
    assert lengthened({}, 2.0) == {"train": {"epochs": 20}}  # ten are the default
    assert lengthened({"train": {"epochs": 30}}, 0.1) == {"train": {"epochs": 3}}  # 30 * 0.1 is 3.0000000000000004


@pytest.mark.parametrize(
    ("changes", "mistake"),
    [
        ({"lengths": [1, 1.3]}, "lengths: 1.3 times 6 epochs are 7.8, which is not a whole number of epochs"),
        ({"lengths": [1, 4, 4.0]}, "lengths: 4.0 is named twice"),
        ({"lengths": [0]}, "lengths.0: input should be greater than 0"),
        ({"lengths": []}, "lengths: tuple should have at least 1 item"),
        ({"starts": {"length-4": "row"}}, "starts: 'length-4' is already the name of another folder"),
        ({"pool": ["rwo"]}, "pool: unknown start 'rwo' (did you mean 'row'?)"),
        ({"test": "t"}, "test: "),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(changes, mistake):
    with pytest.raises(RecipeError) as error:
        checked(**changes)
    assert str(error.value.problems[0]).startswith(mistake)


def two_lengths(*means, **options):
    """The best fixed order scores 0.90 at 1x and 0.93 at 4x training; informed what is given."""
    rows = []
    for length, fixed, mean in zip((1.0, 4.0), (0.90, 0.93), means, strict=True):
        rows += [made_row(0.80, "row", length=length), made_row(fixed, "spiral", length=length)]
        rows.append(made_row(mean, "informed", origin="chosen", length=length, **options))
    return rows


def survival(rows):
    found, said = answered(*rows)
    assert [(each.question, each.length) for each in found[:2]] == [("best-fixed", 1.0), ("best-fixed", 4.0)]
    assert said[0].startswith("With local (1x training), ")
    assert said[1].startswith("With local (4x training), ")
    return said[2]


def test_a_gain_that_stays():
    assert survival(two_lengths(0.94, 0.95)) == (
        "With local, informed ends better: over the best fixed order it gains 4.0 points (4.0 to 4.0) at 1x training "
        "and 2.0 points (2.0 to 2.0) at 4x training."
    )


def test_a_gain_that_is_gone():
    rows = two_lengths(0.94, 0.9301)
    rows[-1] = replace(rows[-1], score=mean_over_seeds([0.9301 + step for step in reversed(WIGGLE)]))
    gain = (
        "With local, informed learns sooner: it gains 4.0 points (4.0 to 4.0) over the best fixed order at 1x training"
    )
    assert survival(rows) == f"{gain}, and at 4x training it is within ±0.010."
    assert survival(two_lengths(0.94, 0.91)) == f"{gain}, and at 4x training it costs 2.0 points (2.0 to 2.0)."


def test_a_gain_of_which_nothing_is_known_is_not_called_gone():
    rows = two_lengths(0.94, 0.94)
    rows[-1] = made_row(0.94, "informed", origin="chosen", length=4.0, spread=15)
    said = survival(rows)
    assert said.startswith(
        "With local, whether informed ends better or only learns sooner is open: it gains 4.0 points (4.0 to 4.0) over "
        "the best fixed order at 1x training, and at 4x training the two are not distinguishable; 8 seeds are too few: "
    )


def test_a_gain_that_takes_longer_training():
    said = survival(two_lengths(0.85, 0.95))
    assert said == (
        "With local, informed is shown to gain over the best fixed order at 4x training only: 2.0 points (2.0 to 2.0)."
    )


def test_without_a_gain_nothing_survives():
    found, said = answered(*two_lengths(0.85, 0.85))
    assert len([each for each in found if each.question == "best-fixed"]) == 2
    assert not any("sooner" in line or "ends better" in line for line in said)


def test_the_gain_of_a_learner_over_its_start_is_followed_too():
    rows = [
        made_row(mean, "row", learner, length=length)
        for length, means in ((1.0, (0.8, 0.9)), (4.0, (0.85, 0.9)))
        for mean, learner in zip(means, (None, "softsort"), strict=True)
    ]
    _, said = answered(*rows)
    assert said[-1] == (
        "With local, softsort from row ends better: over its fixed start it gains 10.0 points (10.0 to 10.0) at 1x "
        "training and 5.0 points (5.0 to 5.0) at 4x training."
    )
