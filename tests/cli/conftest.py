"""The command line as a user sees it, in an empty folder."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from reorder_kit.cli.main import app

RECIPE = """\
format_version: 1
name: trial
data: {name: digits, batch_size: 600}
backbone: {name: local, patch_size: 2, window: 2, dim: 8, heads: 2, readout: last}
order:
  start: hilbert
  learner: {name: softsort, warmup_epochs: 0}
controls: [fixed-start]
train: {epochs: 1, device: cpu}
"""


@pytest.fixture
def cli(tmp_path, monkeypatch):
    """Call it with arguments; the folder it runs in holds ``trial.yaml``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)  # a test runner may set it, as a terminal would
    (tmp_path / "trial.yaml").write_text(RECIPE)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A run with a control, and the output of the command."""
    home = tmp_path_factory.mktemp("trained")
    (home / "trial.yaml").write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.delenv("COLUMNS", raising=False)
        printed = CliRunner().invoke(app, ["run", "trial.yaml"])
    folder = home / "runs" / "trial"
    assert printed.exit_code == 0, printed.output
    return Trained(folder, printed, json.loads((folder / "result.json").read_text()))


class Trained:
    def __init__(self, folder, printed, result):
        self.folder, self.printed, self.result = folder, printed, result
