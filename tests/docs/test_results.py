"""The tables of benchmarks/RESULTS.md, README.md and docs/results are those that the raw results give."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from benchmark_scripts import FOLDER, script

ROOT = Path(__file__).parents[2]
QUESTIONS = sorted((ROOT / "docs" / "results").glob("*.md"))
NUMBER = re.compile(r"(?<![\d.])\d+\.\d+(?![\d.]*\d)")
ELSEWHERE = re.compile(r"<!-- table: .*?<!-- end -->|\]\([^)]*\)", re.DOTALL)

MAKER = "def report(records):\n    return ['| a |', '| --- |', *(f\"| {record['a']} |\" for record in records), '']\n"


@pytest.fixture(scope="module")
def checker():
    with script("check_results") as module:
        yield module


@pytest.fixture
def raw(tmp_path, checker, monkeypatch):
    """Raw results of three numbers, one of which belongs to another table."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "made_up.py").write_text(MAKER)
    monkeypatch.delitem(sys.modules, "made_up", raising=False)
    records = [{"a": 1, "case": "x"}, {"a": 2, "case": "x"}, {"a": 3, "case": "y"}]
    (tmp_path / "made-up.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return tmp_path


def tables(checker):
    return {
        "first": checker.Table("made_up", "made-up.jsonl", {"case": "x"}),
        "second": checker.Table("made_up", "made-up.jsonl", {"case": "y"}),
    }


RIGHT = """# Results

<!-- table: first -->

| a |
| --- |
| 1 |
| 2 |

<!-- end -->

words

<!-- table: second -->
| a |
| --- |
| 3 |
<!-- end -->
"""


def test_tables_of_the_repository_are_what_the_raw_results_give(checker):
    marked = {page for page in QUESTIONS if "<!-- table:" in page.read_text(encoding="utf-8")}
    assert marked | {ROOT / "README.md", FOLDER / "RESULTS.md"} <= set(checker.DOCUMENTS)
    for file, tables in checker.DOCUMENTS.items():
        assert checker.problems(file.read_text(encoding="utf-8"), FOLDER / "raw", tables) == []


@pytest.mark.parametrize("page", QUESTIONS, ids=lambda page: page.stem)
def test_a_page_shows_no_figure_that_is_not_in_the_results(page):
    shown = NUMBER.findall(ELSEWHERE.sub("", page.read_text(encoding="utf-8")))
    assert set(shown) - set(NUMBER.findall((FOLDER / "RESULTS.md").read_text(encoding="utf-8"))) == set()


@pytest.mark.parametrize("page", QUESTIONS, ids=lambda page: page.stem)
def test_a_page_opens_with_its_answer_and_says_how_it_was_measured(page):
    title, answer, *_ = page.read_text(encoding="utf-8").split("\n\n")
    if page.stem == "index":
        return
    assert re.fullmatch(r"# .+\?", title)
    assert len(re.findall(r"[.](?= |$)", answer.replace("\n", " "))) == 2
    assert "## How it was measured" in page.read_text(encoding="utf-8")


def test_a_right_table_has_no_problem_and_is_written_as_it_is(checker, raw):
    assert checker.problems(RIGHT, raw, tables(checker)) == []
    again = checker.written(RIGHT, raw, tables(checker))
    assert checker.problems(again, raw, tables(checker)) == []
    assert again.startswith("# Results\n\n<!-- table: first -->\n\n| a |")
    assert "\nwords\n" in again


@pytest.mark.parametrize(
    ("found", "instead", "problem"),
    [
        ("| 2 |", "| 2.0 |", "first: differs from what made-up.jsonl gives"),
        ("| 3 |\n", "", "second: differs from what made-up.jsonl gives"),
        ("table: second", "table: third", "third: nothing says which script makes it"),
        ("table: second", "table: third", "second: there is no such table for made-up.jsonl"),
        ("| 3 |\n<!-- end -->", "| 3 |", "second: has no end"),
        ("table: second", "table: first", "first: stands there twice"),
    ],
)
def test_what_differs_is_named(checker, raw, found, instead, problem):
    assert problem in checker.problems(RIGHT.replace(found, instead), raw, tables(checker))


def test_a_table_without_raw_results_is_named(checker, raw):
    (raw / "made-up.jsonl").unlink()
    missing = checker.problems(RIGHT, raw, tables(checker))
    assert missing == [f"{name}: its raw results, made-up.jsonl, are missing" for name in ("first", "second")]


def test_the_command_fails_with_what_differs_and_writes_on_demand(checker, raw, monkeypatch, capsys):
    document = raw / "RESULTS.md"
    monkeypatch.setattr(checker, "DOCUMENTS", {document: tables(checker)})
    document.write_text(RIGHT.replace("| 2 |", "| 5 |"))
    monkeypatch.setattr(sys, "argv", ["check_results.py", "--raw", str(raw)])
    assert checker.main() == 1
    assert capsys.readouterr().err == "RESULTS.md: first: differs from what made-up.jsonl gives\n"
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--write"])
    assert checker.main() == 0
    assert "| 5 |" not in document.read_text()
