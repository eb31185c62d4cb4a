"""The events that trackers get from a run and its controls, over a stop and a resume, and their failures."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch

import reorder_kit
from reorder_kit import hookimpl
from reorder_kit.errors import RecipeError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.loaded_run import LoadedRun
from reorder_kit.experiment.recipe_schema import recipe_schema
from reorder_kit.experiment.reopening import other_fields
from reorder_kit.host.plugin_record import PluginError
from reorder_kit.interfaces import Tracker, TrackerOptions
from reorder_kit.model.fixed_policies import FixedOrder
from reorder_kit.order_learners._phases import PhasedLearner, PhaseOptions
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.testing import host_with
from reorder_kit.training.tracking import Tracking

EPOCHS = 3


class Diary(Tracker):
    """Records its events."""

    name = "diary"
    told: ClassVar[list[tuple[Any, ...]]] = []

    class Options(TrackerOptions):
        fails_in: str = ""

    def start(self, run):
        self.run = run
        self.tell("start", run)

    def log(self, epoch, figures):
        self.tell("log", epoch, figures)

    def note(self, epoch, text):
        self.tell("note", epoch, text)

    def save(self, file):
        self.tell("save", file)

    def finish(self, status, summary):
        self.tell("finish", status, summary)

    def tell(self, event, *facts):
        if self.options.fails_in == event:
            raise OSError("no route to host")
        if self.options.fails_in == f"{event} by exit":
            raise SystemExit(1)
        self.told.append((self.run.name, event, *facts))


class Interrupt:
    """Ctrl-C at the end of an epoch of the run or a control, before any tracker receives it."""

    def __init__(self, name, epoch):
        self.name, self.epoch = name, epoch

    @hookimpl
    def epoch_finished(self, run, epoch):
        if (run.name, epoch) == (self.name, self.epoch):
            raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def told():
    """The events of the trackers in the test."""
    Diary.told.clear()
    return Diary.told


def recipe(tracker="diary", **sections):
    return {
        "format_version": 1,
        "name": "night",
        "data": {"name": "digits", "batch_size": 600},
        "backbone": {"name": "local", "patch_size": 2, "dim": 8, "depth": 1},
        "schedule": {"warmup_epochs": 0},
        "train": {"epochs": EPOCHS, "device": "cpu"},
        "trackers": [tracker],
        **sections,
    }


def run(content, out, *plugins, **options):
    return reorder_kit.run(content, out=out, host=host_with(Diary, *plugins), **options)


def events(told, name="night"):
    """Every event of one run, with its epoch."""
    return [tuple(line[1:3]) if line[1] == "log" else line[1] for line in told if line[0] == name]


def test_a_run_is_told_from_start_to_end(told, tmp_path):
    result = run(recipe(), tmp_path / "run")
    assert events(told) == ["start", ("log", 1), ("log", 2), ("log", 3), "save", "finish"]
    begun = told[0][2]
    assert (begun.name, begun.group, begun.kind, begun.is_resumed) == ("night", "night", "run", False)
    assert begun.config["backbone"]["dim"] == 8
    assert begun.config["run"]["grid"] == "4x4"
    assert "trackers" not in begun.config
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    for line, (_, _, epoch, figures) in zip(lines, told[1:4], strict=True):
        assert figures["validation/top1"] == line["validation"]["top1"], epoch
        assert figures["train/loss"] == line["train"]["loss"]
        assert {"order/kendall_tau_to_start", "order/mean_rank_shift", "order/adjacency"} <= figures.keys()
    assert told[4][2] == tmp_path / "run" / "order.json"
    _, _, status, summary = told[5]
    assert (status, summary["test/top1"]) == ("finished", result.metrics.test["top1"])
    assert not any(name.startswith("validation") for name in summary)


def test_controls_are_runs_of_the_same_group_and_their_figures_are_in_the_summary(told, tmp_path):
    tracker = {"name": "diary", "files": "none"}
    content = recipe(tracker, order={"learner": "random-search"}, controls=["fixed-start"])
    result = run(content, tmp_path / "run")
    names = ["night", "night/fixed-start"]
    assert {line[0] for line in told} == set(names)
    begun = [line[2] for line in told if line[1] == "start"]
    assert [(each.name, each.group, each.kind) for each in begun] == [
        ("night", "night", "run"),
        ("night/fixed-start", "night", "control"),
    ]
    assert begun[0].id != begun[1].id
    last = [line for line in told if line[1] == "finish"]
    assert [line[0] for line in last] == names[::-1]
    control = result.controls["fixed-start"].metrics.test["top1"]
    assert last[0][3]["test/top1"] == last[1][3]["controls/fixed-start/test/top1"] == control
    assert not any(line[1] == "save" for line in told)


@pytest.mark.parametrize("epoch", [1, EPOCHS])
def test_a_resumed_run_goes_on_where_the_tracker_was_stopped(told, tmp_path, epoch):
    with pytest.raises(KeyboardInterrupt):
        run(recipe(), tmp_path / "run", Interrupt("night", epoch))
    assert events(told) == ["start", *(("log", number) for number in range(1, epoch)), "finish"]
    assert told[-1][2:] == ("stopped", {})
    first = told[0][2]
    told.clear()
    run(recipe(), tmp_path / "run", resume=True)
    # The epoch of the stop was saved, but not logged.
    missed = [("log", number) for number in range(epoch, EPOCHS + 1)]
    assert events(told) == ["start", *missed, "save", "finish"]
    assert told[0][2] == replace(first, is_resumed=True)
    assert told[-1][2] == "finished"


def test_a_run_is_stopped_where_one_of_its_controls_is(told, tmp_path):
    content = recipe(order={"learner": "random-search"}, controls=["fixed-start"])
    with pytest.raises(KeyboardInterrupt):
        run(content, tmp_path / "run", Interrupt("night/controls/fixed-start", 2))
    assert [(line[0], line[2]) for line in told if line[1] == "finish"] == [
        ("night/fixed-start", "stopped"),
        ("night", "stopped"),
    ]
    told.clear()
    run(content, tmp_path / "run", resume=True)
    assert events(told) == ["start", "save", "finish"]
    assert events(told, "night/fixed-start") == ["start", ("log", 2), ("log", 3), "save", "finish"]


def test_what_is_doubtful_is_noted_once(told, tmp_path):
    content = recipe(schedule={"warmup_epochs": EPOCHS})
    with pytest.raises(KeyboardInterrupt):
        run(content, tmp_path / "run", Interrupt("night", 1))
    run(content, tmp_path / "run", resume=True)
    notes = [line[2:] for line in told if line[1] == "note"]
    assert notes == [(0, "schedule.warmup_epochs: the step size is still warming up when the 3 epochs are over")]


class Swap(PhasedLearner):
    """Swaps the first two patches at the end of its search."""

    name = "swap"
    uses_reward = False
    Options = PhaseOptions

    def build_policy(self, context):
        return SwapPolicy(context.start)


class SwapPolicy(FixedOrder):
    def advance(self, progress):
        if progress.phase == "search" and progress.share == 1.0:
            self.indices[:2] = torch.tensor([1, 0])


def test_a_search_is_a_run_of_the_group_and_trials_are_none(told, tmp_path):
    learner = {"name": "swap", "search": "validated", "search_epochs": 1, "trial_steps": 2}
    run(recipe(order={"learner": learner}), tmp_path / "run", Swap)
    assert len(list((tmp_path / "run" / "trials").iterdir())) > 1
    begun = [line[2] for line in told if line[1] == "start"]
    assert [(each.name, each.kind, each.group) for each in begun] == [
        ("night/search", "search", "night"),
        ("night", "run", "night"),
    ]
    # A warm-up of one epoch by default, and one of search.
    assert events(told, "night/search") == ["start", ("log", 1), ("log", 2), "save", "finish"]


FAILURES = {"start": [], "log": ["start", "save", "finish"], "finish": ["start", ("log", 1), ("log", 2), "save"]}


@pytest.mark.parametrize("event", FAILURES)
def test_a_tracker_that_fails_is_reported_once_and_the_run_goes_on(told, tmp_path, event):
    content = recipe({"name": "diary", "fails_in": event}, train={"epochs": 2, "device": "cpu"})
    result = run(content, tmp_path / "run")
    assert result.metrics.test["top1"] > 0
    warnings = [warning.splitlines()[0] for warning in result.warnings if "diary" in warning]
    assert warnings == [f"tracker 'diary' of plugin 'Diary' failed in {event}; the run continues"]
    assert events(told) == FAILURES[event]


class Rude(Diary):
    """Another tracker, with a separate record."""

    name = "rude"


def test_a_tracker_that_ends_the_process_fails_the_run_and_the_others_are_told(told, tmp_path):
    content = recipe(trackers=["diary", {"name": "rude", "fails_in": "log by exit", "files": "none"}])
    with pytest.raises(PluginError, match="tracker 'rude' of plugin 'Rude-1' ended the run in log"):
        run(content, tmp_path / "run", Rude)
    of_diary = [line[1:] for line in told if line[1] in ("note", "finish")][:2]
    assert of_diary[0][:2] == ("note", 1)
    assert "ended the run in log" in of_diary[0][2]
    assert of_diary[1] == ("finish", "failed", {})


def test_only_the_main_process_tells(told, tmp_path):
    host = host_with(Diary)
    experiment = compose(recipe(), host, "night")
    info = SimpleNamespace(name="night", directory=tmp_path, first_epoch=1)
    tracking = Tracking(experiment, info, host, is_main_process=False)
    tracking.start()
    tracking.finish({})
    assert told == []


def problems(content, *plugins):
    with pytest.raises(RecipeError) as caught:
        compose(content, host_with(Diary, *plugins), "night")
    return [(problem.path, problem.message, problem.hint) for problem in caught.value.problems]


class Absent(Diary):
    """Its library does not exist."""

    name = "absent"
    library, install = "a_library_that_is_nowhere", "pip install nowhere"


def test_a_library_that_is_missing_is_said_with_its_command_before_anything_runs():
    assert problems(recipe("absent"), Absent) == [
        ("trackers.0.name", "tracker 'absent' needs a_library_that_is_nowhere, which is not installed",
         "pip install nowhere")
    ]  # fmt: skip


def test_mistakes_in_the_section_are_told_with_their_place():
    content = recipe(trackers=["diary", {"name": "diary", "group": ""}])
    assert [path for path, _, _ in problems(content)] == ["trackers", "trackers.1.group"]
    content = recipe(trackers=["dairy", {"name": "diary", "tag": "x"}, {"name": "wandb"}])
    assert [(path, hint) for path, _, hint in problems(content)] == [
        ("trackers.0.name", "did you mean 'diary'?"),
        ("trackers.1.tag", "did you mean 'tags'?"),
        ("trackers.2.name", "trackers come with plugins, such as reorder-kit-trackers"),
    ]


def test_the_schema_lists_trackers_with_their_options():
    items = recipe_schema(host_with(Diary))["properties"]["trackers"]["items"]
    assert items["oneOf"][0]["properties"].keys() == {"name", "group", "tags", "files", "fails_in"}
    assert recipe_schema(host_with())["properties"]["trackers"]["items"] == {"oneOf": [{"not": {}}]}


def test_a_tracked_run_is_opened_and_resumed_without_its_tracker(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(recipe(), tmp_path / "run", Interrupt("night", 2))
    LoadedRun.open(tmp_path / "run", host_with())
    content = recipe(trackers=[])
    assert other_fields(RunFolder(tmp_path / "run"), compose(content, host_with(), "night").resolved()) == []
    reorder_kit.run(content, out=tmp_path / "run", host=host_with(), resume=True)
