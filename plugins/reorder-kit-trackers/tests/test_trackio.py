"""Trackio: runs in a local database, read back by its own code."""

from __future__ import annotations

import sys

import pytest
from reorder_kit_trackers import trackio as plugin


@pytest.fixture
def trackio(tmp_path, monkeypatch):
    """The library, with its database in the folder of the test; it looks for the folder only when imported."""
    for module in [name for name in sys.modules if name.partition(".")[0] == "trackio"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    reason = "trackio is not installed: pip install trackio (it needs pillow<13)"
    return pytest.importorskip("trackio", reason=reason)


def rows(trackio, run):
    """What was logged for a run."""
    from trackio.sqlite_storage import SQLiteStorage

    return SQLiteStorage.get_logs("orders", run.name)


def test_a_stopped_and_resumed_run_with_a_control(night, trackio, capsys):
    tracked = night(plugin, name="trackio", project="orders")
    result = tracked.stopped_and_resumed()
    assert capsys.readouterr().out == ""
    found = {run.name.rpartition(" ")[0]: run for run in trackio.Api().runs("orders")}
    assert found.keys() == {"night", "night/fixed-start"}
    night_run, control = found["night"], found["night/fixed-start"]
    logged = rows(trackio, night_run)
    epochs = [row for row in logged if "epoch" in row]
    assert [row["epoch"] for row in epochs] == [row["step"] for row in epochs] == [1, 2, 3]
    for name in ("validation/top1", "train/loss", "order/kendall_tau_to_start"):
        assert [row[name] for row in epochs] == tracked.column(name)
    assert [row["status"] for row in logged if "status" in row] == ["stopped", "finished"]
    assert logged[-1]["test/top1"] == result.metrics.test["top1"]
    assert [row["validation/top1"] for row in rows(trackio, control) if "epoch" in row] == tracked.column(
        "validation/top1", "fixed-start"
    )
    assert night_run.config["_Group"] == control.config["_Group"] == "night"
    assert (control.config["kind"], night_run.config["tags"]) == ("control", ["digits"])
    assert night_run.config["data"]["batch_size"] == 600
    alerts = [alert["text"] for alert in night_run.alerts()]
    assert len(alerts) == 1
    assert "the step size is still warming up" in alerts[0]


def test_a_space_without_a_login_is_warned_of_and_the_run_goes_on(night, trackio):
    result = night(plugin, name="trackio", space="somebody/orders").run(controls=[])
    assert result.metrics.test["top1"] > 0
    told = [warning for warning in result.warnings if warning.startswith("tracker 'trackio'")]
    assert len(told) == 1
    assert "failed in start; the run continues" in told[0]
