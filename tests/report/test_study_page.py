"""The report of a study: figures match study.json, and missing parts are omitted."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace

import pytest

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.reports.write import page_of
from reorder_kit.statistics.estimate import Estimate
from reorder_kit.studies.results import StudyResult


@pytest.fixture(scope="module")
def stored(study_folder):
    """The content of study.json, read without the package."""
    return json.loads((study_folder / "study.json").read_text())


@pytest.fixture(scope="module")
def written(study_folder, host, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    page_of(study_folder, host).write(folder)
    return folder


@pytest.fixture(scope="module")
def shown(written, parse):
    return parse((written / "report.html").read_text())


def words(element):
    return " ".join(element.text.split())


def figure(text):
    return None if text == "" else float(text)


def test_the_verdict_stands_on_top(shown, stored):
    (verdict,) = [each for each in shown.all("section") if each.attributes.get("class") == "verdict"]
    assert words(verdict) == f"Verdict {' '.join(stored['verdict'])}"
    assert shown.elements.index(verdict) < shown.elements.index(shown.all("section", id="order-matters")[0])


def test_every_row_has_the_figures_of_the_study(shown, stored):
    rows = shown.table("rows")
    assert len(rows) == len(stored["rows"]) == 12
    for row, kept in zip(rows, stored["rows"], strict=True):
        for name in ("data", "backbone", "start"):
            assert row[name] == kept[name]
        for name in ("learner", "control"):
            assert row[name] == (kept[name] or "")
        assert float(row["test_top1"]) == kept["score"]["mean"]
        assert (float(row["low"]), float(row["high"])) == (kept["score"]["low"], kept["score"]["high"])
        assert int(row["seeds"]) == len(kept["seeds"])
        assert (int(row["reached_slots"]), int(row["num_slots"])) == (kept["reached_slots"], kept["num_slots"])
        assert row["case"] == ("selection" if kept["is_selection"] else "ordering")


def test_every_test_has_the_figures_of_the_study(shown, stored):
    rows = shown.table("comparisons")
    for row, kept in zip(rows, stored["comparisons"], strict=True):
        for name in ("question", "data", "backbone", "verdict"):
            assert row[name] == kept[name]
        difference = kept["difference"]
        assert [float(row[key]) for key in ("difference", "low", "high")] == [
            difference[key] for key in ("mean", "low", "high")
        ]
        assert figure(row["effect_size"]) == kept["effect_size"]
        assert [float(row[key]) for key in ("p", "p_holm", "margin")] == [kept["p"], kept["p_holm"], kept["margin"]]
    assert rows[1]["compared"] == "softsort from random against random"
    assert rows[0]["compared"] == "best against worst of 3 orders"


def test_rounded_figures_on_the_page_are_those_of_the_study(shown, stored):
    texts = [words(cell) for cell in shown.all("td")]
    for kept in stored["rows"]:
        assert f"{kept['score']['mean']:.3f}" in texts


@pytest.mark.parametrize("name", ["rows", "comparisons", "failures"])
def test_a_csv_has_what_its_table_has(written, shown, name):
    with (written / f"{name}.csv").open() as file:
        assert list(csv.DictReader(file)) == shown.table(name)


def test_every_question_is_answered_in_its_section(shown, stored):
    for question in ("order-matters", "learning-helps", "order-holds-up", "control"):
        (section,) = shown.all("section", id=question)
        own = [each for each in stored["comparisons"] if each["question"] == question]
        for comparison in own:
            assert comparison["sentence"] in words(section)
        assert "Selection rather than ordering: local." in words(section)


def marks(shown, question):
    (section,) = shown.all("section", id=question)
    start = shown.elements.index(section)
    later = [each for each in shown.elements[start + 1 :] if "section" in each.inside or each.tag == "section"]
    inside = later[: next((place for place, each in enumerate(later) if each.tag == "section"), None)]
    badges = [each for each in inside if each.attributes.get("class", "").startswith("badge")]
    return [(each.text, each.attributes["class"].removeprefix("badge ")) for each in badges]


def test_answers_are_marked_by_what_they_mean(shown):
    assert marks(shown, "order-matters") == [("different", "good"), ("equivalent", "neutral")]
    assert marks(shown, "learning-helps") == [("better", "good"), ("not distinguishable", "open")]
    assert marks(shown, "control") == [("worse", "neutral"), ("not distinguishable", "open")]


def changed(results, **fields):
    return results.model_copy(update=fields)


def test_what_should_not_be_is_a_warning(study_folder, tmp_path, host, parse):
    results = StudyResult.read(study_folder / "study.json")
    turned = [
        replace(each, difference=replace(each.difference, mean=-each.difference.mean))
        for each in results.comparisons
        if each.backbone == "local"
    ]
    rows = tuple(replace(row, runs=()) for row in results.rows)
    changed(results, comparisons=tuple(turned), rows=rows).write(tmp_path / "study.json")
    shown = parse(page_of(tmp_path, host).html())
    assert marks(shown, "learning-helps") == [("worse", "warning")]
    assert marks(shown, "control") == [("better", "warning")]


def test_what_selects_is_told_from_what_orders(shown):
    (local,) = shown.all("figure", id="scores-digits-local")
    (vit,) = shown.all("figure", id="scores-digits-vit")
    assert "Selection: 5 of 16 slots reach the readout." in local.text
    assert "Selection" not in vit.text
    (notice,) = [each for each in shown.all("p", role="note") if "Selection cases" in each.text]
    assert "Selection cases: local on digits." in notice.text


def test_what_is_missing_is_said(shown, stored, hostile):
    notices = [each.text for each in shown.all("p", role="note")]
    assert "This study is not finished: 2 runs are not trained yet. The figures cover the finished runs." in notices
    assert "1 run failed; the reasons are listed below." in notices
    assert shown.table("failures") == [stored["failures"][0]]
    assert hostile in shown.table("failures")[0]["reason"]


def test_the_player_has_the_first_run_of_each_learner(shown, study_folder):
    (data,) = [json.loads(each.text) for each in shown.all("script", type="application/json")]
    assert [track["label"] for track in data["tracks"]] == [
        "local on digits: softsort from random, seed 0",
        "vit on digits: softsort from random, seed 0",
    ]
    order = OrderFile.load(study_folder / "cells/digits/vit/random/softsort/seed-0/order.json").order
    assert data["tracks"][1]["steps"][-1]["order"] == order.indices.tolist()
    assert len(data["sources"]) == 4  # the same images for both


def test_compressibility_has_a_point_for_each_order(shown):
    (chart,) = shown.all("figure", id="compressibility-digits-vit")
    tips = [
        each.attributes["data-tip"]
        for each in shown.elements
        if each.attributes.get("data-tip", "").count("compressib")
    ]
    # row, spiral and three random ones, kept, and three learned from these.
    assert len(tips) == 2 * 8
    assert "Spearman's correlation" in chart.text
    assert "over 8 orders" in chart.text
    assert sum(tip.endswith("3 runs") for tip in tips) == 2 * 2


def test_without_run_folders_the_study_itself_is_shown(study_folder, tmp_path, host, parse):
    shutil.copy(study_folder / "study.json", tmp_path)
    shown = parse(page_of(tmp_path, host).html())
    assert shown.sections == [
        "order-matters", "learning-helps", "order-holds-up", "control", "orders", "rows", "failures", "environment",
        "commands",
    ]  # fmt: skip
    assert len(shown.table("rows")) == 12


def test_a_study_without_answers_yet_has_no_questions(study_folder, tmp_path, host, parse):
    results = StudyResult.read(study_folder / "study.json")
    single = replace(results.rows[0], score=replace(results.rows[0].score, low=None, high=None), seeds=(0,))
    few = changed(results, rows=(single,), comparisons=(), failures=(), unfinished=0, environment=None, commands=())
    few.write(tmp_path / "study.json")
    shown = parse(page_of(tmp_path, host).html())
    assert shown.sections == ["orders", "rows"]
    assert shown.table("rows")[0]["low"] == ""


def test_names_that_become_one_file_name_stay_apart(study_folder, tmp_path, host, parse):
    results = StudyResult.read(study_folder / "study.json")
    rows = [replace(results.rows[0], backbone=name) for name in ("a b", "a-b")]
    changed(results, rows=tuple(rows), comparisons=()).write(tmp_path / "study.json")
    page = page_of(tmp_path, host)
    charts = [figure.attributes["id"] for figure in parse(page.html()).all("figure") if "id" in figure.attributes]
    assert charts == ["scores-digits-a-b", "scores-digits-a-b-again-2"]


def test_a_study_without_a_finished_run_has_no_report(study_folder, tmp_path, host):
    changed(StudyResult.read(study_folder / "study.json"), rows=(), comparisons=()).write(tmp_path / "study.json")
    with pytest.raises(ReorderKitError, match="no run of this study is finished"):
        page_of(tmp_path, host)


def test_rows_of_which_less_is_known_claim_no_order(study_folder, host, tmp_path, parse):
    results = StudyResult.read(study_folder / "study.json")
    rows = list(results.rows)
    of_learner = next(place for place, row in enumerate(rows) if row.learner is not None)
    rows[of_learner] = replace(rows[of_learner], spread=0.25, reached_slots=None, is_selection=False)
    changed(results, rows=tuple(rows)).write(tmp_path / "study.json")
    page_of(tmp_path, host).write(tmp_path / "page")
    shown = parse((tmp_path / "page" / "report.html").read_text())
    table = shown.table("rows")
    assert (table[of_learner]["reached_slots"], table[of_learner]["case"]) == ("", "not known")
    assert [row["spread"] for row in table] == ["0.25" if place == of_learner else "" for place in range(12)]
    notices = [words(each) for each in shown.all("p") if "notice" in each.attributes.get("class", "")]
    assert any(notice.startswith("No single order: local: softsort from random. Each image") for notice in notices)


def test_fixed_orders_that_are_far_from_finished_are_named_once(study_folder, host, tmp_path, parse):
    results = StudyResult.read(study_folder / "study.json")
    first = replace(results.comparisons[0], question="best-fixed", pool=(0,), left_out=(1,))
    changed(results, comparisons=(first, first)).write(tmp_path / "study.json")
    assert StudyResult.read(tmp_path / "study.json").comparisons[0].left_out == (1,)
    shown = parse(page_of(tmp_path, host).html())
    (said,) = [words(each) for each in shown.all("p", role="note") if "left out" in each.text]
    assert said.startswith(f"The best fixed order of {first.backbone} was chosen without some orders: ")


def test_intervals_of_shares_end_where_shares_do(study_folder, host, tmp_path, parse):
    results = StudyResult.read(study_folder / "study.json")
    # An older study: Student's interval of 0.99 and 0.97 is 0.98 +- 0.127.
    score = Estimate(0.98, 0.853, 1.107, (0.99, 0.97))
    changed(results, rows=(replace(results.rows[0], score=score), *results.rows[1:]), comparisons=()).write(
        tmp_path / "study.json"
    )
    page = page_of(tmp_path, host)
    shown = parse(page.html())
    first = shown.table("rows")[0]
    assert (first["low"], first["high"]) == ("0.853", "1.0")
    (chart,) = [block for block in page.blocks() if block.kind == "chart" and block.name == "scores-digits-local"]
    assert "row: 0.980 (0.853 to 1.000)" in chart.alt


def test_a_row_has_one_color_on_the_whole_page(study_folder, host):
    page = page_of(study_folder, host)
    charts = {block.name: block for block in page.blocks() if block.kind == "chart"}
    # row, spiral, random, softsort from random, its learned-static, random-per-batch: the fourth color is softsort's.
    softsort = "#b04f8f"
    for backbone in ("local", "vit"):
        scores = charts[f"scores-digits-{backbone}"].figure.axes[0].get_lines()
        assert scores[3].get_color() == softsort
        curves = charts[f"curves-digits-{backbone}-loss"].figure.axes[0].get_lines()
        assert curves[3].get_color() == softsort
    gains = charts["differences-learning-helps"].figure.axes[0].get_lines()
    assert {line.get_color() for line in gains if len(line.get_xdata()) == 2 and line.get_linewidth() > 2} == {softsort}
    assert {line.get_color() for line in charts["search-tau"].figure.axes[0].get_lines()} == {softsort}
    (data,) = page.data
    assert data.startswith("digits, images: ")
