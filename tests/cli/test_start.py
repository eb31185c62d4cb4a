"""Startup, help and exit of the command line."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

from reorder_kit.cli.main import app, main
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orderings.hilbert import Hilbert

COMMANDS = sorted(
    f"{group} {name}".strip()
    for group, commands in {
        "": typer.main.get_command(app).commands,
        "recipes": typer.main.get_command(app).commands["recipes"].commands,
        "bench": typer.main.get_command(app).commands["bench"].commands,
    }.items()
    for name in commands
    if name not in ("recipes", "bench")
)

HELP_OF_ALL = """
import sys
from reorder_kit.cli.main import app
for words in sys.argv[1:]:
    try:
        app([*words.split(), "--help"])
    except SystemExit as end:
        assert end.code == 0
print(sorted({"torch", "matplotlib", "timm", "torchvision", "rich.table"} & sys.modules.keys()))
"""


# Libraries of built components and of figures in training; each takes a tenth of a second or more.
HEAVY = (
    "accelerate",
    "datasets",
    "matplotlib",
    "pandas",
    "scipy",
    "sklearn",
    "sympy",
    "timm",
    "torch._dynamo",
    "torchmetrics",
    "torchvision",
    "transformers",
)
ROOT = Path(__file__).parents[2]
# Recipes of the papers name torchvision transforms, others timm models; these are built in order to be checked.
RECIPES = sorted(
    recipe
    for recipe in set((ROOT / "recipes").rglob("*.yaml")) - set((ROOT / "recipes" / "paper").rglob("*.yaml"))
    if "name: timm" not in recipe.read_text()
)
KINDS = PluginHost(third_party=False).registries.values()

HEAVY_AFTER = """
import json, sys
from reorder_kit.cli.main import app
heavy, *commands = map(json.loads, sys.argv[1:])
for words in commands:
    try:
        app(words)
    except SystemExit as end:
        assert end.code == 0, words
    if found := [name for name in heavy if name in sys.modules]:
        sys.exit(f"{' '.join(words)} loads {', '.join(found)}")
"""


def loads_nothing_heavy(*commands, **variables):
    """Run commands one after the other in one process, and fail at the first that loads something it does not need."""
    arguments = [json.dumps(HEAVY), *map(json.dumps, commands)]
    done = subprocess.run(
        [sys.executable, "-c", HEAVY_AFTER, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_command_is_there():
    expected = (
        "run validate evaluate predict show-order export-order prior saliency transfer study race report describe "
        "list-plugins new-plugin schema doctor"
    )
    assert {*expected.split(), "recipes list", "recipes copy", "bench planted"} == set(COMMANDS)


def test_help_of_all_commands_loads_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-c", HELP_OF_ALL, "", *COMMANDS], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_commands_load_no_library_that_they_do_not_need():
    assert len(RECIPES) > 10
    loads_nothing_heavy(
        ["list-plugins", "--all"],
        ["show-order", "hilbert", "--grid", "14x14"],
        *(["describe", kind.kind.name, name, "--json"] for kind in KINDS for name in kind),
        *(["validate", str(recipe)] for recipe in RECIPES),
    )


def test_a_plugin_of_others_is_loaded_without_the_libraries_of_those_built_in(install):
    source = """
from reorder_kit import hookimpl
from reorder_kit.interfaces import Backbone, BackboneFacts, Ordering, OrderLearner, Task
from reorder_kit.layers.patch_embedding import PatchEmbedding
from reorder_kit.layers.readout import last_slot

class Backwards(Ordering):
    name = "backwards"

    def cells(self, height, width):
        return [(row, column) for row in range(height) for column in range(width)][::-1]

@hookimpl
def register_orderings():
    return [Backwards]
"""
    folder = install("light-dist", {"light": "light_module"}, {"light_module": source}).parent
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    printed = loads_nothing_heavy(
        ["list-plugins"], ["show-order", "backwards", "--grid", "2x2", "--json"], PYTHONPATH=path
    )
    assert "light-dist" in printed
    assert "[3, 2, 1, 0]" in " ".join(printed.split()).replace("[ ", "[").replace(" ]", "]")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_and_says_what_every_option_is_for(cli, command):
    shown = cli(*command.split(), "--help").stdout
    assert f"  Example:\n    reorder-kit {command}" in shown
    assert all(character.isprintable() or character == "\n" for character in shown)
    *_, options = shown.partition("Options:\n")
    assert not [line for line in options.splitlines() if line.strip().startswith("--") and len(line.split()) < 2]


def test_version_is_that_of_the_package(cli):
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert cli("--version").stdout == f"reorder-kit {project['version']}\n"


def test_no_command_shows_the_help(cli):
    assert "show-order" in cli().output


def test_an_unknown_option_is_a_usage_error(cli):
    done = cli("validate", "quickstart", "--sett", "a=1")
    assert done.exit_code == 2
    assert "--sett" in done.stderr


def test_as_a_module_with_a_mistake_there_is_a_message_and_no_traceback(tmp_path):
    command = [sys.executable, "-m", "reorder_kit", "recipes", "copy", "quickstrat"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == ("error: unknown shipped recipe 'quickstrat'\n  hint: did you mean 'quickstart'?\n")


def test_a_terminal_without_the_characters_of_a_picture_gets_others(monkeypatch):
    output = io.BytesIO()
    monkeypatch.setattr(sys, "argv", ["reorder-kit", "show-order", "row", "--grid", "2x2"])
    with io.TextIOWrapper(output, encoding="latin-1", write_through=True) as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 0
        assert "0 1    ??" in output.getvalue().decode("latin-1")


def test_a_bug_of_a_plugin_is_told_with_its_name(cli, install):
    source = """
from reorder_kit import hookimpl
from reorder_kit.interfaces import Ordering

class Buggy(Ordering):
    name = "buggy"

    def cells(self, height, width):
        return 1 / 0

@hookimpl
def register_orderings():
    return [Buggy]
"""
    install("buggy-dist", {"buggy": "buggy_module"}, {"buggy_module": source})
    answer = cli("show-order", "buggy", "--grid", "2x2")
    assert answer.exit_code == 2
    assert "buggy" in answer.stderr
    assert "ZeroDivisionError" in answer.stderr


def test_a_bug_of_our_own_keeps_its_traceback(cli, monkeypatch):
    monkeypatch.setattr(Hilbert, "cells", lambda self, height, width: 1 / 0)
    assert isinstance(cli("show-order", "hilbert", "--grid", "2x2").exception, ZeroDivisionError)


def test_processes_beside_the_main_one_leave_mistakes_in_a_recipe_to_it(cli, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    done = cli("validate", "trial.yaml", "--set", "train.epoch=1", "--json")
    assert (done.exit_code, done.output) == (2, "")


def test_any_process_tells_what_went_wrong_with_itself(cli, monkeypatch):
    monkeypatch.setenv("RANK", "3")
    assert cli("evaluate", "nowhere").stderr.startswith("error in process 3: nowhere is not a run folder\n")
