"""Every shipped recipe composes, and its header is true."""

from __future__ import annotations

import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

from reorder_kit.cli.main import app
from reorder_kit.experiment.doubts import doubts
from reorder_kit.experiment.validate import validate
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import ImageShape
from reorder_kit.orders.grid import Grid
from reorder_kit.recipe.library import read_recipe, recipe_names
from reorder_kit.recipe.overrides import override, parse_assignment

ROOT = Path(__file__).parents[2]
RECIPES = [pytest.param(path, id=path.relative_to(ROOT).as_posix()) for path in sorted(ROOT.glob("recipes/**/*.yaml"))]
PAPER = [recipe for recipe in RECIPES if "/paper/" in recipe.id]


@pytest.fixture(scope="module")
def host():
    return PluginHost(third_party=False)


def header(path):
    """The comment at the top, without its marks."""
    top = takewhile(lambda line: line.startswith("#"), path.read_text().splitlines())
    return [line.removeprefix("#").removeprefix(" ") for line in top]


def commands(path):
    """The arguments of the `reorder-kit` commands in a header, that of the first line first."""
    continued = re.sub(r" *\\\n *", " ", "\n".join(header(path)))
    for line in continued.splitlines():
        command, *_ = line.strip().split("  ")
        if found := re.match(r"(?:torchrun [\w -]+ -m reorder_kit|reorder-kit) (run .*)", command):
            yield shlex.split(found[1])


COMMANDS = [pytest.param(words, id=" ".join(words)) for recipe in RECIPES for words in commands(recipe.values[0])]


def test_the_library_lists_every_recipe():
    assert RECIPES
    assert [f"recipes/{name}.yaml" for name in recipe_names()] == [recipe.id for recipe in RECIPES]


@pytest.mark.parametrize("path", RECIPES)
def test_a_recipe_composes_and_raises_no_doubts(path, host):
    experiment = validate(yaml.safe_load(path.read_text()), host, path.name)
    # Shipped recipes say in their headers that a ViT with a learner is a control, and that weights are tuned.
    said = ("use it only as a control", "needs fine-tuning")
    assert [doubt for doubt in doubts(experiment) if not any(words in doubt for words in said)] == []


@pytest.mark.parametrize("path", RECIPES)
def test_the_name_of_a_recipe_is_its_path(path):
    name = path.relative_to(ROOT / "recipes").with_suffix("").as_posix()
    content, _ = read_recipe(name)
    assert content["name"] == name.replace("/", "-")


@pytest.mark.parametrize("path", RECIPES)
def test_the_first_line_of_a_header_runs_the_recipe_itself(path):
    assert re.match("reorder-kit run |torchrun ", header(path)[0])
    _, recipe, *_ = next(commands(path))
    assert recipe == path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_in_a_header_is_valid(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in re.findall(r"backbone\.weights=(\S+)", " ".join(words)):
        Path(name).touch()  # `validate` only checks that it exists
    done = CliRunner().invoke(app, ["validate", *words[1:]])
    assert done.exit_code == 0, done.output


SCENES = [recipe for recipe in RECIPES if re.search("multilabel|detection|segmentation", recipe.id)]


@pytest.mark.parametrize("path", SCENES)
def test_a_recipe_on_generated_scenes_says_how_it_is_run_on_real_images(path):
    sources = [re.search(r"data=\{name: ([\w-]+)", " ".join(words)) for words in commands(path)]
    assert {found[1] for found in sources if found} & {
        "voc",
        "coco-detection",
        "multi-label-csv",
        "segmentation-folder",
    }


@pytest.mark.parametrize("path", RECIPES)
def test_a_header_states_hardware_time_and_what_to_expect(path):
    said = " ".join(header(path))
    assert re.search(r"\b(CPU|A100|H100)\b", said)
    assert re.search(r"\b(second|minute|hour)s?\b", said)
    assert re.search(r"\b[Ee]xpect\b.*\d", said)


@pytest.mark.parametrize("path", RECIPES)
def test_nothing_in_a_header_is_left_to_be_filled_in(path):
    assert re.findall(r"HEADER|EXPECT_\w*|QS_\w*|TODO|\bTBD\b|\.\.\.", "\n".join(header(path))) == []


def backbone_of(words, host, image):
    """The backbone that a command trains, on the meta device, so that even a large one is built quickly."""
    _, recipe, *options = words
    assignments = [value for option, value in zip(options[::2], options[1::2], strict=True) if option == "--set"]
    content, source = read_recipe(recipe)
    experiment = validate(override(content, map(parse_assignment, assignments)), host, source)
    with torch.device("meta"):
        return experiment.build_backbone(image)


def test_the_imagenet_command_of_the_vit_trains_the_size_it_names(host):
    (words,) = [words for words in commands(ROOT / "recipes" / "vit_reinforce.yaml") if "IMAGENET" in " ".join(words)]
    assert "base" in " ".join(words)
    backbone = backbone_of(words, host, ImageShape(3, 224, 224))
    assert (backbone.depth, backbone.dim, backbone.grid) == (12, 768, Grid(14, 14))


# Parameters without the head. As published, with a head for 1,000 classes (769,000): ViT 86,570,728, Longformer
# 107,683,048, Transformer-XL 93,764,584, ARM 85,036,264.
PUBLISHED = {"vit": 85_801_728, "longformer": 106_914_048, "transformer_xl": 92_995_584, "arm": 84_267_264}
# Explained in the docstrings of the backbones.
MISSING = {"vit": 4 * 768, "longformer": 7 * 768, "transformer_xl": 155_136, "arm": 6 * 768}


@pytest.mark.parametrize("path", PAPER)
def test_a_recipe_of_the_paper_trains_the_published_size(path, host):
    backbone = backbone_of(next(commands(path)), host, ImageShape(3, 224, 224))
    assert (backbone.depth, backbone.dim, backbone.grid) == (12, 768, Grid(14, 14))
    parameters = sum(parameter.numel() for parameter in backbone.parameters())
    assert parameters == PUBLISHED[path.stem] - MISSING[path.stem]
