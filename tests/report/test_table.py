"""Tables: the page and the CSV match."""

from __future__ import annotations

import csv
import io

import pytest

from reorder_kit.reports.decimals import decimal, within
from reorder_kit.reports.table import Cell, Column, Table, number, p_value


def test_the_csv_holds_whole_values_and_quotes_what_needs_it():
    table = Table(
        "t", "", [Column("Name", "name"), Column("Score", "score", is_number=True)],
        [[Cell('a "b", c'), number(1 / 3)], [Cell("d"), number(None)]],
    )  # fmt: skip
    assert table.csv() == 'name,score\n"a ""b"", c",0.3333333333333333\nd,\n'
    assert list(csv.reader(io.StringIO(table.csv())))[1][0] == 'a "b", c'


def test_a_row_has_a_cell_for_each_column():
    with pytest.raises(ValueError, match="does not have 1 cells"):
        Table("t", "", [Column("Name", "name")], [[Cell("a"), Cell("b")]])


@pytest.mark.parametrize(
    ("value", "digits", "sign", "text"),
    [
        (0.12345, 3, False, "0.123"),
        (-0.12345, 3, True, "\N{MINUS SIGN}0.123"),
        (0.5, 1, True, "+0.5"),
        (-0.0001, 3, False, "0.000"),
        (16, 0, False, "16"),
    ],
)
def test_figures_are_rounded_with_a_proper_minus(value, digits, sign, text):
    assert decimal(value, digits, sign) == text
    assert number(value, digits, sign) == Cell(text, value)


def test_an_interval_stands_behind_its_figure():
    assert within(-0.5, -1, 0.25, 2) == "\N{MINUS SIGN}0.50 (\N{MINUS SIGN}1.00 to 0.25)"


def test_a_small_p_is_no_zero():
    assert p_value(0.00099).text == "< 0.001"
    assert p_value(0.001).text == "0.001"
    assert p_value(0.00099).value == 0.00099
