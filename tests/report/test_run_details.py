"""The page of a run: its data, classes and predictions, and one color for each run."""

from __future__ import annotations

import base64
import io
import json
import re

import pytest
from PIL import Image

from reorder_kit.reports.write import page_of
from resealed import reseal


@pytest.fixture(scope="module")
def page(trained, host):
    return page_of(trained, host)


@pytest.fixture(scope="module")
def shown(page, parse):
    return parse(page.html())


def test_the_data_is_named_on_top(page, shown, trained):
    counts = json.loads((trained / "data.json").read_text())["images"]
    (line,) = page.data
    expected = (f"digits, images: {counts['train']:,} training", f"{counts['test']} test, 10 classes, 8x8 pixels")
    assert all(words in line for words in expected)
    (told,) = [each for each in shown.all("div") if each.attributes.get("class") == "data"]
    assert line in told.text


def test_what_was_dropped_is_said(run_folder, host):
    data = json.loads((run_folder / "data.json").read_text())
    data["findings"] = [{"what": "images in a format that is not read", "count": 3, "example": "a.heic"}]
    (run_folder / "data.json").write_text(json.dumps(data))
    reseal(run_folder)
    assert (
        "Dropped or changed: images in a format that is not read: 3, such as a.heic" in page_of(run_folder, host).data
    )


def test_every_class_has_its_figures_and_those_of_the_controls(shown, trained):
    result = json.loads((trained / "result.json").read_text())
    test, control = result["metrics"]["test"], result["controls"]["fixed-start"]["metrics"]["test"]
    rows = shown.table("classes")
    assert [row["class"] for row in rows] == list(test["per_class"])
    for row in rows:
        name = row["class"]
        assert float(row["score"]) == test["per_class"][name]
        assert float(row["score_fixed-start"]) == control["per_class"][name]
        assert int(row["images"]) == test["images_per_class"][name]
        precision = test["precision_per_class"][name]
        assert row["precision"] == ("" if precision is None else str(precision))


def test_predictions_are_on_the_page_itself(shown, trained):
    (picture,) = [each for each in shown.all("img") if "truth on the left" in each.attributes["alt"]]
    kind, encoded = picture.attributes["src"].split(",")
    assert kind in ("data:image/png;base64", "data:image/jpeg;base64")
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as embedded, Image.open(trained / "predictions.png") as own:
        assert embedded.width <= 1600
        assert embedded.width / embedded.height == pytest.approx(own.width / own.height, rel=0.01)


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.write_bytes(b"torn")])
def test_without_predictions_there_is_no_such_section(run_folder, host, parse, change):
    change(run_folder / "predictions.png")
    assert "predictions" not in parse(page_of(run_folder, host).html()).sections


def test_a_run_has_one_color_in_every_chart_and_table(page):
    html = page.html()
    for number, name in enumerate(("trial", "fixed-start", "learned-static"), start=1):
        marked = rf'<span class="mark" style="background: var\(--series-{number}\)"></span>{name}</th>'
        assert re.search(marked, html), name
    charts = {block.name: block for block in page.blocks() if block.kind == "chart"}
    own = "#0072b2"
    assert charts["influence"].figure.axes[0].get_lines()[0].get_color() == own
    assert charts["intervals"].figure.axes[0].get_lines()[0].get_color() == own
    for name in ("curves-loss", "curves-validation"):
        assert [line.get_color() for line in charts[name].figure.axes[0].get_lines()] == [own, "#d05a00", "#00805d"]
    assert charts["search-tau"].figure.axes[0].get_lines()[0].get_color() == own


def test_the_verdict_is_a_list_of_points(page, shown):
    points = [each.text for each in shown.all("li") if "section" in each.inside and each.text in page.verdict]
    assert points == list(page.verdict)
