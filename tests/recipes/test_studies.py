"""Every shipped study: its recipes compose, and its header is true."""

from __future__ import annotations

import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest
import typer

from reorder_kit.cli.main import app
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.recipe.overrides import override, parse_assignment
from reorder_kit.studies.checking import check_study
from reorder_kit.studies.library import find_study, study_names
from reorder_kit.studies.plan import plan_of

ROOT = Path(__file__).parents[2]
STUDIES = sorted(ROOT.glob("studies/*.yaml"))
HOST = PluginHost(third_party=False)


def header(path):
    """The comment at the top, without its marks."""
    top = takewhile(lambda line: line.startswith("#"), path.read_text().splitlines())
    return [line.removeprefix("#").removeprefix(" ") for line in top]


def commands(path):
    """The arguments of the `reorder-kit` commands in a header, that of the first line first."""
    for line in re.sub(r" *\\\n *", " ", "\n".join(header(path))).splitlines():
        if found := re.match(r"reorder-kit (study .*)", line.strip()):
            yield shlex.split(found[1])


COMMANDS = [pytest.param(words, id=" ".join(words)) for path in STUDIES for words in commands(path)]


@pytest.fixture(params=STUDIES, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture(scope="module")
def plan():
    """The plan of a study."""
    checked = {}

    def plan(path):
        if path not in checked:
            content, place = find_study(str(path))
            checked[path] = plan_of(check_study(content, HOST, path.name, place).study, HOST)
        return checked[path]

    return plan


def test_the_library_lists_every_study():
    assert STUDIES
    assert study_names() == [path.stem for path in STUDIES]


def test_a_study_has_the_name_of_its_file_and_seeds_enough(path, plan):
    content, _ = find_study(path.stem)
    assert content["name"] == path.stem
    warnings = [line for line in plan(path).warnings if "but its fixed start does not" not in line]
    assert warnings == []


def test_the_first_line_of_a_header_runs_the_study_itself(path):
    words = next(commands(path))
    assert header(path)[0] == f"reorder-kit {shlex.join(words)}"
    assert words[1] == path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_in_a_header_is_valid(words):
    given = typer.main.get_command(app).commands["study"].make_context("study", words[1:]).params
    content, place = find_study(given["study"])
    check_study(override(content, map(parse_assignment, given["sets"] or ())), HOST, "study", place)


def test_a_header_states_hardware_time_and_what_to_expect(path, plan):
    said = " ".join(header(path))
    assert re.search(r"\b(CPU|A100|H100)\b", said)
    assert re.search(r"\b(minute|hour|day)s?\b", said)
    assert re.search(r"\b[Ee]xpect\b", said)
    assert re.findall(r"HEADER|EXPECT_\w*|QS_\w*|TODO|\bTBD\b|\.\.\.", said) == []
    rows, seeds = map(int, re.search(r"(\d+) rows .*?of (\d+) seeds", said).groups())
    assert (rows, seeds) == (len(plan(path).rows), plan(path).seeds)
