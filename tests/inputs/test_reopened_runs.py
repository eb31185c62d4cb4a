"""Images that appear, disappear or change between a run and its later use."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import reorder_kit
from in_this_process import InThisProcess
from reorder_kit import hookimpl
from reorder_kit.errors import ReorderKitError
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.jobs.failure_note import failure_of
from reorder_kit.reports.images import open_if_there
from reorder_kit.reports.record import RunRecord
from reorder_kit.runs.data_record import DataRecord
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.studies.checking import check_study
from reorder_kit.studies.run_study import StudyRun
from reorder_kit.studies.study_folder import StudyFolder
from reorder_kit.testing import host_with
from reorder_kit.training.evaluate_run import evaluate_run
from tests.helpers.tiny_data import SOURCES, pixels

SOURCE = SOURCES[0]
NAMES = [f"image-{number}" for number in range(40)]
LATER = [f"later-{number}" for number in range(30)]
BACKBONE = {"patch_size": 4, "dim": 16, "depth": 1, "heads": 2}


def fill(root, names=NAMES, changed=None):
    shutil.rmtree(root, ignore_errors=True)
    SOURCE.fill(root, {name: pixels(name, int(name == changed)) for name in names})


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run, and the folder of its data."""
    home = tmp_path_factory.mktemp("reopened")
    fill(home / "data")
    content = {
        "format_version": 1,
        "name": "trial",
        "data": SOURCE.data(home / "data", batch_size=8),
        "task": {"name": "classification"},
        "backbone": {"name": "vit", **BACKBONE},
        "order": {"start": "row", "learner": {"name": "softsort", "warmup_epochs": 0}},
        "train": {"epochs": 2, "device": "cpu"},
    }
    reorder_kit.run(content, out=home / "run")
    return home


@pytest.fixture
def home(finished, tmp_path):
    """A copy that a test may change; its data stays where it was."""
    fill(finished / "data")
    shutil.copytree(finished / "run", tmp_path / "run")
    return tmp_path, finished / "data"


def test_figures_stay_when_images_are_added(home):
    folder, data = home
    run = RunFolder(folder / "run")
    before = evaluate_run(run, ["spiral"], "test", PluginHost())
    fill(data, [*NAMES, *LATER])
    after = evaluate_run(run, ["spiral"], "test", PluginHost())
    assert [row.metrics for row in after.orders] == [row.metrics for row in before.orders]
    assert before.orders[0].metrics.images == run.read_result().metrics.test.images


class StopsAfterAnEpoch:
    @hookimpl
    def epoch_finished(self, epoch):
        raise KeyboardInterrupt


def test_a_stopped_run_goes_on_with_the_images_it_began_with(home):
    folder, data = home
    run = RunFolder(folder / "run")
    whole, recipe = run.read_epochs(), str(run.recipe)
    stopped = RunFolder(folder / "stopped")
    with pytest.raises(KeyboardInterrupt):
        reorder_kit.run(recipe, out=stopped.path, host=host_with(StopsAfterAnEpoch()))
    fill(data, [*NAMES, *LATER])
    reorder_kit.run(recipe, out=stopped.path, resume=True)
    again = stopped.read_epochs()
    assert [epoch.train.loss for epoch in again] == [epoch.train.loss for epoch in whole]
    assert [epoch.validation for epoch in again] == [epoch.validation for epoch in whole]


@pytest.mark.parametrize("changes", [{"names": NAMES[:-12]}, {"changed": "image-3"}], ids=["gone", "changed"])
def test_a_run_whose_images_are_gone_or_changed_is_not_judged(home, changes):
    folder, data = home
    fill(data, **changes)
    with pytest.raises(ReorderKitError, match="image-"):
        evaluate_run(RunFolder(folder / "run"), [], "test", PluginHost())


def test_a_report_says_why_it_shows_no_images(home):
    folder, data = home
    fill(data, changed="image-3")
    why = open_if_there(RunRecord.read(RunFolder(folder / "run")), PluginHost())
    assert isinstance(why, str)
    assert "image-3" in why


def study(home, seeds):
    content = {
        "format_version": 1,
        "name": "tiny",
        "seeds": seeds,
        "recipe": {"train": {"epochs": 1, "device": "cpu"}},
        "data": {"image-folder": {"root": str(home / "data"), "image_size": 8, "batch_size": 8}},
        "backbones": {"vit": BACKBONE},
        "starts": ["row"],
    }
    host = PluginHost()
    return StudyRun(check_study(content, host, "tiny.yaml", home), StudyFolder(home / "study"), host, "study")


@pytest.mark.slow
def test_the_second_seed_of_a_study_has_the_images_of_the_first(tmp_path):
    fill(tmp_path / "data")
    study(tmp_path, 1).train(InThisProcess(), print)
    fill(tmp_path / "data", [*NAMES, *LATER])
    study(tmp_path, 2).train(InThisProcess(), print)
    records = {seed: _records(tmp_path / "study", seed) for seed in (0, 1)}
    assert len(records[0]) == len(records[1]) > 0
    assert len({record.split_digest for of_seed in records.values() for _, record in of_seed}) == 1
    files = {(folder / record.split_file).resolve() for of_seed in records.values() for folder, record in of_seed}
    assert files == {path.resolve() for path in (tmp_path / "study" / "splits").iterdir()}
    assert all(any("added since" in finding.what for finding in record.findings) for _, record in records[1])


def _records(folder, seed):
    return [(path.parent, DataRecord.read(path)) for path in folder.rglob(f"seed-{seed}/data.json")]


@pytest.mark.slow
def test_a_study_whose_images_have_changed_names_the_first(tmp_path):
    fill(tmp_path / "data")
    study(tmp_path, 1).train(InThisProcess(), print)
    fill(tmp_path / "data", changed="image-3")
    study(tmp_path, 2).train(InThisProcess(), print)
    assert not _records(tmp_path / "study", 1)
    assert all("image-3" in (failure_of(path) or "") for path in (tmp_path / "study").rglob("seed-1"))


def test_the_run_folder_holds_what_was_found(home):
    folder, _ = home
    record = json.loads((folder / "run" / "data.json").read_text())
    assert record["source"] == "image-folder"
    assert record["classes"] == ["cat", "dog"]
    assert Path(record["split_file"]).name == "split.jsonl.gz"
