"""A run, a resume and a study killed at every file event give the same result, bit for bit, when resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import reorder_kit
from file_events import Content, content_of, restore, states_of
from in_this_process import InThisProcess
from reorder_kit import hookimpl
from reorder_kit.errors import ReorderKitError
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.runs.folder_lock import LOCK
from reorder_kit.studies.checking import check_study
from reorder_kit.studies.run_study import StudyRun
from reorder_kit.studies.study_folder import StudyFolder
from reorder_kit.testing import host_with
from reorder_kit.whole_file import UNFINISHED

DATA = {"grid": [4, 4], "train_images": 24, "validation_images": 8, "test_images": 8, "batch_size": 12}
BACKBONE = {"patch_size": 2, "dim": 8, "heads": 2, "depth": 1}
RECIPE = {
    "format_version": 1,
    "name": "tiny",
    "data": {"name": "planted-chain", **DATA},
    "backbone": {"name": "local", **BACKBONE},
    "order": {"start": "hilbert", "learner": {"name": "reinforce", "warmup_epochs": 0, "search_epochs": 2}},
    "train": {"epochs": 2, "device": "cpu", "ema_decay": 0.9},
}
STUDY = {
    "format_version": 1,
    "name": "tiny",
    "seeds": 1,
    "recipe": {"train": {"epochs": 1, "device": "cpu"}},
    "data": {"planted-chain": DATA},
    "backbones": {"local": BACKBONE},
    "starts": ["row", "hilbert"],
    "controls": [],
}
TIMES = ("seconds", "images_per_second", "encoder", "command", "checksum", "files", "run_files")
HOST = host_with()


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The folder of the run or study, with nothing else in it."""
    monkeypatch.setattr(PluginHost, "from_environment", lambda blocked=(): HOST)
    root = tmp_path / "root"
    root.mkdir()
    return root


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_times(each) for name, each in value.items() if name not in TIMES}
    return [without_times(each) for each in value] if isinstance(value, list) else value


def outcome(root: Path) -> dict[str, Any]:
    """The content of all files, without times and meaningless parts."""
    found = content_of(root).items()
    return {name: _without_times(name, content) for name, content in found if not _means_nothing(Path(name).name)}


def _means_nothing(name: str) -> bool:
    """A lock that nobody holds, and an empty file that was to show whether a folder can be written."""
    return name == LOCK or (name.startswith(".") and name.endswith(UNFINISHED))


def _without_times(name: str, content: bytes | None) -> Any:
    if content is None or "tensorboard" in name:  # which notes the time of each figure
        return None
    if name.endswith(".json"):
        return without_times(json.loads(content))
    return [without_times(json.loads(line)) for line in content.splitlines()] if name.endswith(".jsonl") else content


def train(root: Path, host: PluginHost = HOST, resume: bool = False, **changes: Any) -> None:
    reorder_kit.run({**RECIPE, **changes}, out=root / "run", resume=resume, host=host)


def go_on(root: Path, host: PluginHost = HOST, **changes: Any) -> None:
    """As a person would: resume, unless there is no folder yet."""
    train(root, host, resume=(root / "run").exists(), **changes)


def assert_goes_on(root: Path, states: list[tuple[str, Content]], go_on: Any, expected: dict[str, Any]) -> None:
    """The same outcome from each state."""
    for event, content in states:
        restore(root, content)
        try:
            go_on(root)
        except ReorderKitError as error:
            pytest.fail(f"killed {event}, it cannot be resumed: {error}")
        found = outcome(root)
        different = {name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)}
        assert not different, f"killed {event}, it differs in {different}"


def test_a_run_that_is_killed_at_any_file_event_goes_on_bit_for_bit(root):
    with states_of(root) as states:
        train(root)
    expected = outcome(root)
    found = states.distinct()
    events = [event for event, _ in found]
    for file in ("recipe.yaml", "orders/start.json", "orders/epoch-0002.json", "test_scores.npy", "result.json"):
        assert f"within run/{file}{UNFINISHED}" in events
    for file in ("metrics.jsonl", "orders/sampled-process-0.jsonl", "checkpoints/unfinished/model.safetensors"):
        assert f"within run/{file}" in events
    assert not [event for event in events if event == "within run/orders/start.json"]
    assert_goes_on(root, found, go_on, expected)


def test_a_resume_that_is_killed_at_any_file_event_goes_on_bit_for_bit(root):
    with states_of(root) as states:
        train(root)
    expected = outcome(root)
    # The worst leftovers of a kill: a line without its checkpoint, and half a checkpoint.
    (stopped,) = [content for event, content in states.distinct() if event.startswith("within run/checkpoints")][-1:]
    lines = stopped["run/metrics.jsonl"]
    assert lines is not None
    restore(root, {**stopped, "run/metrics.jsonl": lines + lines[:50], f"run/recipe.yaml{UNFINISHED}": b"form"})
    with states_of(root) as resumed:
        train(root, resume=True)
    assert outcome(root) == expected
    kept = ("recipe.yaml", "data.json", "plugins.json", "environment.json", "fitted.json", "orders/start.json")
    touched = {event for event, _ in resumed.found for name in kept if f"run/{name}" in event}
    assert touched == {f"before os.remove run/recipe.yaml{UNFINISHED}"}
    assert_goes_on(root, resumed.distinct(), go_on, expected)


class Stop:
    @hookimpl
    def run_started(self, run):
        raise KeyboardInterrupt


def test_what_is_stopped_before_its_first_step_is_resumed(root):
    with pytest.raises(KeyboardInterrupt):
        train(root, host_with(Stop()))
    assert not (root / "run" / LOCK).exists()
    train(root, resume=True)
    resumed = outcome(root)
    restore(root, {})
    train(root)
    assert outcome(root) == resumed


@pytest.mark.slow
def test_a_run_with_a_control_that_is_killed_at_any_file_event_goes_on_bit_for_bit(root):
    changes = {"controls": ["fixed-start"], "train": {"epochs": 1, "device": "cpu"}}
    with states_of(root) as states:
        train(root, **changes)
    expected = outcome(root)
    assert_goes_on(root, states.distinct(), lambda root: go_on(root, **changes), expected)


@pytest.mark.slow
def test_pictures_are_whole_and_are_drawn_again_until_there_is_a_result(root):
    host = PluginHost(third_party=False)
    with states_of(root) as states:
        train(root, host)
    expected = outcome(root)
    assert not [event for event, _ in states.found if event.startswith("within") and event.endswith(".png")]
    drawn = [(event, content) for event, content in states.distinct() if f".png{UNFINISHED}" in event]
    assert {f"within run/{name}.png{UNFINISHED}" for name in ("predictions", "order", "curves")} <= {
        e for e, _ in drawn
    }
    unfinished = [(event, content) for event, content in drawn if "run/result.json" not in content]
    assert len(unfinished) == 3
    assert_goes_on(root, unfinished, lambda root: go_on(root, host), expected)


def train_study(root: Path) -> None:
    host = PluginHost.from_environment()
    checked = check_study(STUDY, host, "tiny.yaml", Path())
    StudyRun(checked, StudyFolder(root / "study"), host, "reorder-kit study tiny.yaml").train(
        InThisProcess(), lambda report: None
    )


def study_states(root: Path) -> tuple[list[tuple[str, Content]], dict[str, Any]]:
    with states_of(root) as states:
        train_study(root)
    return states.distinct(), outcome(root)


def test_a_study_that_is_killed_at_any_of_its_own_file_events_goes_on_bit_for_bit(root):
    states, expected = study_states(root)
    own = [(event, content) for event, content in states if "/cells/" not in event]
    assert {"within study/study.yaml.unfinished", "within study/study.json.unfinished"} <= {event for event, _ in own}
    assert_goes_on(root, own, train_study, expected)


@pytest.mark.slow
def test_a_study_that_is_killed_at_file_events_of_its_runs_goes_on_bit_for_bit(root):
    states, expected = study_states(root)
    of_runs = [(event, content) for event, content in states if "/cells/" in event]
    assert_goes_on(root, of_runs[::3], train_study, expected)  # each is one of a run, too
