"""MLflow: runs in a folder, read back by its client."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from reorder_kit_trackers import mlflow as plugin

from reorder_kit.testing import check_tracker

tracking = pytest.importorskip("mlflow.tracking", reason="mlflow is not installed: pip install mlflow-skinny")


def runs(folder, project="orders"):
    """The runs of an experiment by name."""
    client = tracking.MlflowClient(tracking_uri=str(folder))
    experiment = client.get_experiment_by_name(project).experiment_id
    return client, {run.info.run_name: run for run in client.search_runs([experiment])}


def history(client, run, name):
    return [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)]


def test_it_keeps_the_contract_of_trackers(tmp_path):
    check_tracker(plugin.MLflow, {"tracking_uri": str(tmp_path / "mlruns"), "tags": ["a"]})


def test_a_stopped_and_resumed_run_with_a_control(night, tmp_path):
    tracked = night(plugin, name="mlflow", project="orders")
    with pytest.raises(KeyboardInterrupt):
        tracked.run(stop=2)
    _, found = runs(tmp_path / "mlruns")
    assert {name: run.info.status for name, run in found.items()} == {"night": "KILLED"}
    result = tracked.run(resume=True)
    client, found = runs(tmp_path / "mlruns")
    assert {name: run.info.status for name, run in found.items()} == {
        "night": "FINISHED",
        "night/fixed-start": "FINISHED",
    }
    night_run, control = found["night"], found["night/fixed-start"]
    for name in ("validation/top1", "train/loss", "order/kendall_tau_to_start"):
        assert history(client, night_run, name) == list(enumerate(tracked.column(name), start=1))
    expected = list(enumerate(tracked.column("validation/top1", "fixed-start"), start=1))
    assert history(client, control, "validation/top1") == expected
    assert night_run.data.metrics["test/top1"] == result.metrics.test["top1"]
    assert night_run.data.params["data.batch_size"] == "600"
    assert night_run.data.params["run.grid"] == "4x4"
    assert (night_run.data.tags["group"], control.data.tags["group"]) == ("night", "night")
    assert (control.data.tags["kind"], night_run.data.tags["tag.digits"]) == ("control", "true")
    notes = [value for name, value in night_run.data.tags.items() if name.startswith("note.epoch-0")]
    assert len(notes) == 1
    assert "the step size still warms up" in notes[0]
    assert {file.path for file in client.list_artifacts(night_run.info.run_id)} == {"order.json", "order.png"}
    stored = client.download_artifacts(night_run.info.run_id, "order.json", str(tmp_path))
    assert Path(stored).read_text() == (tracked.folder / "order.json").read_text()


def test_a_server_that_is_away_is_warned_of_and_the_run_goes_on(night, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    result = night(plugin, name="mlflow", tracking_uri="http://127.0.0.1:9").run(controls=[])
    assert result.metrics.test["top1"] > 0
    told = [warning for warning in result.warnings if warning.startswith("tracker 'mlflow'")]
    assert len(told) == 1
    assert "failed in start; the run goes on" in told[0]


def test_a_password_is_not_taken():
    with pytest.raises(ValidationError, match="must hold no password"):
        plugin.MLflow.Options(tracking_uri="https://me:secret@mlflow.example.org")


def test_a_folder_is_found_from_anywhere_and_an_address_stays():
    assert Path(plugin.MLflow.Options().tracking_uri).is_absolute()
    assert plugin.MLflow.Options(tracking_uri="http://localhost:5000").tracking_uri == "http://localhost:5000"


def test_params_have_the_names_and_lengths_that_servers_take():
    flat = dict(plugin._flat({"a": {"b": [1, 2], "c": {}}, "d": None}))
    assert flat == {"a.b": [1, 2], "a.c": {}, "d": None}
    assert plugin._allowed("policy/é(x)") == "policy/é-x-"
