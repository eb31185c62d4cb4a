"""`reorder-kit report`: a page from a run folder, or the reason why there is none."""

from __future__ import annotations

import json
import shutil

from says import says


def test_the_page_lies_in_the_folder_of_the_run(cli, trained, tmp_path):
    shutil.copytree(trained.folder, "mine")
    done = cli("report", "mine")
    assert done.exit_code == 0, done.output
    assert done.stdout == "mine/report/report.html\n"
    written = {path.name for path in (tmp_path / "mine" / "report").iterdir()}
    assert {"report.html", "runs.csv", "intervals.png"} <= written
    assert done.stderr == f"with {len(written) - 1} pictures and tables in the same folder\n"
    score = json.loads((trained.folder / "result.json").read_text())["metrics"]["test"]["top1"]
    assert f"test top1 {score:.3f}" in (tmp_path / "mine" / "report" / "report.html").read_text()


def test_another_folder_can_be_named(cli, trained, tmp_path):
    done = cli("report", trained.folder, "--out", "page")
    assert done.stdout == "page/report.html\n"
    assert (tmp_path / "page" / "report.html").exists()
    assert not (trained.folder / "report").exists()


def refused(cli, *arguments):
    done = cli("report", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Traceback" not in done.output
    return done.stderr


def test_what_is_no_folder_is_refused(cli, tmp_path):
    assert "error: other: folder not found\n  hint: give the folder of a run or a study" in refused(cli, "other")
    (tmp_path / "runs" / "trial").mkdir(parents=True)
    assert "hint: did you mean runs/trial?" in refused(cli, "trial")


def test_a_folder_of_something_else_is_refused(cli, tmp_path):
    (tmp_path / "photos").mkdir()
    assert says(refused(cli, "photos"), "error: photos: ", "hint: ", "study.json", "result.json")


def test_an_unfinished_run_is_refused_with_what_to_do(cli, tmp_path):
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "recipe.yaml").write_text("format_version: 1\n")
    said = refused(cli, "begun")
    assert "begun: this run is not finished" in said
    assert "resume with: reorder-kit run RECIPE --resume" in said


def test_a_damaged_study_is_refused(cli, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "study.json").write_text('{"format_version": 1}')
    assert "broken/study.json: has no checksum" in refused(cli, "broken")


def test_a_folder_that_cannot_be_made_is_named(cli, trained, tmp_path):
    (tmp_path / "taken").write_text("")
    assert "taken: cannot be written" in refused(cli, trained.folder, "--out", "taken")
