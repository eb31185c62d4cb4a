"""Shipped files are found by name, and the user's own by path."""

from __future__ import annotations

from pathlib import Path

import pytest

from reorder_kit.errors import ReorderKitError
from reorder_kit.recipe.shipped_files import ShippedFiles

RECIPES = ShippedFiles("recipe", "recipes")


def test_shipped_files_are_those_of_the_checkout():
    folder = Path(__file__).parents[2] / "recipes"
    assert RECIPES.folder == folder
    assert RECIPES.names() == sorted(
        path.relative_to(folder).as_posix().removesuffix(".yaml") for path in folder.rglob("*.yaml")
    )
    assert ShippedFiles("study", "studies").names() == [
        "best_fixed",
        "demo",
        "inductive_bias",
        "order_sensitivity",
        "positions",
        "quick",
        "reorder",
    ]


@pytest.mark.parametrize("file", ["quickstart", "quickstart.yaml", "recipes/quickstart.yaml"])
def test_a_shipped_file_is_found_anywhere(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quickstart").mkdir()  # a folder with its name does not hide it
    assert RECIPES.find(file) == RECIPES.folder / "quickstart.yaml"


def test_a_file_of_ones_own_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quickstart.yaml").touch()
    assert RECIPES.find("quickstart.yaml") == Path("quickstart.yaml")


def test_what_is_nowhere_is_refused_with_the_closest_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ReorderKitError, match="neither a file nor a shipped recipe") as error:
        RECIPES.find("quickstrat")
    assert "quickstart" in error.value.hint
