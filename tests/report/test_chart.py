"""Charts on the page and as files."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest
from PIL import Image

from made_results import epoch_record
from reorder_kit.orders.grid import Grid
from reorder_kit.reports.chart import file_name
from reorder_kit.reports.heat_chart import heat_chart, shift_panels
from reorder_kit.reports.interval_chart import Dot, interval_chart
from reorder_kit.reports.line_chart import Band, Line, bands_of, line_chart
from reorder_kit.reports.looks import look_of, looks_of
from reorder_kit.reports.scatter_chart import Point, scatter_chart

NAN = float("nan")


def lines(name="curve", title="A title"):
    drawn = [Line("first", [1, 2, 3, 4], [0.5, 0.25, 1.0, 0.75]), Line("second", [2, 3, 4], [0.5, NAN, 0.25])]
    return line_chart(name, title, drawn, axis="epoch", alt="two lines", bands=[Band("search", 1, 2)])


def parsed(chart):
    return ElementTree.fromstring(str(chart.svg()))


def texts(chart):
    return ["".join(element.itertext()).strip() for element in parsed(chart).iter("text")]


def test_markup_has_the_colors_of_the_page_and_no_address():
    markup = str(lines().svg())
    assert "http" not in markup
    assert "metadata" not in markup
    assert "var(--ink)" in markup
    assert "var(--series-1)" in markup
    assert "var(--band-search)" in markup
    assert re.findall(r"#(?:1b1b24|0072b2)", markup) == []


def test_it_is_described_for_those_who_cannot_see_it():
    root = parsed(lines())
    assert (root.tag, root.get("role"), root.get("aria-label")) == ("svg", "img", "two lines")


def test_ids_of_two_charts_never_meet_and_every_reference_leads_somewhere():
    every = [parsed(lines(name)) for name in ("first", "second")]
    ids = [element.get("id") for root in every for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids)) > 0
    references = {
        match
        for root in every
        for element in root.iter()
        for name in ("href", "clip-path")
        for match in re.findall(r"#([^)]+)", element.get(name, ""))
    }
    assert references == set(ids)


def test_the_legend_names_every_line():
    assert {"first", "second", "search", "epoch"} <= set(texts(lines()))
    alone = line_chart("alone", "", [Line("only", [1, 2], [0, 1])], axis="slot", alt="")
    assert "only" not in texts(alone)


def test_the_pointer_reads_values_where_the_lines_are():
    chart = lines()
    hover = chart.hover
    assert hover.places == [1, 2, 3, 4]
    assert [line.values for line in hover.lines] == [[0.5, 0.25, 1.0, 0.75], [None, 0.5, None, 0.25]]
    drawn = [path.get("d") for path in parsed(chart).iter("path") if "var(--series-1)" in path.get("style", "")]
    points = re.findall(r"[ML] ([\d.]+) ([\d.]+)", next(path for path in drawn if path.count("L") == 3))
    assert [float(x) for x, _ in points] == pytest.approx(hover.positions, abs=0.02)
    heights = [float(y) for _, y in points]
    assert hover.top < min(heights) == heights[2] < max(heights) == heights[1] < hover.bottom


def test_the_title_stands_in_the_picture_and_not_in_the_markup(tmp_path):
    chart = lines(title="A title")
    before = chart.svg()
    chart.save_png(tmp_path / "chart.png")
    untitled = lines(title="")
    untitled.save_png(tmp_path / "untitled.png")
    with Image.open(tmp_path / "chart.png") as titled, Image.open(tmp_path / "untitled.png") as plain:
        assert titled.height > plain.height
    assert "A title" not in chart.svg()
    assert chart.svg() == before


def test_every_mark_tells_its_own_text(hostile):
    points = [Point("b", 1, 2, hostile), Point("a", 1, 2, "same place"), Point("b", 3, 4, "last")]
    chart = scatter_chart("points", "", points, x_axis="x", y_axis="y", alt="")
    tips = [element.get("data-tip") for element in parsed(chart).iter() if element.get("data-tip")]
    assert tips == ["same place", hostile, "last"]
    assert "<script" not in chart.svg()


def test_intervals_are_where_their_figures_are():
    dots = [
        Dot("low", 0.2, 0.1, 0.3, look_of(0), "low one"),
        Dot("high", 0.4, 0.4, 0.4, look_of(0), "high one", is_filled=False),
    ]
    chart = interval_chart("dots", "", dots, axis="metric", alt="", margin=0.05, zero=True)
    marks = {
        element.get("data-tip"): float(element.get("x"))
        for element in parsed(chart).iter("use")
        if "data-tip" in element.attrib
    }
    assert marks["low one"] < marks["high one"]
    spans = [path.get("d") for path in parsed(chart).iter("path") if "stroke-width: 2.2" in path.get("style", "")]
    start, end = (float(x) for x, _ in re.findall(r"[ML] ([\d.]+) ([\d.]+)", spans[0]))
    assert (start + end) / 2 == pytest.approx(marks["low one"], abs=0.01)
    assert marks["high one"] - marks["low one"] == pytest.approx(end - start, abs=0.01)  # both are 0.2
    assert {"low", "high", "0.200", "0.400"} <= set(texts(chart))


def test_a_map_shows_where_patches_moved():
    panels = shift_panels([[0, 1, 2, 3]], [[3, 1, 2, 0]])
    assert [panel.values for panel in panels] == [[0, 1, 2, 3], [3, 1, 2, 0], [3, 0, 0, -3]]
    chart = heat_chart("map", "", Grid(2, 2), panels, tips=list("abcd"), alt="")
    *numbers, _, _, _ = texts(chart)  # the headings come last
    assert numbers == ["0", "1", "2", "3", "3", "1", "2", "0", "+3", "0", "0", "\N{MINUS SIGN}3"]
    tips = [element.get("data-tip") for element in parsed(chart).iter() if element.get("data-tip")]
    assert tips == list("abcd") * 3
    assert panels[2].color(0) == panels[2].color(0.0001)


def test_a_map_over_runs_shows_means():
    panels = shift_panels([[0, 1], [1, 0]], [[1, 0], [1, 0]])
    assert [panel.values for panel in panels] == [[0.5, 0.5], [1, 0], [0.5, -0.5]]
    assert panels[0].text(0.5) == "0.5"


def test_a_patch_without_a_slot_has_no_figure():
    panels = shift_panels([[0, 1, 2, 3], [0, 1, 2, 3]], [[0, -1, 1, -1], [1, 0, -1, -1]])
    assert [panel.text(value) for panel in panels[1:] for value in panel.values] == [
        "0.5", "0.0", "1.0", "-", "+0.5", "\N{MINUS SIGN}1.0", "\N{MINUS SIGN}1.0", "-",
    ]  # fmt: skip
    assert panels[1].color(panels[1].values[3]) == panels[2].color(math.nan) == "#e4e5ea"
    chart = heat_chart("map", "", Grid(2, 2), panels, tips=list("abcd"), alt="")
    assert texts(chart).count("-") == 2
    nothing = shift_panels([[0, 1]], [[-1, -1]])
    assert (nothing[2].low, nothing[2].high) == (-1, 1)


def test_numbers_are_left_out_of_cells_that_are_too_small():
    ranks = list(range(900))
    chart = heat_chart("map", "", Grid(30, 30), shift_panels([ranks], [ranks]), tips=["x"] * 900, alt="")
    assert len(texts(chart)) == 3


def test_phases_are_bands_only_where_there_are_several():
    epochs = [epoch_record(1, phase="warm-up"), epoch_record(2), epoch_record(3)]
    assert bands_of(epochs) == [Band("warm-up", 1, 1), Band("search", 2, 3)]
    assert bands_of(epochs[1:]) == []


def test_lines_that_share_a_color_have_other_dashes():
    many = [Line(f"line {number}", [0, 1], [number, number]) for number in range(12)]
    root = parsed(line_chart("many", "", many, axis="epoch", alt=""))
    looks = {
        (
            re.search(r"stroke: ([^;]+)", style)[1],
            dashes[1] if (dashes := re.search(r"dasharray: ([^;]+)", style)) else "",
        )
        for style in (path.get("style", "") for path in root.iter("path"))
        if "stroke-width: 1.6" in style
    }
    assert len(looks) == 12


def test_a_file_name_holds_no_path():
    assert file_name("a/b", "..", "c d") == "a-b----c-d"


def test_a_look_belongs_to_a_name_and_no_two_are_alike():
    names = [f"run {number}" for number in range(16)]
    looks = looks_of([*names, "run 3"])
    assert list(looks) == names
    assert len({(look.color, look.dashes, look.marker) for look in looks.values()}) == 16
    assert len({look.color for look in list(looks.values())[:8]}) == 8


def test_a_line_keeps_the_look_of_its_run_whatever_stands_beside_it():
    looks = looks_of(["a", "b", "c"])
    chart = line_chart("c", "", [Line("c", [1, 2], [0, 1], looks["c"])], axis="epoch", alt="")
    (line,) = chart.figure.axes[0].get_lines()
    assert line.get_color() == looks["c"].color == "#00805d"
