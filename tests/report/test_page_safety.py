"""The page is complete and safe: it fetches nothing, and text from the data is never markup or script."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from dataclasses import replace

import pytest

from reorder_kit.reports.page import Listing, Notice, Page, Section, Words
from reorder_kit.reports.playback import Player, Step, Track
from reorder_kit.reports.table import Cell, Column, Table
from reorder_kit.reports.write import page_of
from reorder_kit.studies.results import StudyResult


@pytest.fixture(scope="module")
def pages(trained, study_folder, host):
    return [page_of(folder, host).html() for folder in (trained, study_folder)]


def hostile_page(hostile):
    """A page with hostile text wherever text can be."""
    track = Track(hostile, (1, 2), [Step(0, [1, 0], hostile)], {}, [], hostile)
    table = Table("table", hostile, [Column(hostile, hostile)], [[Cell(hostile, tone="good")], [Cell(hostile)]])
    blocks = [table, Words(hostile), Listing(hostile, hostile, is_folded=True), Player([track], hostile)]
    return Page(
        hostile, "run", [hostile], [hostile], [Notice("warning", hostile)], [Section("s", hostile, hostile, blocks)]
    )


def test_no_address_is_in_it(pages, parse):
    for text in pages:
        assert "http:" not in text
        assert "https:" not in text
        for element in parse(text).elements:
            for name in ("src", "href", "action", "srcset", "poster"):
                value = element.attributes.get(name, "#")
                assert value.startswith(("#", "data:")), (element.tag, value)
        (style,) = parse(text).all("style")
        assert re.findall(r"url\(|@import", style.text) == []


def test_its_own_policy_allows_its_own_script_only(pages, parse):
    for text in pages:
        page = parse(text)
        (script,) = [each for each in page.all("script") if each.attributes.get("type") != "application/json"]
        digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
        (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
        rules = dict(rule.split(" ", 1) for rule in policy.attributes["content"].split("; "))
        assert rules == {
            "default-src": "'none'",
            "img-src": "data:",
            "style-src": "'unsafe-inline'",
            "script-src": f"'sha256-{digest}'",
        }


def test_the_script_never_parses_text_as_markup(pages, parse):
    scripts = [each.text for each in parse(pages[0]).all("script") if "type" not in each.attributes]
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", scripts[0]) == []


def test_hostile_text_stays_text(hostile, parse):
    page = parse(hostile_page(hostile).html())
    tags = {element.tag for element in page.elements}
    assert len(page.all("script")) == 2  # the player's data, and the page's own
    assert [name for element in page.elements for name in element.attributes if name.startswith("on")] == []
    assert page.all("h1")[0].text == hostile
    assert page.all("code")[0].text == hostile
    assert page.table("table") == [{hostile: hostile}] * 2
    assert "iframe" not in tags


def test_hostile_names_of_a_study_stay_text(study_folder, tmp_path, host, parse, hostile):
    results = StudyResult.read(study_folder / "study.json")
    rows = tuple(replace(row, backbone=hostile, start=hostile, runs=()) for row in results.rows[:3])
    answers = (replace(results.comparisons[0], backbone=hostile, sentence=hostile),)
    named = {"name": hostile, "headline": hostile, "verdict": (hostile,), "commands": (hostile,)}
    environment = results.environment.model_copy(update={"device": hostile})
    changes = {**named, "rows": rows, "comparisons": answers, "environment": environment}
    results.model_copy(update=changes).write(tmp_path / "study.json")
    page = page_of(tmp_path, host)
    shown = parse(page.html())
    assert len(shown.all("script")) == 1
    assert shown.table("rows")[0]["backbone"] == hostile
    assert [name for element in shown.elements for name in element.attributes if name.startswith("on")] == []
    written = page.write(tmp_path / "report")
    assert {path.parent for path in written} == {tmp_path / "report"}


def test_ids_are_given_once_and_links_lead_to_them(pages, parse):
    for text in pages:
        page = parse(text)
        ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
        assert len(ids) == len(set(ids))
        references = [
            each.attributes["href"] for each in page.elements if each.attributes.get("href", "").startswith("#")
        ]
        assert {reference[1:] for reference in references} <= set(ids)


def test_headings_tables_and_pictures_are_made_for_all_readers(pages, parse):
    for text in pages:
        page = parse(text)
        levels = [int(each.tag[1]) for each in page.elements if re.fullmatch(r"h\d", each.tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
        assert page.all("html")[0].attributes["lang"] == "en"
        assert len(page.all("caption")) == len(page.all("table"))
        assert all("scope" in each.attributes for each in page.all("th"))
        plots = list(page.all("svg"))
        assert all(each.attributes.get("role") == "img" and each.attributes.get("aria-label") for each in plots)


def test_a_page_is_light_enough_to_send(pages):
    assert [len(text) < 1_500_000 for text in pages] == [True, True]


def test_two_charts_or_tables_of_one_name_are_a_bug():
    table = Table("same", "", [Column("a", "a")], [])
    with pytest.raises(ValueError, match="have the same name"):
        Page("", "run", [], [], [], [Section("s", "", "", [table, table])])
