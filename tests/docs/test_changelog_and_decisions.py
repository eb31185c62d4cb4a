"""CHANGELOG.md and docs/decisions.md match the package, and links in documents work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

import reorder_kit
from reorder_kit.cli.main import app
from reorder_kit.data_sources.digits import Digits
from reorder_kit.host.plugin_host import PluginHost

ROOT = Path(__file__).parents[2]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
DECISIONS = (ROOT / "docs" / "decisions.md").read_text()
PLACES = ("*.md", "docs/**/*.md", "benchmarks/*.md", "plugins/*/*.md")
DOCUMENTS = [document for place in PLACES for document in ROOT.glob(place)]
LINKS = [
    pytest.param(document.parent / target, id=f"{document.relative_to(ROOT).as_posix()} to {target}")
    for document in sorted(DOCUMENTS)
    for target in sorted(set(re.findall(r"\]\((?![a-z]+:)([^)#]+)", document.read_text())))
]


@pytest.mark.parametrize("target", LINKS)
def test_a_file_that_is_linked_exists(target):
    assert target.exists()


def test_the_changelog_is_kept_as_it_says():
    versions = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)
    assert all(re.fullmatch(r"\[Unreleased\]|\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", version) for version in versions)
    kinds = set(re.findall(r"^### (.+)$", CHANGELOG, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert versions[0].startswith(("[Unreleased]", f"[{reorder_kit.__version__}]"))


def test_every_command_and_component_is_in_the_changelog():
    host = PluginHost(third_party=False)
    names = {name for registry in host.registries.values() for name in registry}
    commands = set(typer.main.get_command(app).commands)
    assert {name for name in names | commands if not re.search(rf"(?<![\w-]){name}(?![\w-])", CHANGELOG)} == set()


def test_files_that_decisions_name_exist():
    named = re.findall(r"`(?:reorder_kit/)?([\w/]+\.py)`", DECISIONS)
    assert named
    assert [name for name in named if not (ROOT / "reorder_kit" / name).exists()] == []


@pytest.mark.parametrize("seed", [0, 7])
def test_the_split_of_the_digits_is_the_one_decided(seed):
    (told,) = re.findall(r"\(([\d,]+) train, ([\d,]+) validation, ([\d,]+) test, seed 0\)", DECISIONS)
    splits = Digits().open(seed)
    counts = [len(splits.train), len(splits.validation), len(splits.test)]
    assert counts == [int(count.replace(",", "")) for count in told]
