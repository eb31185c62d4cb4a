"""`reorder-kit recipes`: listing and copying shipped files."""

from __future__ import annotations

from pathlib import Path

import pytest

from reorder_kit.recipe.shipped_files import ShippedFiles

SHIPPED = Path(__file__).parents[2] / "recipes"


@pytest.fixture
def names():
    return sorted(path.relative_to(SHIPPED).with_suffix("").as_posix() for path in SHIPPED.rglob("*.yaml"))


def test_list_names_every_recipe(cli, names):
    lines = cli("recipes", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == names


def test_list_says_in_a_sentence_what_a_recipe_is_about(cli, tmp_path, monkeypatch):
    header = (
        "# reorder-kit run recipes/own.yaml    slow\n#\n# It learns\n# a lot. In 3 minutes.\nformat_version: 1 # no\n"
    )
    (tmp_path / "own.yaml").write_text(header)
    (tmp_path / "bare.yaml").write_text("format_version: 1\n")
    (tmp_path / "trial.yaml").unlink()
    monkeypatch.setattr(ShippedFiles, "folder", tmp_path)
    assert cli("recipes", "list").stdout == "bare\nown   slow It learns a lot.\n"


def test_copy_copies_all_of_them(cli, names, tmp_path):
    assert cli("recipes", "copy").exit_code == 0
    copied = {path.relative_to(tmp_path / "recipes").as_posix(): path for path in (tmp_path / "recipes").rglob("*.*")}
    assert sorted(copied) == [f"{name}.yaml" for name in names]
    assert all(path.read_bytes() == (SHIPPED / name).read_bytes() for name, path in copied.items())


def test_a_copy_can_be_changed_and_validated(cli, tmp_path):
    done = cli("recipes", "copy", "quickstart", "--to", "mine")
    assert done.stdout == "wrote mine/quickstart.yaml\n"
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["quickstart.yaml"]
    assert cli("validate", "mine/quickstart.yaml").exit_code == 0


def test_what_was_changed_is_not_overwritten(cli, tmp_path):
    cli("recipes", "copy", "quickstart")
    (tmp_path / "recipes" / "quickstart.yaml").write_text("mine")
    done = cli("recipes", "copy")
    assert done.exit_code == 2
    assert "recipes/quickstart.yaml already exists and differs" in done.stderr
    assert (tmp_path / "recipes" / "quickstart.yaml").read_text() == "mine"


def test_copying_again_is_no_mistake(cli):
    assert cli("recipes", "copy", "quickstart").exit_code == 0
    assert cli("recipes", "copy", "quickstart").exit_code == 0


def test_an_unknown_recipe_gets_a_suggestion_and_nothing_is_copied(cli, tmp_path):
    done = cli("recipes", "copy", "quickstart", "quikstart")
    assert done.exit_code == 2
    assert "did you mean 'quickstart'?" in done.stderr
    assert not (tmp_path / "recipes").exists()
