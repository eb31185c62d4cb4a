"""YAML in recipes: the meaning of plain scalars, limits, and round trips."""

from __future__ import annotations

import math
import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reorder_kit.errors import RecipeError, ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.recipe.library import read_recipe
from reorder_kit.recipe.overrides import override, parse_assignment
from reorder_kit.recipe.plain_yaml import MOST_DEPTH, MOST_NODES
from reorder_kit.recipe.read_yaml import MOST_BYTES, read_recipe_file, read_yaml
from reorder_kit.recipe.write_yaml import write_yaml, yaml_in_line

HOST = PluginHost(third_party=False)
MINIMAL = {"format_version": 1, "name": "trial", "data": "digits", "backbone": {"name": "local", "patch_size": 2}}
LONGEST_MESSAGE = 20_000


def doubled(levels, start, inner):
    """Anchors that each contain the previous one twice, so the last contains the first 2 ** levels times."""
    lines = [f"x0: &x0 {start}"]
    lines += [f"x{level}: &x{level} {inner.format(f'*x{level - 1}')}" for level in range(1, levels + 1)]
    return "\n".join(lines)


# What scalars mean


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 100000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-3", -3),
        ("+3", 3),
        ("0", 0),
        ("0o17", 15),
        ("0xfF", 255),
        ("true", True),
        ("FALSE", False),
        ("Null", None),
        ("~", None),
        ("", None),
        ("-.INF", -math.inf),
        ("'3'", "3"),
        ('"true"', "true"),
        ("!!str 3", "3"),
        ("! 3", "3"),
    ],
)
def test_plain_scalars_mean_what_they_mean_in_yaml_1_2(text, value):
    found = read_yaml(f"a: {text}", "recipe.yaml")["a"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    ["017", "00", "-01.5", "1:00", "1:30:00", "1_000", "0b11", "yes", "No", "on", "OFF", "2024-01-31", "=", "1e"],
)
def test_what_only_yaml_1_1_takes_for_something_else_is_a_text(text):
    assert read_yaml(f"a: {text}", "recipe.yaml") == {"a": text}


@pytest.mark.parametrize("value", ["017", "1:00", "yes", "true", "'3'", "3.0", "1e1"])
def test_no_such_text_is_a_number_of_epochs(value):
    with pytest.raises(RecipeError, match=r"train\.epochs: input should be a valid integer, not "):
        compose(override(MINIMAL, [parse_assignment(f"train.epochs={value}")]), HOST, "trial")


# Limits


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (doubled(40, "[1]", "[{0}, {0}]"), "more than 50,000 keys and values"),
        (doubled(40, "{a: 1}", "{{<<: [{0}, {0}]}}"), "more than 50,000 keys and values"),
        ("\n".join(f"key{number}: 1" for number in range(MOST_NODES)), "more than 50,000 keys and values"),
        ("[" * (MOST_DEPTH + 1), "mappings and lists are nested more than 50 deep"),
        ("{a: " * 100_000, "mappings and lists are nested more than 50 deep"),
        ("- " * 100_000, "mappings and lists are nested more than 50 deep"),
        ("a: " + "x" * MOST_BYTES, "larger than 1 MB"),
        ("a: " + "9" * 500_000, "a whole number with 500000 digits"),
        ("a: &a [*a]", "the anchor 'a' is not defined"),
        ("a: 1\n---\na: 2", "there is a second document"),
        ("k" * 1_000 + ": 1\n" + "k" * 1_000 + ": 2", "is given twice"),
        ("<<: 3", "<< can only merge mappings, not 3"),
        ("<<: {a: 1}\n<<: {a: 2}", "the key '<<' is given twice"),
    ],
    ids=lambda text: text[:12],
)
def test_what_exceeds_a_limit_is_refused_at_once(text, reason):
    began = time.process_time()
    with pytest.raises(ReorderKitError) as caught:
        read_yaml(text, "recipe.yaml")
    assert reason in caught.value.message
    assert len(str(caught.value)) < 400
    assert time.process_time() - began < 10  # of about one


def test_what_is_within_the_limits_is_read():
    deep = read_yaml("[" * MOST_DEPTH + "]" * MOST_DEPTH, "recipe.yaml")
    for _ in range(MOST_DEPTH):
        (deep,) = deep or [None]
    assert deep is None
    assert read_yaml(doubled(4, "[1, 2]", "[{0}, {0}]"), "recipe.yaml")["x1"] == [[1, 2], [1, 2]]


def test_earlier_mappings_are_merged_before_later_ones_and_a_mapping_itself_comes_first():
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {z: 3, <<: [*a, *b]}"
    assert read_yaml(text, "recipe.yaml")["c"] == {"x": 1, "y": 1, "z": 3}


def test_no_more_of_a_file_is_read_than_a_recipe_may_have(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text("# " + "x" * MOST_BYTES)
    with pytest.raises(ReorderKitError, match=r"recipe\.yaml: larger than 1 MB"):
        read_recipe_file(file)


def test_values_on_the_command_line_have_the_same_limits():
    for value in ("[" * 1000, "x" * (MOST_BYTES + 1), doubled(40, "[1]", "[{0}, {0}]").replace("\n", ", ")):
        with pytest.raises(ReorderKitError) as caught:
            parse_assignment(f"controls={value}")
        assert len(str(caught.value)) < 400
    with pytest.raises(ReorderKitError, match="at most 50 deep"):
        override(MINIMAL, [parse_assignment("a." * 100_000 + "b=3")])


# Messages


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "x y" * 100_000},
        {"seed": "x" * 100_000},
        {"seed": [1] * 100_000},
        {"backbone": "x" * 100_000},
        {"data": {"name": "digits", "x" * 100_000: 1}},
        {"controls": ["x" * 100_000]},
        {"controls": [f"x{number}" for number in range(10_000)]},
        {"order": {"learner": {"name": "softsort", "temperature": {"shape": "x" * 100_000}}}},
        {"order": {"start": {"prior": {"name": "lzma", "tokenizer": {"name": "x" * 100_000}}}}},
        {"train": {f"x{number}": 1 for number in range(10_000)}},
        {"train": {"epochs": 10**3000}},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_messages_are_short_whatever_the_recipe_says(changed):
    with pytest.raises(RecipeError) as caught:
        compose({**MINIMAL, **changed}, HOST, "trial")
    assert len(str(caught.value)) < LONGEST_MESSAGE
    assert all(len(str(problem)) < 2_000 for problem in caught.value.problems)


def test_it_is_said_how_many_mistakes_are_not_told():
    with pytest.raises(RecipeError) as caught:
        compose({**MINIMAL, "train": {f"x{number}": 1 for number in range(350)}}, HOST, "trial")
    assert "there are 250 more mistakes" in str(caught.value)


# Writing

WORDS = [
    *(
        "1e-3",
        "017",
        "1:00",
        "yes",
        "0o17",
        "0x1F",
        "null",
        "~",
        "",
        "<<",
        "=",
        "1_0",
        "2024-01-01",
        "True",
        ".5",
        "+1",
    ),
    *(
        "a: b",
        "- a",
        "#a",
        "a #b",
        "  x ",
        "a\r\nb",
        "\n",
        "\x85",
        "\u2028",
        "\ufeff",
        "\x07",
        "\udce9",
        "é",
        "😀",
        "x" * 300,
    ),
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False),
    st.sampled_from(WORDS),
    st.text(st.characters(blacklist_categories=("Cs",)), max_size=20),
)
CONTENT = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@settings(deadline=None, max_examples=150)
@given(CONTENT)
def test_what_is_written_is_read_as_the_same(content):
    for text in (write_yaml(content), yaml_in_line(content)):
        assert repr(read_yaml(text, "recipe.yaml")) == repr(content)


@pytest.mark.parametrize("word", WORDS)
def test_every_reader_reads_the_same(word):
    text = write_yaml({"a": [word], word: 1})
    assert yaml.safe_load(text) == read_yaml(text, "recipe.yaml") == {"a": [word], word: 1}


def test_what_could_not_be_read_again_is_not_written():
    with pytest.raises(ReorderKitError, match="more than 50,000 keys and values"):
        write_yaml({"classes": list(range(MOST_NODES))})


def test_a_resolved_recipe_is_read_as_the_same():
    content, source = read_recipe("quickstart")
    resolved = compose(content, HOST, source).resolved()
    assert read_yaml(write_yaml(resolved), "recipe.yaml") == resolved
