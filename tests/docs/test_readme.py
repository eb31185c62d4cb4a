"""README.md is short, and its Python does what it says, twice."""

from __future__ import annotations

import re

import pytest

from pages import Page

README = Page("README.md")
MOST_LINES = 120


def test_it_is_short():
    assert len(README.text.splitlines()) < MOST_LINES


def test_there_is_one_table_of_figures_and_its_numbers_are_shares():
    (table,) = re.findall(r"<!-- table: front -->(.*?)<!-- end -->", README.text, re.DOTALL)
    assert "| informed start |" in table
    assert all(0 < float(number) < 1 for number in re.findall(r"\d\.\d+", table))
    assert re.findall(r"\d\.\d{3}", README.text.replace(table, "")) == []


@pytest.mark.slow
def test_the_six_lines_can_be_run_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (source,) = README.blocks("python")
    assert sum(bool(line.strip()) for line in source.splitlines()) <= 6
    for _ in range(2):
        printed = []
        variables = {"print": lambda value, printed=printed: printed.append(str(value))}
        exec(compile(source, "README.md", "exec"), variables)
        result, order = printed
        assert f"{variables['result'].score:.3f}" in result
        assert "fixed-start" in result
        assert "16" in order
    assert len(list((tmp_path / "runs").iterdir())) == 2
