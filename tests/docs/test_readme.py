"""What README.md shows works as it stands, and what it says is true."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import torch
import typer
import yaml
from PIL import Image
from typer.testing import CliRunner

from reorder_kit.cli.main import app
from reorder_kit.experiment.validate import validate
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.slots_read import SlotsRead
from reorder_kit.recipe.library import read_recipe, recipe_names
from reorder_kit.recipe.overrides import override, parse_assignment
from reorder_kit.studies.checking import check_study
from reorder_kit.studies.library import study_names

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text()
PROSE = re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
COMMAND_LINE = typer.main.get_command(app)


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def commands_of(block):
    """Each command of a console block as its words, without what is said about it."""
    return [words for line in block.splitlines() if (words := shlex.split(line, comments=True))]


def shown_commands():
    """The arguments of every `reorder-kit` command in a console block or within a sentence."""
    in_sentences = [shlex.split(code) for code in re.findall(r"`([^`\n]+ [^`\n]+)`", TEXT)]
    for words in [*(words for block in blocks("console") for words in commands_of(block)), *in_sentences]:
        if words[0].endswith("reorder-kit"):
            yield words[1:]
        elif words[0] == "torchrun" and "reorder_kit" in words:
            yield ["quickstart" if word == "RECIPE" else word for word in words[words.index("reorder_kit") + 1 :]]
        elif words[0] in COMMAND_LINE.commands:
            yield words


SHOWN = [pytest.param(words, id=" ".join(words)) for words in shown_commands()]


def parse(words):
    """The command that some words call, and the values of its parameters; words it does not know are an error."""
    command, name, rest = COMMAND_LINE, "", list(words)
    while hasattr(command, "commands"):
        name = rest.pop(0)
        command = command.commands[name]
    return name, command.make_context(name, rest).params


# Python


@pytest.fixture(scope="module")
def ten_lines(tmp_path_factory):
    """The first block after it has run: its variables, what it printed, and where."""
    home = tmp_path_factory.mktemp("ten-lines")
    printed = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        variables = execute(blocks("python")[0], print=lambda *values: printed.append(" ".join(map(str, values))))
    return variables, printed, home / "runs" / "short"


def execute(source, **variables):
    exec(compile(source, "README.md", "exec"), variables)
    return variables


def test_there_are_two_blocks_of_python_and_the_first_has_ten_lines():
    first, _ = blocks("python")
    assert sum(bool(line.strip()) for line in first.splitlines()) <= 10


def test_the_ten_lines_print_what_they_promise(ten_lines):
    variables, (neighbours, accuracies, order), _ = ten_lines
    # From 0 to 195, the Hilbert curve of an even square never jumps.
    assert neighbours.startswith("100% of ")
    assert sorted(variables["hilbert"].indices.tolist()) == list(range(196))
    assert [0 <= float(accuracy) <= 1 for accuracy in accuracies.split()] == [True, True]
    assert sorted(json.loads(order)) == list(range(16))
    assert json.loads(order) == variables["result"].order.final


def test_the_reach_is_the_one_told(ten_lines):
    variables, *_ = ten_lines
    assert "two blocks of window 2 let it see five slots" in " ".join(TEXT.split())
    assert variables["result"].order.reach.slots_read == SlotsRead(5, 16)


def test_the_run_folder_holds_what_is_promised(ten_lines):
    *_, folder = ten_lines
    promised = "recipe.yaml plugins.json environment.json metrics.jsonl order.json order.png curves.png result.json"
    for name in promised.split():
        assert (folder / name).stat().st_size > 0
    assert yaml.safe_load((folder / "recipe.yaml").read_text())["train"]["epochs"] == 2
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 2
    assert {"start.json", "epoch-0001.json", "epoch-0002.json"} <= {path.name for path in (folder / "orders").iterdir()}
    assert list((folder / "checkpoints").rglob("*.safetensors"))
    assert any((folder / "tensorboard").iterdir())
    assert (folder / "controls" / "fixed-start" / "result.json").exists()


@torch.no_grad()
def test_the_two_lines_put_an_order_into_a_timm_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = execute(blocks("python")[1])["model"]
    before, after = [], []
    model.norm_pre.register_forward_pre_hook(lambda module, inputs: before.append(inputs[0]))
    model.blocks[0].register_forward_pre_hook(lambda module, inputs: after.append(inputs[0]))
    model(torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1)))
    assert before[0].shape == after[0].shape == (2, 197, 192)
    torch.testing.assert_close(after[0][:, 0], before[0][:, 0])
    # The block writes the order that reads the patches from last to first.
    for slot in range(196):
        torch.testing.assert_close(after[0][:, 1 + slot], before[0][:, 1 + 195 - slot])


# Commands


@pytest.fixture(scope="module")
def host():
    return PluginHost(third_party=False)


@pytest.mark.parametrize("words", SHOWN)
def test_a_command_is_one_that_the_command_line_knows(words, host, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my_recipe.yaml").write_bytes((ROOT / "recipes" / "quickstart.yaml").read_bytes())
    name, given = parse(words)
    if "recipe" in given:
        content, source = read_recipe(given["recipe"])
        validate(override(content, map(parse_assignment, given["sets"] or ())), host, source)
    for recipe in given["recipes"] if name == "transfer" else ():
        validate(read_recipe(recipe)[0], host, recipe)
    if name == "copy":
        assert set(given["names"] or ()) <= set(recipe_names())
    if "run" in given:
        assert given["run"].removeprefix("runs/") in recipe_names()
    for ordering in [given.get("ordering"), *(given.get("orders") or ())]:
        assert ordering is None or ordering in host.orderings
    if name == "show-order":
        Grid.parse(given["grid"])
    if name == "describe":
        assert given["name"] in host.find_registry(given["kind"])


def test_every_command_is_shown():
    known = {(name, *inner) for name, command in COMMAND_LINE.commands.items() for inner in inner_commands(command)}
    assert known <= {tuple(shown.values[0][: len(command)]) for command in known for shown in SHOWN}


def inner_commands(command):
    return [(name,) for name in command.commands] if hasattr(command, "commands") else [()]


def test_every_option_named_in_a_sentence_exists():
    every = [command for name in COMMAND_LINE.commands for command in below(COMMAND_LINE.commands[name])]
    options = {option for command in every for parameter in command.params for option in parameter.opts}
    named = set(re.findall(r"`(--[\w-]+)`", PROSE))
    assert named
    assert named <= options


def below(command):
    return list(command.commands.values()) if hasattr(command, "commands") else [command]


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_plain_commands_behind_make_are_those_of_the_makefile(target):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    clean = {name: value for name, value in clean.items() if name not in ("PYTHON", "VENV")}
    made = subprocess.run(
        ["make", "--dry-run", "--always-make", target], cwd=ROOT, env=clean, capture_output=True, text=True, check=True
    )
    commands = commands_of(made.stdout.replace(" --quiet", "").replace("\\\n", ""))
    # Building torchsort depends on what is on the path; README says it in words.
    behind = [words for words in commands if words[0] != "touch" and "torchsort" not in " ".join(words)]

    introduction = "`make demo` is" if target == "demo" else "`make test` is"
    (block,) = re.findall(rf"{introduction}.*?\n\n```console\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    # The second block does not make the environment again.
    assert commands_of(block) == (behind if target == "demo" else behind[1:])


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Where a reader types: there is a run, a recipe of their own, and photos."""
    home = tmp_path_factory.mktemp("home")
    (home / "my_recipe.yaml").write_bytes((ROOT / "recipes" / "quickstart.yaml").read_bytes())
    generator = torch.Generator().manual_seed(0)
    for kind in ("bright", "dark"):
        (home / "PHOTOS" / kind).mkdir(parents=True)
        for number in range(20):
            pixels = torch.rand(32, 32, 3, generator=generator) * 100 + 100 * (kind == "bright")
            Image.fromarray(pixels.byte().numpy()).save(home / "PHOTOS" / kind / f"{number}.jpg")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        done = CliRunner().invoke(app, ["run", "quickstart", "--set", "train.epochs=1", "--set", "controls=[]"])
        small = ["seeds=1", "recipe.train.epochs=1", "starts=[row]", "learners={}", "controls=[]"]
        demo = CliRunner().invoke(app, ["study", "demo", *(word for each in small for word in ("--set", each))])
    assert done.exit_code == 0, done.output
    assert demo.exit_code == 0, demo.output
    return home


@pytest.mark.slow
@pytest.mark.parametrize("words", SHOWN)
def test_a_command_works(words, home, monkeypatch):
    monkeypatch.chdir(home)
    if words[0] == "bench":  # it takes hours: cases and learners are looked up before a wrong --set is refused
        done = CliRunner().invoke(app, [*words, "--set", "wrong"])
        assert done.exit_code == 2
        assert "--set wrong: not an assignment" in done.output
        return
    short = ["--set", "train.epochs=1"] if words[0] in ("run", "transfer") else []
    short += {"transfer": ["--seeds", "1"], "study": ["--dry-run", "--out", "new"], "race": ["--dry-run"]}.get(
        words[0], []
    )
    done = CliRunner().invoke(app, [*words, *short])
    assert done.exit_code == 0, done.output
    assert done.stdout


# Everything else


def test_studies_exist_and_the_one_that_is_shown_is_right(tmp_path):
    assert set(re.findall(r"`studies/(\w+)\.yaml`", PROSE)) == set(study_names())
    (shown,) = (yaml.safe_load(block) for block in blocks("yaml"))
    shown["backbones"]["mine"]["name"] = "recurrent"  # in the place of the reader's own
    study = check_study(shown, PluginHost(third_party=False), "README.md", tmp_path).study
    assert (study.name, len(study.seeds), list(study.data)) == ("mine", 8, ["digits"])


def test_recipes_named_in_sentences_exist():
    named = re.findall(r"`recipes/([\w/]+)\.yaml`", PROSE)
    assert named
    assert set(named) <= set(recipe_names())


def test_extras_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = set(re.findall(r"reorder-kit\[(\w+)\]", TEXT))
    assert named
    assert named <= set(project["optional-dependencies"])


def test_nothing_is_left_to_be_filled_in():
    assert re.findall(r"EXPECT_\w*|QS_\w*|TODO|\bTBD\b|\.\.\.", TEXT) == []
