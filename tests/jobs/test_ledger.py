"""Finished work is kept, completely or not at all."""

from __future__ import annotations

import json

import pytest

from reorder_kit.errors import ReorderKitError
from reorder_kit.jobs import ledger
from reorder_kit.jobs.ledger import Ledger

SETTINGS = {"seed": 0, "order": {"learner": {"name": "softsort", "lr": 0.1}}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs.jsonl"


def test_what_was_added_is_there_for_the_next_one(path):
    Ledger(path).add("a run", SETTINGS, {"accuracy": 0.5})
    assert Ledger(path).outcome("a run", SETTINGS) == {"accuracy": 0.5}
    assert Ledger(path).outcome("another", SETTINGS) is None


def test_a_run_is_a_line(path):
    ledger = Ledger(path)
    for number in range(3):
        ledger.add(f"run {number}", SETTINGS, {"accuracy": number})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["run"], line["settings"]) for line in lines] == [(f"run {number}", SETTINGS) for number in range(3)]


def test_a_line_that_was_cut_short_is_no_run_and_nothing_is_glued_to_it(path):
    Ledger(path).add("first", SETTINGS, {"accuracy": 1})
    whole = path.read_text()
    path.write_text(whole + whole.replace("first", "second")[:-5])
    ledger = Ledger(path)
    assert ledger.outcome("second", SETTINGS) is None
    ledger.add("third", SETTINGS, {"accuracy": 3})
    assert [json.loads(line)["run"] for line in path.read_text().splitlines()] == ["first", "third"]


def test_other_settings_are_refused_and_named(path):
    Ledger(path).add("a run", SETTINGS, {})
    changed = {"seed": 0, "order": {"learner": {"name": "softsort", "lr": 0.2}}, "more": 1}
    with pytest.raises(ReorderKitError, match=r"a run was trained .* differ: more, order\.learner\.lr") as error:
        Ledger(path).outcome("a run", changed)
    assert error.value.hint == "give another file with --out"


def test_a_run_is_kept_with_the_version_that_trained_it(path, monkeypatch):
    monkeypatch.setattr(ledger, "__version__", "0.1.0")
    Ledger(path).add("old", SETTINGS, {})
    monkeypatch.setattr(ledger, "__version__", "0.2.0")
    book = Ledger(path)
    book.add("new", SETTINGS, {})
    # It is still a run with these settings; comparisons must know it.
    assert book.outcome("old", SETTINGS) == {}
    assert book.other_versions(["new"]) == set()
    assert book.other_versions(["old", "new"]) == {"0.1.0"}


@pytest.mark.parametrize(
    "text",
    [
        "no JSON\n",
        "[1]\n",
        '{"run": "x"}\n',
        '{"run": [1], "version": "1", "settings": {}, "outcome": {}}\n',
        '{"run": "x", "version": "1", "settings": [1], "outcome": {}, "checksum": "1"}\n',
        '{"run": "x", "version": "1", "settings": {}, "outcome": {}}\n',
        "notes of a single line",
    ],
)
def test_another_file_is_refused(path, text):
    path.write_text(text)
    with pytest.raises(ReorderKitError, match=r"runs\.jsonl: line 1 is not a valid record"):
        Ledger(path)
    assert path.read_text() == text


def test_a_figure_that_was_changed_is_refused_by_its_line(path):
    for number in (1, 2):
        Ledger(path).add(f"run {number}", SETTINGS, {"accuracy": number / 2})
    path.write_text(path.read_text().replace('"accuracy": 0.5', '"accuracy": 0.7'))
    with pytest.raises(ReorderKitError, match=r"runs\.jsonl: line 1: is damaged"):
        Ledger(path)


def test_a_folder_is_refused_in_words(tmp_path):
    with pytest.raises(ReorderKitError, match="cannot be written: it is a folder"):
        Ledger(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ReorderKitError, match="cannot be written"):
        Ledger(tmp_path / "file" / "runs.jsonl")


def test_its_folder_is_made_with_the_first_run(tmp_path):
    ledger = Ledger(tmp_path / "not" / "there")
    assert list(tmp_path.iterdir()) == []
    ledger.add("first", {}, {"score": 1})
    assert Ledger(tmp_path / "not" / "there").outcome("first", {}) == {"score": 1}
