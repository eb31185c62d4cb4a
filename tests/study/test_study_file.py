"""Studies as people write them: short forms, defaults from the recipe, and all mistakes at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from reorder_kit.errors import RecipeError
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.studies.checking import check_study
from reorder_kit.studies.library import find_study

HOST = PluginHost(third_party=False)
SMALL = {
    "format_version": 1,
    "name": "small",
    "seeds": 2,
    "recipe": {"train": {"epochs": 1}},
    "data": ["digits"],
    "backbones": {"local": {"patch_size": 2}},
    "starts": ["row", "random"],
    "learners": ["softsort"],
}


def checked(folder=Path(), **changes):
    content = {field: value for field, value in {**SMALL, **changes}.items() if value is not None}
    return check_study(content, HOST, "small.yaml", folder)


def study(folder=Path(), **changes):
    return checked(folder, **changes).study


def mistakes(**changes):
    with pytest.raises(RecipeError) as error:
        study(**changes)
    return [str(problem) for problem in error.value.problems]


def test_a_name_is_short_for_a_section():
    short = study(
        data=["digits"],
        starts={
            "row": None,
            "curve": "hilbert",
            "back": {"name": "hilbert", "reverse": True},
            "spiral": {"flip": "both"},
        },
        learners={"softsort": {"from": ["curve"], "lr": 0.3}},
    )
    assert short.data["digits"].section == {"name": "digits"}
    assert {name: start.section for name, start in short.starts.items()} == {
        "row": {"name": "row"},
        "curve": {"name": "hilbert"},
        "back": {"name": "hilbert", "reverse": True},
        "spiral": {"name": "spiral", "flip": "both"},
    }
    assert short.learners["softsort"].section == {"name": "softsort", "lr": 0.3}
    assert short.learners["softsort"].starts == ("curve",)


def test_starts_may_be_files_and_priors():
    starts = {"mine": {"file": "order.json"}, "best": {"prior": "lzma"}}
    assert {name: start.section for name, start in study(starts=starts).starts.items()} == starts


def test_seeds_are_a_list_or_a_number_of_them():
    assert study(seeds=3).seeds == (0, 1, 2)
    assert study(seeds=[7, 3]).seeds == (7, 3)


def test_everything_but_name_and_seeds_may_be_left_to_a_recipe():
    own = check_study(
        {"format_version": 1, "name": "mine", "seeds": 2, "recipe": "quickstart"}, HOST, "mine.yaml", Path()
    ).study
    assert list(own.data) == ["digits"]
    assert own.backbones["local"].section["window"] == 2
    assert own.starts["row"].section == {"name": "row"}
    assert own.learners["softsort"].section == {"name": "softsort", "warmup_epochs": "10%"}
    assert own.recipe["train"]["epochs"] == 60
    # The rest of the recipe is what the study decides.
    assert not {"name", "seed", "controls", "order", "data", "backbone"} & own.recipe.keys()


def test_a_recipe_is_found_beside_the_study(tmp_path):
    (tmp_path / "base.yaml").write_text("train: {epochs: 7}\norder: {start: {prior: lzma}}\n")
    own = study(tmp_path, recipe="base.yaml", starts=None, learners=None)
    assert own.recipe == {"train": {"epochs": 7}}
    assert own.starts["lzma"].section == {"prior": "lzma"}
    assert own.learners == {}


def test_the_headline_and_the_device_are_those_of_the_runs():
    assert checked().headline.name == "top1"
    assert checked().on_gpu
    assert not checked(recipe={"train": {"device": "cpu"}}).on_gpu
    multi = {"data": {"scenes": {"batch_size": 8}}, "backbones": {"vit": {"patch_size": 8}}}
    assert checked(recipe={"task": "multi-label"}, **multi).headline.name == "mAP"


def test_what_is_written_down_is_the_study_again():
    first = study(
        backbones={"local": {"patch_size": 2, "set": {"train.epochs": 2}}}, learners={"softsort": {"from": ["row"]}}
    )
    assert study(**first.as_plain_data()) == first


def test_every_mistake_is_told_at_once_at_its_field():
    assert mistakes(
        nam="small",
        seeds=[0, 0],
        recipe={"train": {"epoch": 1}, "seed": 3, "data": "digits"},
        data={"digits": {"batch": 3}},
        backbones={"local": {"windw": 2, "patch_size": 2, "set": {"optimizer.lrr": 1}}, "vti": {}},
        starts=["row", "randm"],
        learners={"softsort": {"from": ["rwo"], "temprature": 1}},
        controls=["null-rewards"],
        margin=0,
    ) == [
        "recipe.seed: is set by seeds of the study (leave it out)",
        "recipe.data: is set by data of the study (leave it out)",
        "seeds: 0 is named twice",
        "controls.0: there is no choice 'null-rewards' (did you mean 'null-reward'?)",
        "margin: input should be greater than 0, not 0",
        "nam: there is no such field (did you mean 'name'?)",
        "learners.softsort.from: unknown start 'rwo' (did you mean 'row'?)",
        "backbones.local.set.optimizer.lrr: there is no such field (did you mean 'lr'?)",
        "recipe.train.epoch: there is no such field (did you mean 'epochs'?)",
        "data.digits.batch: there is no such field (known: validation_images)",
        "backbones.local.windw: there is no such field (did you mean 'window'?)",
        "starts.randm.name: there is no ordering 'randm' (did you mean 'random'?)",
        "backbones.vti.name: there is no backbone 'vti' (did you mean 'vit'?)",
    ]


@pytest.mark.parametrize(
    ("changes", "mistake"),
    [
        ({"seeds": 0}, "seeds: tuple should have at least 1 item after validation, not 0, not ()"),
        ({"data": None}, "data: is missing (set it here or in the recipe)"),
        ({"backbones": {}}, "backbones: is missing (set it here or in the recipe)"),
        ({"starts": ["row", "row"]}, "starts: row is named twice"),
        (
            {"starts": [{"name": "row"}]},
            "starts: a list can only contain names; use a mapping of names to sections for anything",
        ),
        ({"starts": {"a/b": "row"}}, "starts: 'a/b' cannot be the name of a folder"),
        ({"learners": {"random-fixed": "softsort"}}, "learners: 'random-fixed' is already the name of another folder"),
        ({"learners": {"seed-1": "softsort"}}, "learners: 'seed-1' is already the name of another folder"),
        (
            {"controls": ["fixed-start"]},
            "controls: every start is always trained as a fixed order; leave fixed-start out",
        ),
        ({"learners": {"sofsort": None}}, "learners.sofsort.name: there is no order-learner 'sofsort'"),
        (
            {"recipe": "quickstrat"},
            "recipe: quickstrat: neither a file nor a shipped recipe (did you mean 'quickstart'?)",
        ),
        ({"recipe": 3}, "recipe: must be a mapping, not 3"),
        (
            {
                "data": {"digits": {}, "scenes": {"set": {"task": "multi-label"}}},
                "backbones": {"vit": {"patch_size": 4}},
            },
            "data: the rows of a study share one headline metric, not top1 of digits and mAP of scenes",
        ),
    ],
)
def test_a_mistake_is_told_in_words(changes, mistake):
    assert mistakes(**changes)[0].startswith(mistake)


def test_a_mistake_of_several_rows_is_told_once():
    found = mistakes(recipe={"train": {"epochs": 0}}, backbones={"a": {"name": "local", "patch_size": 2}, "b": "vit"})
    assert found == [
        "recipe.train.epochs: input should be greater than or equal to 1, not 0",
        "backbones.b: give patch_size (pixels) or grid (patches per image, [height, width])",
    ]


def test_a_folder_of_its_name_does_not_hide_a_shipped_study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quick").mkdir()
    content, _ = find_study("quick")
    assert content["name"] == "quick"
