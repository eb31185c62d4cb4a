"""A complete tiny study, trained in this process: what it writes, and how it resumes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import yaml

from in_this_process import InThisProcess
from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.jobs.work import do_work
from reorder_kit.order_learners.softsort import SoftSort, SoftSortPolicy
from reorder_kit.runs.folder_lock import alone
from reorder_kit.studies.cell_run import CellRun
from reorder_kit.studies.cells import recipe_of
from reorder_kit.studies.checking import check_study
from reorder_kit.studies.results import StudyResult
from reorder_kit.studies.run_study import StudyRun
from reorder_kit.studies.study_folder import StudyFolder

CONTENT = {
    "format_version": 1,
    "name": "tiny",
    "seeds": 2,
    "recipe": {"train": {"epochs": 1, "device": "cpu"}},
    "data": {"digits": {"batch_size": 600}},
    "backbones": {"local": {"patch_size": 2, "depth": 1, "window": 2, "dim": 8, "readout": "last"}},
    "starts": ["row", "random"],
    "learners": {"softsort": {"from": ["random"], "warmup_epochs": 0, "lr": 1.0}},
    "controls": ["learned-static", "random-fixed"],
}
FIXED = ["row", "random"]
LEARNED = ["random/softsort", "random/softsort/learned-static"]
ROWS = [*FIXED, *LEARNED, "row/random-fixed"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Train the study, with changes, in a folder; returns the report of each run and the result."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REORDER_KIT_NO_THIRD_PARTY", "1")

    def run(executor=None, command="reorder-kit study tiny.yaml", **changes):
        study = a_study(command, **changes)
        reports = []
        return reports, study.train(executor or InThisProcess(), reports.append)

    return run


def a_study(command="reorder-kit study tiny.yaml", **changes):
    host = PluginHost.from_environment()
    checked = check_study({**CONTENT, **changes}, host, "tiny.yaml", Path())
    return StudyRun(checked, StudyFolder(Path("runs/tiny")), host, command)


def result(row, seed):
    return json.loads(Path(f"runs/tiny/cells/digits/local/{row}/seed-{seed}/result.json").read_text())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished study, the report of each run, and the result."""
    home = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("REORDER_KIT_NO_THIRD_PARTY", "1")
        reports = []
        results = a_study().train(InThisProcess(), reports.append)
    return home, reports, results


@pytest.fixture
def there(finished, monkeypatch):
    """Where it is."""
    monkeypatch.chdir(finished[0])


@pytest.mark.usefixtures("there")
def test_a_study_trains_every_run_and_writes_what_came_out(finished):
    _, reports, results = finished
    assert [(str(report.cell), report.failure) for report in reports] == [
        (f"digits/local/{row}/seed-{seed}", None) for seed in (0, 1) for row in ROWS
    ]
    assert StudyResult.read(Path("runs/tiny/study.json")) == results
    assert (results.name, results.headline, results.alpha) == ("tiny", "top1", 0.05)
    assert (results.failures, results.unfinished) == ((), 0)
    assert results.commands == ("reorder-kit study tiny.yaml",)
    assert results.environment.device == "cpu"
    assert results.environment.command == ()

    keys = [(row.data, row.backbone, row.start, row.learner, row.control) for row in results.rows]
    assert keys == [
        ("digits", "local", "row", None, None),
        ("digits", "local", "random", None, None),
        ("digits", "local", "random", "softsort", None),
        ("digits", "local", "random", "softsort", "learned-static"),
        ("digits", "local", "row", None, "random-fixed"),
    ]
    for name, row in zip(ROWS, results.rows, strict=True):
        own = [result(name, seed) for seed in (0, 1)]
        values = [each["metrics"]["test"]["top1"] for each in own]
        assert row.score.values == tuple(values)
        assert row.score.mean == pytest.approx(sum(values) / 2)
        # Student's t for one degree of freedom is 12.706; the standard error of two values is half their distance.
        # Other images, which are drawn, add no more than the error of as many independent ones.
        seeds_alone = 12.7062 * abs(values[0] - values[1]) / 2
        images = own[0]["metrics"]["test"]["images"]
        images_alone = 1.96 * (row.score.mean * (1 - row.score.mean) / images) ** 0.5
        half = row.score.high - row.score.mean
        assert 0.9 * seeds_alone <= half <= 1.1 * (seeds_alone + images_alone)
        assert row.seeds == (0, 1)
        assert row.runs == tuple(f"cells/digits/local/{name}/seed-{seed}" for seed in (0, 1))
        # The last slot sees two slots before it.
        assert (row.reached_slots, row.num_slots, row.is_selection) == (3, 16, True)
        assert row.seconds == pytest.approx(sum(each["seconds"] for each in own) / 2)


@pytest.mark.usefixtures("there")
def test_rows_of_one_seed_are_paired():
    for seed in (0, 1):
        start, learned = result("random", seed)["order"]["start"], result("random/softsort", seed)["order"]
        assert learned["start"] == start
        assert learned["final"] != start
        assert result("random/softsort/learned-static", seed)["order"]["start"] == learned["final"]
        recipes = [yaml.safe_load(Path(f"runs/tiny/{path}/recipe.yaml").read_text()) for path in paths(seed)]
        assert {recipe["seed"] for recipe in recipes} == {seed}
        assert all(recipe["backbone"] == recipes[0]["backbone"] for recipe in recipes)
        assert all(recipe["train"] == recipes[0]["train"] for recipe in recipes)
        assert all(recipe["controls"] == [] for recipe in recipes)
    assert result("random", 0)["order"]["start"] != result("random", 1)["order"]["start"]
    assert result("row/random-fixed", 0)["order"]["start"] != list(range(16))


def paths(seed):
    return [f"cells/digits/local/{row}/seed-{seed}" for row in ROWS]


@pytest.mark.usefixtures("there")
def test_what_each_test_image_scores_is_kept(finished):
    for row in finished[-1].rows:
        for path, value in zip(row.runs, row.score.values, strict=True):
            scores = np.load(f"runs/tiny/{path}/test_scores.npy")
            assert (scores.dtype, scores.shape) == (np.float32, (497,))
            assert set(scores) <= {0.0, 1.0}
            assert math.isclose(scores.mean(), value, rel_tol=1e-6)


@pytest.mark.slow
def test_finished_runs_are_not_trained_again_and_more_seeds_may_be_added(run):
    few = {"learners": {}, "controls": []}
    run(**few, seeds=1)
    again, command = InThisProcess(), "reorder-kit study tiny.yaml --set seeds=2 --set margin=0.02"
    reports, results = run(again, command, margin=0.02, **few)
    assert again.done == ["digits/local/row/seed-1", "digits/local/random/seed-1"]
    assert len(reports) == 2
    assert [row.seeds for row in results.rows] == [(0, 1), (0, 1)]
    assert results.commands == ("reorder-kit study tiny.yaml", command)
    idle = InThisProcess()
    assert run(idle, command, margin=0.02, **few) == ([], results)
    assert idle.done == []


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"seeds": 1}, "seeds"),
        (
            {"recipe": {"train": {"epochs": 2, "device": "cpu"}}, "starts": ["random"]},
            "recipe.train.epochs, starts.random, starts.row",
        ),
    ],
)
def test_another_study_is_refused(run, changes, fields):
    run(seeds=2, starts=["row"], learners={}, controls=[])
    with pytest.raises(ReorderKitError) as error:
        run(**{"starts": ["row"], "learners": {}, "controls": [], **changes})
    assert error.value.message == f"runs/tiny holds another study; these fields differ: {fields}"
    assert error.value.hint == "give another --out"


def test_a_folder_of_something_else_is_refused(run):
    Path("runs/tiny").mkdir(parents=True)
    Path("runs/tiny/recipe.yaml").write_text("name: tiny\n")
    with pytest.raises(ReorderKitError, match="is not an empty folder and holds no study"):
        run()


def test_two_at_once_in_a_folder_are_refused(run):
    Path("runs/tiny").mkdir(parents=True)
    with alone(Path("runs/tiny")), pytest.raises(ReorderKitError, match="another process is working"):
        run()


@pytest.mark.slow
def test_a_run_whose_process_was_killed_is_told_and_tried_again(run):
    reports, results = run(InThisProcess(lost=["digits/local/random/softsort/seed-0"]))
    told = {str(report.cell): report.failure for report in reports}
    assert told["digits/local/random/softsort/seed-0"] == "its process was ended by SIGKILL"
    assert [failure.run for failure in results.failures] == ["cells/digits/local/random/softsort/seed-0"]
    # Its order from scratch could not be trained; everything else was.
    assert results.unfinished == 1
    assert [len(row.seeds) for row in results.rows] == [2, 2, 1, 1, 2]
    again = InThisProcess()
    _, results = run(again)
    assert again.done == [f"digits/local/random/softsort/{name}" for name in ("seed-0", "learned-static/seed-0")]
    assert (results.failures, results.unfinished) == ((), 0)


def interrupt(report):
    raise KeyboardInterrupt


@pytest.mark.usefixtures("run")
def test_a_run_that_was_not_tried_again_keeps_the_reason_of_its_failure():
    study = a_study(learners={}, controls=[], seeds=1)
    lost = [f"digits/local/{row}/seed-0" for row in FIXED]
    study.train(InThisProcess(lost=lost), lambda report: None)
    with pytest.raises(KeyboardInterrupt):
        study.train(InThisProcess(), interrupt)
    first, second = (study.folder.failure(cell) for cell in study.cells)
    assert first is None
    assert second == "its process was ended by SIGKILL"


class Interrupted(InThisProcess):
    def wait(self):
        raise KeyboardInterrupt


@pytest.mark.usefixtures("run")
def test_the_command_of_a_study_that_is_stopped_at_once_is_kept():
    for number, commands in ((1, ["1"]), (2, ["1", "2"])):
        with pytest.raises(KeyboardInterrupt):
            a_study(str(number)).train(Interrupted(), lambda report: None)
        results = StudyResult.read(Path("runs/tiny/study.json"))
        assert results.commands == tuple(commands)
        assert (results.rows, results.failures, results.unfinished) == ((), (), 10)


@pytest.mark.usefixtures("run")
def test_a_stop_is_told_though_the_study_cannot_be_summed_up():
    def spoil_and_interrupt(report):
        Path(f"runs/tiny/{report.cell.path}/test_scores.npy").write_bytes(b"spoilt")
        raise KeyboardInterrupt

    study = a_study(learners={}, controls=[], seeds=1)
    with pytest.raises(KeyboardInterrupt):
        study.train(InThisProcess(), spoil_and_interrupt)
    with pytest.raises(ReorderKitError, match=r"test_scores\.npy: is damaged"):
        study.train(InThisProcess(), lambda report: None)


@pytest.mark.usefixtures("run", "with_a_mistake")
def test_a_run_notes_its_failure_though_nobody_waits_for_it():
    study = a_study(learners=LEARNERS, controls=[], seeds=1)
    (cell,) = (cell for cell in study.cells if cell.row.learner == "hopeless")
    recipe, folder = recipe_of(study.checked.study, cell, study.host, study.folder.path), study.folder.run(cell).path
    do_work(CellRun(cell, recipe, folder))
    assert study.folder.failure(cell).startswith(HOPELESS)


@pytest.mark.slow
def test_a_learned_order_is_trained_from_scratch_when_it_is_there(run):
    many = InThisProcess(at_a_time=100)
    run(many)
    first = [f"digits/local/{row}/seed-{seed}" for seed in (0, 1) for row in ROWS if "learned-static" not in row]
    assert many.done == [*first, *(f"digits/local/random/softsort/learned-static/seed-{seed}" for seed in (0, 1))]


class Hopeless(SoftSort):
    """A learner whose policy fails with odd seeds."""

    name = "hopeless"

    def build_policy(self, context):
        return HopelessPolicy(self.options, context.start)


HOPELESS = "order-learner 'hopeless' of plugin 'mistake' raised IndexError: no such thing, in HopelessPolicy.loss"


class HopelessPolicy(SoftSortPolicy):
    def loss(self, passes, batch=None):
        raise IndexError("no such thing")


class Plugin:
    @hookimpl
    def register_order_learners(self):
        return [Hopeless]


@pytest.fixture
def with_a_mistake(monkeypatch):
    """Processes find a faulty learner among their plugins."""
    from_environment = PluginHost.from_environment

    def with_plugin(blocked=()):
        host = from_environment(blocked)
        host.add(Plugin(), "mistake")
        return host

    monkeypatch.setattr(PluginHost, "from_environment", with_plugin)


HOPELESS = "order-learner 'hopeless' of plugin 'mistake' raised IndexError: no such thing"
LEARNERS = {"softsort": {"from": ["random"], "warmup_epochs": 0}, "hopeless": {"from": ["row"], "warmup_epochs": 0}}


@pytest.mark.slow
def test_a_run_that_fails_stops_no_other(run, with_a_mistake):
    _, results = run(learners=LEARNERS, seeds=1)
    failure = "cells/digits/local/row/hopeless/seed-0"
    assert [each.run for each in results.failures] == [failure]
    assert results.failures[0].reason.startswith(HOPELESS)
    assert results.unfinished == 1
    noted = json.loads(Path(f"runs/tiny/{failure}/failure.json").read_text())
    assert noted["traceback"].startswith("Traceback")
    assert "raise IndexError" in noted["traceback"]
    assert len(results.rows) == 5


@pytest.mark.slow
def test_smoke_tries_every_row_and_leaves_nothing_behind(run, with_a_mistake):
    reports = []
    failures = a_study(learners=LEARNERS).smoke(InThisProcess(), reports.append)
    assert [failure.run for failure in failures] == ["digits/local/row/hopeless/seed-0"]
    assert failures[0].reason.startswith(HOPELESS)
    # The order of a failed run cannot be tried from scratch.
    assert len(reports) == 6
    assert all(report.cell.seed == 0 for report in reports)
    assert [path.name for path in Path("runs/tiny").iterdir()] == ["study.yaml"]


@pytest.mark.slow
def test_smoke_takes_a_few_steps_only(run, monkeypatch):
    taken = []

    class Steps:
        @hookimpl
        def run_finished(self, run, result, epochs):
            phases = [record.phase for record in epochs[run.name]]
            taken.append((run.epochs, run.steps_per_epoch, result.metrics.test.images, phases))

    from_environment = PluginHost.from_environment

    def with_listener(blocked=()):
        host = from_environment(blocked)
        host.add(Steps(), "steps")
        return host

    monkeypatch.setattr(PluginHost, "from_environment", with_listener)
    long = {"name": "softsort", "from": ["random"], "warmup_epochs": 6, "search_epochs": 50}
    study = a_study(
        recipe={"train": {"epochs": 100, "device": "cpu"}},
        data={"digits": {"batch_size": 10}},
        learners={"softsort": long},
    )
    assert study.smoke(InThisProcess(), lambda report: None) == []
    # 2 steps of 10 images an epoch, and 20 images of the test split; the learner searches in the first epoch.
    assert [each[:3] for each in taken] == [(2, 2, 20)] * 5
    assert taken[2][3] == ["search", "hardened"]


@pytest.mark.slow
def test_the_results_are_written_now_and_then(run, monkeypatch):
    """The state of a running study says how much is missing."""
    seen = []
    study = a_study(learners={}, controls=[])

    def look(report):
        file = Path("runs/tiny/study.json")
        if file.exists():
            results = StudyResult.read(file)
            seen.append((results.unfinished, sum(len(row.seeds) for row in results.rows)))

    monkeypatch.setattr("reorder_kit.studies.summary.SHARE_OF_TIME", 1e9)
    study.train(InThisProcess(), look)
    assert seen == [(3, 1), (2, 2), (1, 3)]
