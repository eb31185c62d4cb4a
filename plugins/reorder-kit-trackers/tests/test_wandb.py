"""Weights & Biases: offline runs, read back by its own command."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from reorder_kit_trackers import wandb as plugin

pytest.importorskip("wandb", reason="wandb is not installed: pip install wandb")


def records(folder):
    """The content of an offline run, by type."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(folder)]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = {}
    for line in printed.splitlines():
        record = json.loads(line)
        found.setdefault(record["type"], []).append(record.get(record["type"]))
    return found


def parts(folder):
    """The offline runs in a folder, by start time."""
    return [records(each) for each in sorted((folder / "wandb").glob("offline-run-*"))]


def summary(part):
    found = {}
    for record in part["summary"]:
        found |= record["update"]
    return found


def test_a_stopped_and_resumed_run_with_a_control(night):
    tracked = night(plugin, name="wandb", project="orders")
    result = tracked.stopped_and_resumed()
    first, second = parts(tracked.folder)
    begun = [part["run"][0] for part in (first, second)]
    assert begun[0]["run_id"] == begun[1]["run_id"]
    assert begun[0]["config"]["update"]["data"]["batch_size"] == 600
    for each in begun:
        assert (each["display_name"], each["project"], each["run_group"]) == ("night", "orders", "night")
        assert (each["job_type"], each["tags"]) == ("run", ["digits"])
    rows = [row["item"] for part in (first, second) for row in part["history"]]
    assert [row["epoch"] for row in rows] == [row["_step"] for row in rows] == [1, 2, 3]
    for name in ("validation/top1", "train/loss", "order/kendall_tau_to_start"):
        assert [row[name] for row in rows] == tracked.column(name)
    assert [part["exit"][0]["exit_code"] for part in (first, second)] == [130, 0]
    assert (summary(first)["status"], summary(second)["status"]) == ("stopped", "finished")
    assert summary(second)["test/top1"] == result.metrics.test["top1"]
    assert "the step size is still warming up" in " ".join(map(str, summary(first).values()))
    order = next(each for each in second["artifact"] if each["name"].startswith("order-"))
    assert [file["path"] for file in order["manifest"]["contents"]] == ["order.json"]
    assert summary(second)["pictures/order"]["_type"] == "image-file"

    (control,) = parts(tracked.folder / "controls" / "fixed-start")
    assert (control["run"][0]["display_name"], control["run"][0]["run_group"]) == ("night/fixed-start", "night")
    assert control["run"][0]["job_type"] == "control"
    assert [row["item"]["validation/top1"] for row in control["history"]] == tracked.column(
        "validation/top1", "fixed-start"
    )


def test_online_without_a_login_warns_asks_nobody_and_trains(night, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *prompt: pytest.fail("somebody was asked"))
    monkeypatch.setattr("getpass.getpass", lambda *prompt: pytest.fail("somebody was asked"))
    result = night(plugin, name="wandb", mode="online").run(controls=[])
    assert result.metrics.test["top1"] > 0
    (warning,) = [each for each in result.warnings if "wandb" in each]
    assert warning.startswith("tracker 'wandb' of plugin")
    assert "not logged in to Weights & Biases" in warning
    assert "wandb login" in warning
