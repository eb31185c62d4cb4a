"""docs/install.md: the commands behind the two make targets, and the reach of the demo."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from pages import ROOT, Page, commands_of
from reorder_kit.experiment.compose import compose
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.recipe.library import read_recipe

PAGE = Page("docs/install.md")


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_plain_commands_behind_make_are_those_of_the_makefile(target):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    clean = {name: value for name, value in clean.items() if name not in ("PYTHON", "VENV")}
    made = subprocess.run(
        ["make", "--dry-run", "--always-make", target], cwd=ROOT, env=clean, capture_output=True, text=True, check=True
    )
    commands = commands_of(made.stdout)
    # Building torchsort depends on the path; the page describes it in words.
    behind = [words for words in commands if words[0] != "touch" and "torchsort" not in " ".join(words)]
    introduction = "`make demo` is" if target == "demo" else "`make test` is"
    (block,) = re.findall(rf"{introduction}.*?\n\n```console\n(.*?)^```$", PAGE.text, re.MULTILINE | re.DOTALL)
    # The second block does not create the environment again.
    assert commands_of(block) == (behind if target == "demo" else behind[1:])


def test_the_reach_is_the_one_told():
    assert "which two blocks of window 2 connect to only five slots" in " ".join(PAGE.text.split())
    host = PluginHost(third_party=False)
    experiment = compose(read_recipe("quickstart")[0], host, "quickstart")
    splits = experiment.open_data()
    assert int(experiment.build_backbone(splits.image).reach(16).sum()) == 5
