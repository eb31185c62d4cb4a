"""A study in Python: results and warnings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import reorder_kit
from in_this_process import InThisProcess
from made_results import study_result
from reorder_kit import ReorderKitError, ReorderKitWarning
from reorder_kit.api.finished_study import FinishedStudy
from reorder_kit.studies.results import Failure

STUDY: dict[str, Any] = {
    "format_version": 1,
    "name": "tiny",
    "seeds": 2,
    "recipe": {"train": {"epochs": 1, "device": "cpu"}},
    "data": {"digits": {"batch_size": 600}},
    "backbones": {"local": {"patch_size": 4, "depth": 1, "window": 2, "dim": 8, "readout": "last"}},
    "starts": ["row", "column"],
    "controls": [],
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, with runs trained in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REORDER_KIT_NO_THIRD_PARTY", "1")
    monkeypatch.setattr("reorder_kit.jobs.place.Place.executor", lambda place, logs, on_gpu: InThisProcess())
    return tmp_path


def test_a_study_returns_its_verdict_its_table_and_its_folder(here: Path) -> None:
    finished = reorder_kit.study(STUDY, {"seeds": 1})
    assert finished.folder == Path("runs/tiny")
    assert finished.as_dict() == json.loads((here / "runs" / "tiny" / "study.json").read_text())
    assert [(row.start, row.seeds) for row in finished.rows] == [("row", (0,)), ("column", (0,))]
    assert finished.result.commands == ("reorder_kit.study({...}, {'seeds': 1})",)
    assert (finished.failures, finished.verdict != ()) == ((), True)
    assert str(finished).splitlines()[0] == finished.verdict[0]
    shown = finished._repr_html_()
    assert shown.index(str(finished.verdict[0][:20])) < shown.index("<table")

    assert "study" in reorder_kit.report(finished).page.read_text()
    again = reorder_kit.study(STUDY, {"seeds": 1})  # nothing is trained again
    assert [row.score for row in again.rows] == [row.score for row in finished.rows]


def test_a_planned_study_says_what_it_would_train_and_trains_nothing(here: Path) -> None:
    with pytest.warns(ReorderKitWarning, match="2 seeds") as told:
        planned = reorder_kit.study(STUDY, dry_run=True)
    assert told[0].filename == __file__
    assert (planned.runs, planned.finished) == (4, 0)
    assert repr(planned) == "<runs/tiny: 2 rows of 2 seeds, 4 runs>"
    assert "do fixed orders differ: 1 comparison" in planned._repr_html_()
    assert planned.warnings == tuple(str(each.message) for each in told)
    assert list(here.iterdir()) == []


def test_a_study_may_be_a_file(here: Path) -> None:
    (here / "mine.yaml").write_text(json.dumps(STUDY))
    assert reorder_kit.study(here / "mine.yaml", out="elsewhere", dry_run=True).folder == Path("elsewhere")


def test_runs_that_fail_are_warned_of_and_rows_that_fail_when_tried_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*arguments: object) -> None:
        raise ReorderKitError("the disk is on fire")

    monkeypatch.setattr("reorder_kit.studies.cell_run.CellRun.train", fail)
    with pytest.warns(ReorderKitWarning, match=r"failed: .*row.*: the disk is on fire"):
        finished = reorder_kit.study(STUDY, {"seeds": 1})
    assert len(finished.failures) == 2
    assert "the disk is on fire" in finished._repr_html_()
    with pytest.raises(ReorderKitError, match=r"nothing was trained: .*the disk is on fire"):
        reorder_kit.study(STUDY, out="other", smoke=True)


def test_a_study_shows_itself_escaped() -> None:
    made = study_result("top1", True, (), (), verdict=("<b>better</b>",))
    made = made.model_copy(update={"failures": (Failure("<i>", "<script>"),), "unfinished": 1})
    shown = FinishedStudy(Path("<u>"), made, ("<a>",))._repr_html_()
    assert [tag for tag in ("<b>", "<i>", "<script>", "<u>", "<a>") if tag in shown] == []
    assert "1 run was not trained" in shown


def test_mistakes_are_told_before_anything_is_trained() -> None:
    with pytest.raises(ReorderKitError, match="study: 1 mistake"):
        reorder_kit.study(STUDY, {"seed": 3})
    with pytest.raises(ReorderKitError, match="jobs: 0 is below 1"):
        reorder_kit.study(STUDY, jobs=0)
