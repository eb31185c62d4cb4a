"""Reading recipes: YAML, overrides, and mistakes with their field paths."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from reorder_kit.errors import Problem, RecipeError, ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.recipe.library import read_recipe, recipe_names
from reorder_kit.recipe.overrides import override, parse_assignment
from reorder_kit.recipe.problems import problems_of
from reorder_kit.recipe.read_yaml import read_recipe_file, read_yaml
from reorder_kit.recipe.recipe import Recipe

HOST = PluginHost(third_party=False)
MINIMAL = """
format_version: 1
name: trial
data: digits
backbone: {name: local, patch_size: 2}
"""

BACKBONES = ", ".join(sorted(HOST.backbones))
LEARNERS = (
    "diffsort, evolution, gumbel-sinkhorn, neuralsort, random-search, reinforce, segment-search, shuffle-softsort, "
    "softrank, softsort, straight-through"
)

ONE_START = "give one of: the name of an ordering, a file, a race, a prior"


def mistakes_of(text, *assignments):
    content = override(read_yaml(text, "recipe.yaml"), map(parse_assignment, assignments))
    with pytest.raises(RecipeError) as caught:
        compose(content, HOST, "recipe.yaml")
    return caught.value


def mistakes(*assignments, text=MINIMAL):
    """The mistakes of the minimal recipe with fields replaced, one line each."""
    return list(map(str, mistakes_of(text, *assignments).problems))


# Mistakes


def test_four_mistakes_are_all_listed_with_paths_and_suggestions():
    error = mistakes_of("""
format_version: 1
name: four-mistakes
data: {name: digits, batch_size: 0}
backbone: {name: locl, patch_size: 2}
order:
  start: hilbrt
  lerner: softsort
""")
    assert error.message.splitlines() == [
        "recipe.yaml: 4 mistakes",
        "  data.batch_size: input should be greater than or equal to 1, not 0",
        "  order.lerner: there is no such field (did you mean 'learner'?)",
        "  backbone.name: there is no backbone 'locl' (did you mean 'local'?)",
        "  order.start.name: there is no ordering 'hilbrt' (did you mean 'hilbert'?)",
    ]
    assert error.exit_code == 2


def test_one_mistake_is_counted_as_one():
    assert mistakes_of(MINIMAL, "seed=-1").message.startswith("recipe.yaml: 1 mistake\n")


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("data=digit", "data.name: there is no data-source 'digit' (did you mean 'digits'?)"),
        ("task=clasification", "task.name: there is no task 'clasification' (did you mean 'classification'?)"),
        ("backbone.name=rwkv", f"backbone.name: there is no backbone 'rwkv' (known: {BACKBONES})"),
        (
            "order.learner=soft-sort",
            "order.learner.name: there is no order-learner 'soft-sort' (did you mean 'softsort'?)",
        ),
        ("order.start={prior: lmza}", "order.start.prior.name: there is no prior 'lmza' (did you mean 'lzma'?)"),
        ("backbone=''", f"backbone.name: there is no backbone '' (known: {BACKBONES})"),
        ("order.learner=''", f"order.learner.name: there is no order-learner '' (known: {LEARNERS})"),
    ],
)
def test_an_unknown_component_gets_the_closest_name(assignment, expected):
    assert mistakes(assignment) == [expected]


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        (
            ["order.learner={name: reinforce, temperature: {shap: linear}}"],
            "order.learner.temperature.shap: there is no such field (did you mean 'shape'?)",
        ),
        (
            ["order.learner=softsort", "order.learner.temperature.shape=triangle"],
            "order.learner.temperature.shape: there is no choice 'triangle' (did you mean 'triangular'?)",
        ),
        (
            ["order.learner=softsort", "order.learner.temperature.peak=-1"],
            "order.learner.temperature.peak: input should be greater than or equal to 0, not -1",
        ),
        (
            ["order.learner={name: softsort, search_epochs: .inf}"],
            "order.learner.search_epochs: input should be a finite number, not inf",
        ),
        (["schedule.hold_epochs=.nan"], "schedule.hold_epochs: input should be a finite number, not nan"),
        (["optimizer.betas=[0.9, 1.0]"], "optimizer.betas.1: input should be less than 1, not 1.0"),
        (["backbone.windw=3"], "backbone.windw: there is no such field (did you mean 'window'?)"),
        (["backbone.dim=30"], "backbone: dim 30 is not divisible by 4 heads"),
        (
            ["order.start={name: hilbert, reversed: true}"],
            "order.start.reversed: there is no such field (did you mean 'reverse'?)",
        ),
        (["order.start.file=a.json"], "order.start.file: there is no such field (known: flip, reverse, transpose)"),
        (["task=classification", "task.mixup=-1"], "task.mixup: input should be greater than or equal to 0, not -1"),
    ],
)
def test_options_of_components_are_checked_by_path(assignments, expected):
    assert mistakes("order.start=row", *assignments) == [expected]


def test_a_field_of_several_types_is_one_mistake_at_its_own_path():
    (mistake,) = mistakes("backbone.patch_size=two")
    assert mistake.startswith("backbone.patch_size: input should be a valid integer")
    assert mistake.endswith("or must be a list, not 'two'")


def test_what_else_is_wrong_in_a_section_is_found_too():
    found = mistakes("data={name: digits, workers: -1, validation_image: 10}")
    assert [line.split(":")[0] for line in found] == ["data.workers", "data.validation_image"]


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("format_version=2", "format_version: input should be 1, not 2"),
        ("name=a b", "name: string should match pattern '^\\w[\\w.-]*$', not 'a b'"),
        ("name=..", "name: string should match pattern '^\\w[\\w.-]*$', not '..'"),
        ("name=../up", "name: string should match pattern '^\\w[\\w.-]*$', not '../up'"),
        ("order.control=null", "order.control: input should be a valid string, not None"),
        (
            "order.control=null-rewards",
            "order.control: there is no choice 'null-rewards' (did you mean 'null-reward'?)",
        ),
        ("controls=[fixed-strat]", "controls.0: there is no choice 'fixed-strat' (did you mean 'fixed-start'?)"),
        ("controls=[random-fixed, random-fixed]", "controls: a control is named twice"),
        ("controls=random-fixed", "controls: must be a list, not 'random-fixed'"),
        ("train=fast", "train: must be a mapping of fields, not 'fast'"),
        ("train.epochs=2.5", "train.epochs: input should be a valid integer, not 2.5"),
        ("train.epochs=soon", "train.epochs: input should be a valid integer"),
        ("trian.epochs=3", "trian: there is no such field (did you mean 'train'?)"),
        ("order.start={prior: lzma, reverse: true}", "order.start: reverse is not allowed next to a prior"),
        (
            "order.start={name: row, prior: lzma}",
            f"order.start: {ONE_START}",
        ),
        ("order.start={}", f"order.start: {ONE_START}"),
    ],
)
def test_fields_of_the_recipe_are_checked_by_path(assignment, expected):
    found = mistakes(assignment)
    assert len(found) == 1
    assert found[0].startswith(expected)


def test_an_empty_recipe_lists_what_is_missing():
    assert mistakes(text="{}") == [
        "format_version: is missing",
        "name: is missing",
        "data: is missing",
        "backbone: is missing",
    ]


def test_a_section_without_a_name_is_missing_it():
    assert mistakes("backbone={patch_size: 2}") == ["backbone.name: is missing"]


def test_a_problem_of_the_whole_has_no_path():
    assert str(Problem("", "is no recipe", "start anew")) == "is no recipe (start anew)"


def test_problems_can_stand_under_a_prefix():
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate({"format_version": 1, "name": "x", "data": "digits", "backbone": "vit", "sed": 1})
    assert list(map(str, problems_of(caught.value, Recipe, "study.runs"))) == [
        "study.runs.sed: there is no such field (did you mean 'seed'?)"
    ]


# YAML


@pytest.mark.parametrize(
    ("text", "where", "reason"),
    [
        ("name: a\nseed: 1\nname: b\n", "3:1", "the key 'name' is given twice"),
        ("order:\n  start: row\n  start: column\n", "3:3", "the key 'start' is given twice"),
        ("data: [digits\n", "2:1", "not YAML"),
        ("name: a\n\tseed: 1\n", "2:1", "not YAML"),
        ("a: b: c\n", "1:5", "not YAML"),
        ("a: !!python/object/apply:os.system [echo]\n", "1:4", "python/object/apply:os.system"),
        ("!!python/object:builtins.list {}\n", "1:1", "python/object:builtins.list"),
        ("a: !include other.yaml\n", "1:4", "!include"),
        ("[a, b]: c\n", "1:1", "the key ['a', 'b'] must be a string, number or boolean"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_line_and_column(text, where, reason):
    with pytest.raises(ReorderKitError) as caught:
        read_yaml(text, "recipe.yaml")
    assert str(caught.value).startswith(f"recipe.yaml:{where}: not YAML: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize("text", ["a: \0", 'a: "\\UFFFFFFFF"', "a: !!timestamp soon", "[" * 1000])
def test_what_yaml_itself_stumbles_over_is_refused(text):
    with pytest.raises(ReorderKitError, match=r"^recipe\.yaml(:1:\d+)?: not YAML: "):
        read_yaml(text, "recipe.yaml")


def test_a_tag_runs_nothing(tmp_path):
    trap = tmp_path / "trap"
    with pytest.raises(ReorderKitError):
        read_yaml(f"a: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{trap}']]", "r")
    assert not trap.exists()


def test_anchors_and_merged_mappings_are_yaml():
    content = read_yaml("a: &basis {lr: 1, decay: 2}\nb: {<<: *basis, lr: 3}\n", "recipe.yaml")
    assert content["b"] == {"lr": 3, "decay": 2}


def test_numbers_in_e_notation_are_numbers():
    content = read_yaml(f"{MINIMAL}optimizer: {{lr: 3e-3, weight_decay: 1.5e-2}}\n", "recipe.yaml")
    recipe = compose(content, HOST, "recipe.yaml").recipe
    assert (recipe.optimizer.lr, recipe.optimizer.weight_decay) == (0.003, 0.015)


def test_numbers_in_e_notation_are_numbers_in_options_too():
    content = override(
        read_yaml(MINIMAL, "r"), [("order.learner", "softsort"), parse_assignment("order.learner.lr=2e-1")]
    )
    assert compose(content, HOST, "r").learner.options.lr == 0.2


# Files


def test_a_file_is_read(tmp_path):
    file = tmp_path / "trial.yaml"
    file.write_text(MINIMAL, encoding="utf-8")
    assert read_recipe_file(file)["backbone"] == {"name": "local", "patch_size": 2}
    assert read_recipe(str(file)) == (read_recipe_file(file), str(file))


@pytest.mark.parametrize("content", [b"- a\n- b\n", b"", b"just text", b"\xff\xfe\x00"])
def test_a_file_that_is_no_recipe_is_named(tmp_path, content):
    file = tmp_path / "trial.yaml"
    file.write_bytes(content)
    with pytest.raises(ReorderKitError, match=r"trial\.yaml: (a recipe must be a mapping of fields|not a text file)"):
        read_recipe_file(file)


def test_a_folder_of_its_name_does_not_hide_a_shipped_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quickstart").mkdir()
    content, _ = read_recipe("quickstart")
    assert content["name"] == "quickstart"


def test_a_folder_is_no_recipe(tmp_path):
    with pytest.raises(ReorderKitError, match="Is a directory"):
        read_recipe(str(tmp_path))


def test_a_shipped_recipe_is_found_by_name_and_by_its_path_in_the_repository(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    by_name, source = read_recipe("quickstart")
    assert source == "quickstart"
    assert by_name["name"] == "quickstart"
    assert read_recipe("recipes/quickstart.yaml")[0] == by_name
    assert "quickstart" in recipe_names()


def test_an_unknown_recipe_gets_the_closest_name(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ReorderKitError, match="quikstart: neither a file") as caught:
        read_recipe("quikstart")
    assert caught.value.hint == "did you mean 'quickstart'?"


# Assignments


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("train.epochs=3", "train.epochs", 3),
        ("train.compile=true", "train.compile", True),
        ("train.clip_grad=null", "train.clip_grad", None),
        ("optimizer.lr=3.0e-3", "optimizer.lr", 0.003),
        ("controls=[fixed-start, learned-static]", "controls", ["fixed-start", "learned-static"]),
        ("order.start={name: hilbert, reverse: true}", "order.start", {"name": "hilbert", "reverse": True}),
        ("data.root=/data/a=b", "data.root", "/data/a=b"),
        ("name=", "name", None),
        ("name='5'", "name", "5"),
    ],
)
def test_values_are_yaml(text, path, value):
    assert parse_assignment(text) == (path, value)


@pytest.mark.parametrize("text", ["train.epochs", "=3", ""])
def test_what_is_no_assignment_is_refused(text):
    with pytest.raises(ReorderKitError, match="not an assignment") as caught:
        parse_assignment(text)
    assert caught.value.hint == "write --set train.epochs=3"


def test_a_value_that_is_not_yaml_is_refused_by_path():
    with pytest.raises(ReorderKitError, match=r"^--set controls:1:\d+: not YAML"):
        parse_assignment("controls=[fixed-start")


def test_a_short_form_is_replaced_and_then_extended():
    content = {"order": {"start": "row"}, "backbone": "vit"}
    changed = override(
        content, [("order.learner", "softsort"), ("order.learner.lr", 0.2), ("order.start.reverse", True)]
    )
    assert changed["order"] == {
        "start": {"name": "row", "reverse": True},
        "learner": {"name": "softsort", "lr": 0.2},
    }
    assert changed["backbone"] == "vit"


def test_a_later_assignment_wins():
    assert override({"seed": 0}, [("seed", 1), ("seed", 2)]) == {"seed": 2}


def test_a_section_that_is_absent_or_null_is_made():
    assert override({"order": {"learner": None}}, [("order.learner.name", "softsort"), ("train.epochs", 3)]) == {
        "order": {"learner": {"name": "softsort"}},
        "train": {"epochs": 3},
    }


def test_the_recipe_itself_stays_as_it_was():
    content = {"order": {"learner": {"name": "softsort", "temperature": {"peak": 1.0}}}}
    override(content, [("order.learner.temperature.peak", 2.0), ("order.start", "column")])
    assert content == {"order": {"learner": {"name": "softsort", "temperature": {"peak": 1.0}}}}


def test_an_entry_of_a_list_is_named_by_its_number():
    content = {"backbone": {"levels": [{"mixer": "local"}, {"mixer": "mamba"}]}, "controls": ["row", "random"]}
    changed = override(
        content, [("backbone.levels.0.window", 3), ("controls.1.reverse", True), ("backbone.levels.1", "attention")]
    )
    assert changed == {
        "backbone": {"levels": [{"mixer": "local", "window": 3}, "attention"]},
        "controls": ["row", {"name": "random", "reverse": True}],
    }
    assert content["backbone"]["levels"] == [{"mixer": "local"}, {"mixer": "mamba"}]
    assert content["controls"] == ["row", "random"]


@pytest.mark.parametrize("key", ["2", "-1", "first", "1_5", "", "²", "9" * 5000])
def test_an_entry_that_a_list_does_not_have_is_refused(key):
    with pytest.raises(ReorderKitError, match=r"controls is a list without an entry .*: its entries are 0 to 1"):
        override({"controls": ["row", "random"]}, [(f"controls.{key}.name", 1)])


@pytest.mark.parametrize(("entries", "numbers"), [([], "it is empty"), (["row"], "its only entry is 0")])
def test_the_entries_of_short_lists_are_told(entries, numbers):
    with pytest.raises(ReorderKitError, match=f"controls is a list without an entry 1: {numbers}"):
        override({"controls": entries}, [("controls.1", "row")])


@pytest.mark.parametrize(("path", "where"), [("seed.deep", "seed is 0"), ("controls.0.name.deep.x", "name is 3")])
def test_a_path_through_a_value_is_refused(path, where):
    with pytest.raises(ReorderKitError) as caught:
        override({"seed": 0, "controls": [{"name": 3}]}, [(path, 1)])
    assert str(caught.value) == f"--set {path}: {where} and has no fields"
