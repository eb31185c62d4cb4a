"""The results of run, evaluate and report: they know their folder and display in a notebook."""

from __future__ import annotations

import json
import os
import shutil
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import reorder_kit
from made_results import figures, run_result
from reorder_kit import Order, ReorderKitError
from reorder_kit.api.finished_run import FinishedRun
from reorder_kit.api.reporting import WrittenReport
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.runs.result import ControlMetrics, ControlResult

SMALL: dict[str, Any] = {
    "format_version": 1,
    "name": "small",
    "data": {"name": "digits", "batch_size": 300},
    "backbone": {"name": "local", "patch_size": 4, "dim": 8, "depth": 1},
    "order": {"start": "column"},
    "controls": ["random-fixed"],
    "train": {"epochs": 1, "device": "cpu"},
}


@pytest.fixture(scope="module")
def host() -> PluginHost:
    return PluginHost(third_party=False)


@pytest.fixture(scope="module")
def run(host: PluginHost, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    return reorder_kit.run(SMALL, out=tmp_path_factory.mktemp("runs") / "small", host=host)


# The names of the package


def test_dir_lists_the_public_names_and_they_are_there() -> None:
    assert dir(reorder_kit) == sorted(["__version__", *reorder_kit.__all__])
    assert len(set(reorder_kit.__all__)) == len(reorder_kit.__all__)
    assert all(callable(getattr(reorder_kit, name)) for name in reorder_kit.__all__)


def test_no_function_has_the_name_of_a_package_that_would_take_its_place() -> None:
    folders = {path.name for path in Path(reorder_kit.__file__).parent.iterdir()}
    assert {name for name in reorder_kit.__all__ if name in folders or f"{name}.py" in folders} == set()


# run


def test_a_finished_run_has_the_figures_and_the_orders(run: FinishedRun) -> None:
    assert run.as_dict() == json.loads((run.folder / "result.json").read_text())
    assert run.score == run.metrics.test["top1"] == run.result.score
    assert run.start == run.order == Order([0, 2, 1, 3])
    assert (run.order.grid.height, run.order.grid.width) == (2, 2)
    assert list(run.controls) == ["random-fixed"]


def test_a_finished_run_stands_for_its_folder(run: FinishedRun, host: PluginHost) -> None:
    assert Path(run) == run.folder
    assert reorder_kit.load_run(run, host).folder.path == run.folder
    assert reorder_kit.load_order(run) == run.order
    assert {run: 1}[run] == 1
    with pytest.raises(ReorderKitError, match="expected a run, got 5"):
        reorder_kit.load_run(5, host)


def test_the_model_is_loaded_once(run: FinishedRun) -> None:
    assert run.model is run.model
    assert run.model.policy.best_order() == run.order


def test_a_finished_run_shows_what_the_command_prints(run: FinishedRun) -> None:
    shown = unescape(run._repr_html_())
    control = run.result.compared_controls[0].score
    for text in ("test top1", f"{run.score:.3f}", "random-fixed", f"{control:.3f}", "No order was learned", "<svg"):
        assert text in shown
    assert repr(run) == f"<small: test top1 {run.score:.3f}, random-fixed {control:.3f}; {run.folder}>"


def test_a_finished_run_shows_itself_escaped_and_without_its_folder() -> None:
    control = ControlResult(words="kept", metrics=ControlMetrics(test=figures(top1=0.5)))
    gone = FinishedRun(
        Path("gone/<i>"), run_result(0.75, name="<b>", controls={"<u>": control}), ("a < b",), ("<script>",)
    )
    shown = gone._repr_html_()
    assert [tag for tag in ("<b>", "<i>", "<u>", "<script>", "a < b") if tag in shown] == []
    assert "+25.0 points" in shown
    assert "warning: &lt;script&gt;" in shown


# evaluate


def test_a_run_is_evaluated_in_other_orders(run: FinishedRun, host: PluginHost) -> None:
    found = reorder_kit.evaluate(run, ["row", run.folder / "orders" / "start.json", [3, 2, 1, 0]], host=host)
    start = str(run.folder / "orders" / "start.json")
    assert list(found.scores) == ["own order", "row", start, "order 3"]
    assert found.scores["own order"] == found.scores[start] == run.score
    assert [each.kendall_tau_to_own for each in found.orders][1:] == pytest.approx([2 / 3, 1.0, -2 / 3])
    assert found.as_dict()["orders"][1]["order"] == "row"
    assert f"<td style='text-align: left'>{run.score:.3f}</td>" in found._repr_html_()
    assert repr(found).startswith(f"<test top1: own order {run.score:.3f}, row ")


def test_one_order_needs_no_list_and_an_order_may_be_one(run: FinishedRun, host: PluginHost) -> None:
    by_name = reorder_kit.evaluate(run, "row", split="validation", host=host)
    by_order = reorder_kit.evaluate(run, Order([0, 1, 2, 3]), split="validation", host=host)
    assert by_name.scores["row"] == by_order.scores["order 1"]
    assert by_name.scores["own order"] == run.metrics.validation["top1"]


def test_runs_orders_and_shares_are_taken_as_people_give_them(run: FinishedRun, host: PluginHost) -> None:
    loaded = reorder_kit.load_run(run, host)
    row = np.arange(4)
    for orders in (row, torch.arange(4), range(4), [0, 1, 2, 3], [row], row[None]):
        found = reorder_kit.evaluate(loaded, orders, split="validation", host=host)
        assert [each.kendall_tau_to_own for each in found.orders] == pytest.approx([1.0, 2 / 3])
    assert hash(found) == hash(found)
    for keep, message in (("0.5", "'0.5' is not a share"), (None, "None is not a share"), ([None], "is not a share")):
        with pytest.raises(ReorderKitError, match=message):
            reorder_kit.evaluate(run, keep=keep, host=host)  # type: ignore[arg-type]
    with pytest.raises(ReorderKitError, match="cannot get an order from None"):
        reorder_kit.evaluate(run, None, host=host)
    for function in (reorder_kit.evaluate, reorder_kit.report):
        with pytest.raises(ReorderKitError, match=r"expected a run.*, got 5"):
            function(5, host=host)


def test_one_share_needs_no_list(run: FinishedRun, host: PluginHost, tmp_path: Path) -> None:
    copied = shutil.copytree(run.folder, tmp_path / "copy")
    found = reorder_kit.evaluate(copied, keep=0.5, split="validation", host=host)
    assert [each.keep for each in found.shares] == [0.5]


def test_an_order_that_may_not_be_meant_is_warned_of(
    run: FinishedRun, host: PluginHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("row").touch()
    with pytest.warns(reorder_kit.ReorderKitWarning, match="'row' is read as the ordering") as told:
        found = reorder_kit.evaluate(run, "row", split="validation", host=host)
    assert found.warnings == tuple(str(each.message) for each in told)


def test_an_order_of_another_grid_is_refused(run: FinishedRun, host: PluginHost) -> None:
    with pytest.raises(ReorderKitError, match="an order of 9 patches does not fit the 2x2 grid"):
        reorder_kit.evaluate(run, Order(list(range(9))), host=host)


def test_an_unknown_split_is_refused(run: FinishedRun) -> None:
    with pytest.raises(ReorderKitError, match="unknown split 'train'"):
        reorder_kit.evaluate(run, split="train")  # type: ignore[arg-type]


# report


def test_a_report_knows_its_files_and_shows_its_page(run: FinishedRun, host: PluginHost, tmp_path: Path) -> None:
    written = reorder_kit.report(reorder_kit.load_run(run, host), tmp_path / "page", host=host)
    assert (written.page, written.folder) == (tmp_path / "page" / "report.html", tmp_path / "page")
    assert {*written.beside, written.page} == set(written.folder.iterdir())
    assert os.fspath(written) == str(written.page)
    assert "small" in written.page.read_text()


def test_the_page_is_shown_whole_and_cannot_leave_its_frame(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("<p class='a' id=\"b\">it's &amp; that</p></iframe><script>x</script>")
    shown = WrittenReport(page, ())._repr_html_()
    content = shown.split("srcdoc='")[1].split("'")[0]
    assert unescape(content) == page.read_text()
    assert shown.count("<script") == 0
    assert shown.count("</iframe>") == 1
    assert "allow-same-origin" not in shown


def test_a_report_of_nothing_is_refused(host: PluginHost, tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError, match="folder not found"):
        reorder_kit.report(tmp_path / "nothing", host=host)
