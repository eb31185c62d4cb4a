"""README.md is short and has one table. The test of the installed wheel runs its Python code."""

from __future__ import annotations

import re

from pages import Page

README = Page("README.md")
MOST_LINES = 120


def test_it_is_short():
    assert len(README.text.splitlines()) < MOST_LINES


def test_there_is_one_table_of_figures_and_its_numbers_are_shares():
    (table,) = re.findall(r"<!-- table: front -->(.*?)<!-- end -->", README.text, re.DOTALL)
    assert "| informed start |" in table
    assert all(0 < float(number) < 1 for number in re.findall(r"\d\.\d+", table))
    assert re.findall(r"\b\d\.\d{3}\b(?!\d)", README.text.replace(table, "").replace("2505.23751", "")) == []


def test_its_python_has_six_lines_at_most():
    (source,) = README.blocks("python")
    assert sum(bool(line.strip()) for line in source.splitlines()) <= 6
