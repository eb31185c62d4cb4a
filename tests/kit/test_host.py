"""A host with only the named plugins."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import pytest

from reorder_kit import hookimpl
from reorder_kit.interfaces import Component, Ordering
from reorder_kit.testing import host_with


class Rows(Ordering):
    """Row by row."""

    name = "rows"

    def cells(self, height, width):
        return [(row, column) for row in range(height) for column in range(width)]


def test_built_ins_are_in_and_installed_plugins_are_not(install):
    install("stranger", {"stranger": "stranger_plugin"}, {"stranger_plugin": "raise RuntimeError"})
    host = host_with()
    assert "hilbert" in host.orderings
    assert all(record.is_builtin for record in host.plugins)


def test_what_writes_files_beside_a_run_is_left_out():
    blocked = {record.name for record in host_with().plugins if record.status == "blocked"}
    assert blocked == {"events.pictures", "events.tensorboard"}


def test_a_class_a_module_and_an_object_can_be_named():
    listener = SimpleNamespace(run_finished=hookimpl(lambda run: None))
    other = SimpleNamespace(register_orderings=hookimpl(lambda: [type("Other", (Rows,), {"name": "other"})]))
    host = host_with(Rows, listener, other)
    assert {"rows", "other"} <= set(host.orderings)
    module = importlib.import_module("reorder_kit.events.pictures")
    assert host_with(module).plugins[-1].status == "ok"


def test_what_cannot_be_used_is_told():
    with pytest.raises(AssertionError, match="'rows' is already provided"):
        host_with(Rows, type("Again", (Rows,), {}))
    with pytest.raises(AssertionError, match="marked @hookimpl"):
        host_with(SimpleNamespace())
    with pytest.raises(AssertionError, match="Thing is not a component of any kind"):
        host_with(type("Thing", (Component,), {}))


def test_hosts_share_nothing():
    host_with(Rows)
    assert "rows" not in host_with().orderings
