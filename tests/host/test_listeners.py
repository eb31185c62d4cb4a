"""Plugins that follow a run: which events they get, and what happens if one raises."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from reorder_kit import hookimpl
from reorder_kit.host import builtin
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.host.plugin_record import PluginError
from reorder_kit.orders.order import Order


def host_without_listeners():
    blocked = [module.removeprefix("reorder_kit.") for module in builtin.MODULES if ".events." in module]
    return PluginHost(third_party=False, blocked=blocked)


def failing_listener(run):
    raise RuntimeError("disk full")


def test_a_listener_that_raises_is_reported_once_and_stops_no_other(caplog):
    heard = []
    host = host_without_listeners()
    host.add(SimpleNamespace(run_started=hookimpl(lambda run: heard.append(("first", run)))), "first")
    host.add(SimpleNamespace(run_started=hookimpl(failing_listener)), "failing")
    host.add(SimpleNamespace(run_started=hookimpl(lambda run: heard.append(("last", run)))), "last")
    with caplog.at_level(logging.WARNING):
        host.announce("run_started", run=1)
        host.announce("run_started", run=2)

    assert heard == [("first", 1), ("last", 1), ("first", 2), ("last", 2)]
    (line,) = caplog.records
    assert "'failing' failed in run_started" in line.getMessage()
    assert "disk full" in caplog.text


def test_each_event_in_which_a_listener_fails_is_reported(caplog):
    host = host_without_listeners()
    failing = SimpleNamespace(run_started=hookimpl(failing_listener), run_finished=hookimpl(failing_listener))
    host.add(failing, "failing")
    for _ in range(2):
        host.announce("run_started", run=1)
        host.announce("run_finished", run=1, result={})
    assert [line.getMessage().split(";")[0] for line in caplog.records] == [
        "plugin 'failing' failed in run_started",
        "plugin 'failing' failed in run_finished",
    ]


def test_a_listener_takes_the_arguments_it_names():
    heard = []
    host = host_without_listeners()
    host.add(SimpleNamespace(epoch_finished=hookimpl(lambda record, epoch: heard.append((record, epoch)))), "some")
    host.add(SimpleNamespace(epoch_finished=hookimpl(lambda: heard.append("none"))), "none")
    host.announce("epoch_finished", run="run", epoch=3, record="line")
    assert heard == [("line", 3), "none"]


def test_the_keyboard_stops_a_run_even_in_a_listener():
    def interrupt(run):
        raise KeyboardInterrupt

    host = host_without_listeners()
    host.add(SimpleNamespace(run_started=hookimpl(interrupt)), "keyboard")
    with pytest.raises(KeyboardInterrupt):
        host.announce("run_started", run="run")


class Odd(BaseException):
    """Neither an Exception nor an exit."""


@pytest.mark.parametrize("error", [SystemExit(0), SystemExit("enough"), Odd("enough"), GeneratorExit()], ids=repr)
def test_a_listener_that_ends_the_process_ends_the_run_with_a_mistake(error):
    def end(run):
        raise error

    host = host_without_listeners()
    host.add(SimpleNamespace(run_started=hookimpl(end)), "ending", "ending-dist", "1.0")
    with pytest.raises(PluginError, match="plugin 'ending' of ending-dist ended the run in run_started: ") as caught:
        host.announce("run_started", run="run")
    assert caught.value.__cause__ is error
    assert caught.value.exit_code == 2


def test_a_listener_can_change_nothing_of_what_is_recorded_or_told_to_others():
    figures, order, heard = {"loss": 1.0, "parts": [1.0]}, Order([0, 1, 2]), []

    def change(record):
        record["loss"] = 0.0
        record["parts"].clear()

    host = host_without_listeners()
    host.add(SimpleNamespace(epoch_finished=hookimpl(change)), "one")
    host.add(SimpleNamespace(order_changed=hookimpl(lambda order: order.indices.zero_())), "two")
    host.add(SimpleNamespace(order_changed=hookimpl(lambda order: heard.append(order.indices.tolist()))), "three")
    host.announce("epoch_finished", run="run", epoch=1, record=figures)
    host.announce("order_changed", run="run", epoch=1, order=order, spread=None)
    assert figures == {"loss": 1.0, "parts": [1.0]}
    assert order.indices.tolist() == [0, 1, 2]
    assert heard == [[0, 1, 2]]


def test_a_listener_that_fails_is_named_with_its_distribution(caplog):
    host = host_without_listeners()
    host.add(SimpleNamespace(run_started=hookimpl(failing_listener)), "failing", "failing-dist", "1.0")
    host.announce("run_started", run="run")
    assert "plugin 'failing' of failing-dist failed in run_started" in caplog.text


def test_a_fact_that_cannot_be_copied_ends_no_run(caplog):
    class Fixed:
        def __deepcopy__(self, memo):
            raise TypeError("cannot be copied")

    host = host_without_listeners()
    host.add(SimpleNamespace(run_started=hookimpl(lambda run: None)), "some")
    host.announce("run_started", run=Fixed())
    assert "plugin 'some' failed in run_started; the run continues" in caplog.text
    assert "cannot be copied" in caplog.text
