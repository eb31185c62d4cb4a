"""Warnings of the functions: Python warnings, once, at the calling line."""

from __future__ import annotations

import inspect
import logging
import warnings
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import pytest

import reorder_kit
from made_results import epoch_record, figures, run_result
from reorder_kit import ReorderKitWarning
from reorder_kit.api.found import FindingWarnings
from reorder_kit.caller import Caller
from reorder_kit.hookspecs import hookimpl
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import Finding
from reorder_kit.jobs.work import PICTURES
from reorder_kit.runs.result import RunMetrics

DOUBTFUL: dict[str, Any] = {
    "format_version": 1,
    "name": "doubtful",
    "data": {"name": "digits", "batch_size": 300},
    "backbone": {"name": "local", "patch_size": 4, "dim": 8, "depth": 1},
    "order": {"start": "column", "learner": {"name": "softsort", "warmup_epochs": 0}},
    "train": {"epochs": 1, "device": "cpu"},
}


class StopError(Exception):
    """A stand-in for training."""


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object) -> None:
        logging.getLogger("reorder_kit.experiment").warning("data: %s", "odd")
        raise StopError

    monkeypatch.setattr("reorder_kit.training.run.run_experiment", stop)


@pytest.mark.usefixtures("no_training")
def test_what_the_command_prints_is_warned_of_at_the_line_that_calls(capfd: pytest.CaptureFixture[str]) -> None:
    line = inspect.currentframe().f_lineno + 2  # type: ignore[union-attr]
    with pytest.warns(ReorderKitWarning) as told, pytest.raises(StopError):
        reorder_kit.run(DOUBTFUL, host=PluginHost(third_party=False))
    assert [str(each.message) for each in told] == [
        "controls: there are none, so nothing shows whether a gain comes from the learned order",
        "data: odd",
    ]
    assert {(each.filename, each.lineno) for each in told} == {(__file__, line)}
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("reorder_kit").handlers == []


@pytest.mark.usefixtures("no_training")
def test_warnings_can_be_made_errors() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ReorderKitWarning)
        with pytest.raises(ReorderKitWarning, match="controls: there are none, so nothing shows"):
            reorder_kit.run(DOUBTFUL, host=PluginHost(third_party=False))


@pytest.mark.usefixtures("no_training")
def test_a_plugin_that_failed_is_warned_of(install: Any) -> None:
    install("broken-dist", {"broken": "no_such_module"})
    with (
        pytest.warns(ReorderKitWarning, match="plugin 'broken' of broken-dist failed: ") as told,
        pytest.raises(StopError),
    ):
        reorder_kit.run(DOUBTFUL)
    assert told[0].filename == __file__


def test_a_learner_in_a_loop_of_ones_own_warns_at_its_line() -> None:
    with pytest.warns(ReorderKitWarning, match="the search never starts") as told:
        reorder_kit.learner("reinforce", 4, start="row", epochs=1, steps_per_epoch=1, warmup_epochs=2)
    assert [each.filename for each in told] == [__file__]


def test_a_caller_says_a_thing_once_and_remembers_it() -> None:
    caller = Caller.here()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for text in ("first", "second", "first"):
            caller.warn(text)
    assert [str(each.message) for each in told] == caller.told == ["first", "second"]


def test_handlers_of_the_program_do_not_say_warnings_again() -> None:
    heard: list[str] = []

    class Ears(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    ears, package, other = Ears(), logging.getLogger("reorder_kit.data"), logging.getLogger("other")
    logging.getLogger().addHandler(ears)
    package.setLevel(logging.INFO)
    try:
        with warnings.catch_warnings(record=True) as told, Caller.here().warned_of_logs():
            warnings.simplefilter("always")
            package.warning("odd")
            package.info("even")
            other.warning("from elsewhere")
        package.warning("odd again")
    finally:
        logging.getLogger().removeHandler(ears)
        package.setLevel(logging.NOTSET)
    assert [str(each.message) for each in told] == ["odd"]
    assert heard == ["even", "from elsewhere", "odd again"]
    assert ears.filters == []


def test_findings_are_warned_of_once_for_all_epochs_and_splits() -> None:
    turned, dropped = Finding("turned", 2, "a.jpg"), Finding("dropped", 1, "b.jpg")
    validation = figures(top1=0.5, unreadable=["torn.png"])
    record = epoch_record(findings=(turned,), unreadable=["gone.png"], validation=validation)
    test = figures(top1=0.5, findings=[asdict(turned), asdict(dropped)], unreadable=["torn.png", "third.png"])
    result = run_result(metrics=RunMetrics(test=test, validation=figures(top1=0.5)))
    host = PluginHost(third_party=False, blocked=PICTURES)
    caller = Caller.here()
    run = SimpleNamespace(name="mine")
    with host.followed_by(FindingWarnings(caller), "warnings"):
        for epoch in (1, 2):
            host.announce("epoch_finished", run=run, epoch=epoch, record=record)
        host.announce("run_finished", run=run, result=result, epochs={})
    assert caller.told == [
        "mine: 2 images could not be read: gone.png, torn.png",
        "mine: turned: 2, such as a.jpg",
        "mine: 1 image could not be read: third.png",
        "mine: dropped: 1, such as b.jpg",
    ]


def test_what_is_found_is_the_error_itself_where_warnings_are_errors() -> None:
    host = PluginHost(third_party=False, blocked=PICTURES)
    caller = Caller.here()
    record = epoch_record(unreadable=["gone.png"], validation=figures(top1=0.5))
    run = SimpleNamespace(name="mine")
    with warnings.catch_warnings(), caller.warned_of_logs(), host.followed_by(FindingWarnings(caller), "warnings"):
        warnings.simplefilter("error", ReorderKitWarning)
        with pytest.raises(ReorderKitWarning, match=r"^mine: 1 image could not be read: gone\.png$"):
            host.announce("epoch_finished", run=run, epoch=1, record=record)


def test_a_listener_follows_for_a_while() -> None:
    heard = []

    class Ears:
        @hookimpl
        def run_started(self, run: object) -> None:
            heard.append(run)

    host = PluginHost(third_party=False, blocked=PICTURES)
    before = list(host.plugins)
    for _ in range(2):  # the name is free again
        with host.followed_by(Ears(), "ears"):
            host.announce("run_started", run="here")
    host.announce("run_started", run="gone")
    assert heard == ["here", "here"]
    assert host.plugins == before
