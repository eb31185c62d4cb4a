"""The report of a run: figures match the run folder, and missing parts are omitted."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import shutil

import numpy as np
import pytest
import yaml
from PIL import Image

from made_results import figures
from reorder_kit.analysis.saliency import SaliencyReport
from reorder_kit.analysis.saliency_files import write_saliency
from reorder_kit.analysis.saliency_shift import Chance, Placement, Shift
from reorder_kit.controls import BUILT_IN
from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.orders.slots_read import SlotsRead
from reorder_kit.reports.environment import command_of, environment_facts
from reorder_kit.reports.record import RunRecord
from reorder_kit.reports.run_words import interval_over_images, run_verdict
from reorder_kit.reports.write import page_of
from reorder_kit.runs.run_folder import RunFolder
from resealed import reseal


@pytest.fixture(scope="module")
def page(trained, host):
    return page_of(trained, host)


@pytest.fixture(scope="module")
def shown(page, parse):
    return parse(page.html())


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    reseal(path.parent)


def verdict_of(folder):
    return " ".join(run_verdict(RunRecord.read(RunFolder(folder))))


def set_scores(folder, score, **controls):
    def change(result):
        result["metrics"]["test"] |= {"top1": score, "images": 100}
        template = dict(result["metrics"])
        result["controls"] = {
            name.replace("_", "-"): {
                "words": BUILT_IN[name.replace("_", "-")].words,
                "metrics": {**template, "test": {**template["test"], "top1": value}},
            }
            for name, value in controls.items()
        }

    edit(folder / "result.json", change)


def test_every_section_of_a_learned_run_is_there(shown):
    assert shown.sections == [
        "figures", "predictions", "classes", "playback", "slots", "search", "environment", "commands",
    ]  # fmt: skip


def test_the_table_has_the_figures_of_the_result(shown, trained):
    result = json.loads((trained / "result.json").read_text())
    own, *others = shown.table("runs")
    assert own["run"] == "trial"
    assert float(own["test_top1"]) == result["metrics"]["test"]["top1"]
    assert float(own["test_loss"]) == result["metrics"]["test"]["loss"]
    assert float(own["validation_top1"]) == result["metrics"]["validation"]["top1"]
    assert {row["run"]: float(row["test_top1"]) for row in others} == {
        name: control["metrics"]["test"]["top1"] for name, control in result["controls"].items()
    }
    for row in others:
        lead = 100 * (float(own["test_top1"]) - float(row["test_top1"]))
        assert float(row["difference_points"]) == pytest.approx(lead)


def test_files_stand_beside_the_page(page, parse, tmp_path):
    written = page.write(tmp_path / "new" / "folder")
    assert written[0] == tmp_path / "new" / "folder" / "report.html"
    shown = parse(written[0].read_text())
    with (tmp_path / "new" / "folder" / "runs.csv").open() as file:
        assert list(csv.DictReader(file)) == shown.table("runs")
    charts = {figure.attributes["id"] for figure in shown.all("figure") if "id" in figure.attributes}
    assert {path.stem for path in written if path.suffix == ".png"} == charts
    assert all(path.stat().st_size > 0 for path in written)


def test_the_player_has_every_order_and_images_of_the_data(shown, trained):
    (data,) = [json.loads(each.text) for each in shown.all("script", type="application/json")]
    (track,) = data["tracks"]
    stored = [trained / "orders" / "start.json", *sorted((trained / "orders").glob("epoch-*.json"))]
    assert [step["order"] for step in track["steps"]] == [OrderFile.load(p).order.indices.tolist() for p in stored]
    assert [step["epoch"] for step in track["steps"]] == [0, 1, 2, 3, 4, 5, 6]
    assert track["grid"] == [4, 4]
    assert track["reached"] == {"16": [False] * 11 + [True] * 5}
    assert len(data["sources"]) == len(track["pictures"]) == 4
    for source in data["sources"]:
        kind, encoded = source.split(",")
        assert kind == "data:image/png;base64"
        with Image.open(io.BytesIO(base64.b64decode(encoded))) as picture:
            assert picture.size == (256, 256)  # 8x8 pixels, each a square of 32
            pixels = np.asarray(picture)
        assert (pixels[::32, ::32].repeat(32, axis=0).repeat(32, axis=1) == pixels).all()


def test_what_selects_says_so_beside_its_figures(shown):
    notes = {figure.attributes["id"]: figure.text for figure in shown.all("figure") if figure.attributes.get("id")}
    for name in ("intervals", "rank-shift", "influence"):
        assert "Selection: 5 of 16 slots reach the readout." in notes[name]


def test_a_run_that_learned_nothing_has_no_search_and_moved_nothing(trained, host, parse):
    page = page_of(trained / "controls" / "fixed-start", host)
    shown = parse(page.html())
    assert shown.sections == ["figures", "predictions", "classes", "playback", "slots", "environment", "commands"]
    assert "rank-shift" not in {figure.attributes.get("id") for figure in shown.all("figure")}
    assert page.verdict[0].startswith("No order was learned: test top1 0.")


def test_saliency_is_shown_where_it_was_asked(run_folder, host, parse):
    chance = Chance(-0.125, 0.125, 0.004)
    placement = Placement(
        (1 / 16,) * 16, (0.0,) * 15 + (1.0,), (0.5, 1.0), Shift(0.5, 0.25, 0.75, 0.004), chance, chance
    )
    slots, made_for = SlotsRead(5, 16), RunFolder(run_folder).read_result().checkpoint
    report = SaliencyReport(
        "trial", made_for, "gradient", "test", 10, 0, (1 / 16,) * 16, slots, True, placement, placement
    )
    write_saliency(report, RunFolder(run_folder))
    shown = parse(page_of(run_folder, host).html())
    (chart,) = shown.all("figure", id="saliency")
    assert "Saliency by slot (gradient)" in chart.text
    (section,) = shown.all("section", id="slots")
    assert "Salient patches moved toward the end of the sequence by 50.0%" in " ".join(section.text.split())
    (drawing,) = [each for each in shown.all("div") if "Saliency" in each.attributes.get("aria-label", "")]
    told = {line["name"]: line["values"] for line in json.loads(drawing.attributes["data-hover"])["lines"]}
    assert told["in the final order"] == [0] * 15 + [1]


def test_saliency_of_another_kind_is_refused(run_folder, host):
    (run_folder / "saliency.json").write_text('{"method": "gradient"}')
    with pytest.raises(ReorderKitError, match=r"saliency\.json: format_version None is not 1"):
        page_of(run_folder, host)


def test_where_the_data_is_gone_the_path_is_drawn_without_it(run_folder, host, parse):
    recipe = yaml.safe_load((run_folder / "recipe.yaml").read_text())
    recipe["data"] = {"name": "image-folder", "root": str(run_folder / "nowhere"), "batch_size": 8}
    (run_folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    reseal(run_folder)
    (data,) = [
        json.loads(each.text) for each in parse(page_of(run_folder, host).html()).all("script", type="application/json")
    ]
    assert data["sources"] == []
    assert "No image is shown: " in data["tracks"][0]["note"]
    assert "nowhere" in data["tracks"][0]["note"]


def test_controls_whose_folders_are_gone_keep_their_figures(run_folder, host, parse):
    shutil.rmtree(run_folder / "controls")
    shown = parse(page_of(run_folder, host).html())
    assert [row["run"] for row in shown.table("runs")] == ["trial", "fixed-start", "learned-static"]
    (curves,) = shown.all("figure", id="curves-loss")
    assert "fixed-start" not in curves.text


def test_the_verdict_compares_with_the_controls(run_folder):
    set_scores(run_folder, 0.9, fixed_start=0.8, learned_static=0.85, null_reward=0.81)
    said = verdict_of(run_folder)
    assert "The order that softsort learned, starting from random, gives test top1 0.900 on 100 images" in said
    assert "That is +10.0 points against the same training in the fixed start (0.800)." in said
    assert "the score is 0.850, +5.0 points against the fixed start." in said
    assert "The control null-reward, noise as the reward, has 0.810." in said
    assert "Only 5 of 16 slots reach the readout: this is a selection case." in said
    assert "Each score is from one run with one seed" in said


def test_a_control_that_does_half_as_well_casts_doubt(run_folder):
    set_scores(run_folder, 0.9, fixed_start=0.8, null_reward=0.86)
    assert "has 0.860: at least half of the gain, which therefore need not come from the order" in verdict_of(
        run_folder
    )
    set_scores(run_folder, 0.7, fixed_start=0.8, null_reward=0.86)
    assert "has 0.860." in verdict_of(run_folder)


def test_a_run_alone_says_that_it_is_alone(run_folder):
    set_scores(run_folder, 0.9)
    assert "This run has no controls" in verdict_of(run_folder)


def test_the_interval_over_images_is_wilsons():
    # E. B. Wilson's formula.
    z, n, p = 1.959963984540054, 100, 0.9
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    interval = interval_over_images("top1", figures(images=100, top1=0.9))
    assert interval == pytest.approx(((centre - half) / scale, (centre + half) / scale))


def test_a_metric_that_is_no_share_of_images_has_none(run_folder, host, parse):
    assert interval_over_images("mAP", figures(images=9, mAP=0.5)) is None

    def change(result):
        result["headline"] = "top5"

    edit(run_folder / "result.json", change)
    own, *_ = parse(page_of(run_folder, host).html()).table("runs")
    assert "test_top5" in own
    assert "low" not in own


def test_the_environment_and_the_command_are_those_of_the_run(run_folder, host, parse):
    def change(environment):
        environment |= {"device": "NVIDIA T4", "command": ["/opt/bin/reorder-kit", "run", "my recipe.yaml"]}

    edit(run_folder / "environment.json", change)
    shown = parse(page_of(run_folder, host).html())
    (section,) = shown.all("section", id="environment")
    assert "NVIDIA T4" in section.text
    commands = shown.all("code")[0].text.splitlines()
    assert commands == ["reorder-kit run 'my recipe.yaml'", f"reorder-kit report {run_folder}"]
    assert yaml.safe_load(shown.all("code")[1].text) == yaml.safe_load((run_folder / "recipe.yaml").read_text())


def test_a_program_is_named_as_it_is_called():
    assert command_of(["/a/reorder_kit/__main__.py", "run", "x"]) == "python -m reorder_kit run x"
    assert command_of(["train.py"]) == "train.py"
    assert environment_facts(None) == []


@pytest.mark.parametrize("name", ["metrics.jsonl", "environment.json", "recipe.yaml"])
def test_a_damaged_file_is_named(run_folder, host, name):
    (run_folder / name).write_text("{")
    with pytest.raises(ReorderKitError, match=name):
        page_of(run_folder, host)
    (run_folder / name).unlink()
    with pytest.raises(ReorderKitError, match=rf"{name}: .*No such file"):
        page_of(run_folder, host)
