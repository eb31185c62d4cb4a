"""`reorder-kit list-plugins`: who is there, who is broken, who is kept out."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from reorder_kit.host import builtin

ORDERING = """
from reorder_kit import hookimpl
from reorder_kit.interfaces import Ordering

class Rule(Ordering):
    name = {name!r}

    def cells(self, height, width):
        return ((row, column) for row in reversed(range(height)) for column in range(width))

@hookimpl
def {hook}():
    return [Rule]
"""
FOLLOWER = """
from reorder_kit import hookimpl

@hookimpl
def run_finished(run, result):
    pass
"""


@pytest.fixture
def neighbourhood(install):
    """A plugin that works, one that raises, one whose name is taken, one with a misspelt hook, one that listens."""
    install(
        "good-dist",
        {"good": "good_plugin"},
        {"good_plugin": ORDERING.format(name="bottom-up", hook="register_orderings")},
        version="2.5",
    )
    install("raising-dist", {"raising": "raising_plugin"}, {"raising_plugin": "raise RuntimeError('out of luck')"})
    install(
        "taken-dist",
        {"taken": "taken_plugin"},
        {"taken_plugin": ORDERING.format(name="hilbert", hook="register_orderings")},
    )
    install(
        "misspelt-dist",
        {"misspelt": "misspelt_plugin"},
        {"misspelt_plugin": ORDERING.format(name="other", hook="register_ordering")},
    )
    install("follower-dist", {"follower": "follower_plugin"}, {"follower_plugin": FOLLOWER})


def by_name(done):
    return {plugin["name"]: plugin for plugin in json.loads(done.stdout)}


def test_every_broken_plugin_is_shown_with_its_reason_and_the_others_work(cli, neighbourhood):
    done = cli("list-plugins")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert "failed: raising of raising-dist: RuntimeError: out of luck" in lines
    (taken,) = [line for line in lines if line.startswith("failed: taken of taken-dist")]
    assert "ordering 'hilbert' is already provided by plugin 'orderings.hilbert' of reorder-kit" in taken
    (misspelt,) = [line for line in lines if line.startswith("failed: misspelt of misspelt-dist")]
    assert "there is no hook 'register_ordering'" in misspelt
    (good,) = [line.split() for line in lines if line.startswith("good ")]
    assert good == ["good", "good-dist", "2.5", "1.0", "ok", "ordering", "bottom-up"]
    (follower,) = [line.split() for line in lines if line.startswith("follower ")]
    assert follower == ["follower", "follower-dist", "1.0", "1.0", "ok", "event", "run_finished"]


def test_a_plugin_for_another_api_is_shown_with_its_version_and_what_to_do(cli, install):
    install("later-dist", {"later": "later_plugin"}, {"later_plugin": FOLLOWER}, api="2.0")
    lines = cli("list-plugins").stdout.splitlines()
    (row,) = [line.split() for line in lines if line.startswith("later ")]
    assert row == ["later", "later-dist", "1.0", "2.0", "failed"]
    place = next(place for place, line in enumerate(lines) if line.startswith("failed: later of later-dist: "))
    assert "it was written for plugin API 2.0, and reorder-kit" in lines[place]
    assert lines[place + 1] == "  hint: pip install --upgrade reorder-kit"


def test_what_works_beside_broken_plugins_can_be_used(cli, neighbourhood):
    assert json.loads(cli("show-order", "bottom-up", "--grid", "2x2", "--json").stdout)["order"] == [2, 3, 0, 1]
    assert json.loads(cli("show-order", "hilbert", "--grid", "2x2", "--json").stdout)["order"][0] == 0


def test_strict_fails_if_a_plugin_failed(cli, neighbourhood):
    assert cli("list-plugins", "--strict").exit_code == 2
    assert cli("list-plugins", "--strict", "--kind", "backbone").exit_code == 2


def test_strict_is_content_when_all_plugins_are(cli):
    assert cli("list-plugins", "--strict").exit_code == 0


def test_installed_distributions_are_found_in_a_process_of_their_own(cli, neighbourhood, tmp_path):
    path = os.pathsep.join(str(folder) for folder in sorted(tmp_path.glob("site-*")))
    done = subprocess.run(
        [sys.executable, "-m", "reorder_kit", "list-plugins", "--json"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    statuses = {name: plugin["status"] for name, plugin in by_name(done).items()}
    third_party = {name: status for name, status in statuses.items() if "." not in name}
    assert (
        third_party.items()
        >= {
            "good": "ok",
            "follower": "ok",
            "raising": "failed",
            "taken": "failed",
            "misspelt": "failed",
        }.items()
    )
    assert done.stderr == ""


def test_json_tells_all_of_all(cli, neighbourhood):
    plugins = by_name(cli("list-plugins", "--json"))
    assert len(plugins) >= len(builtin.MODULES) + 5
    assert plugins["good"] == {
        "name": "good",
        "distribution": "good-dist",
        "version": "2.5",
        "api": "1.0",
        "status": "ok",
        "reason": "",
        "provides": ["ordering bottom-up"],
        "hooks": [],
        "deprecated": [],
    }


def test_a_blocked_plugin_is_listed_as_blocked_and_not_there(cli, neighbourhood, monkeypatch):
    monkeypatch.setenv("REORDER_KIT_BLOCK", "good, raising,orderings.spiral")
    plugins = by_name(cli("list-plugins", "--json"))
    blocked = {name for name, plugin in plugins.items() if plugin["status"] == "blocked"}
    assert blocked == {"good", "raising", "orderings.spiral"}
    assert "blocked: orderings.spiral of reorder-kit: named in REORDER_KIT_BLOCK" in cli("list-plugins").stdout
    assert cli("show-order", "bottom-up", "--grid", "2x2").exit_code == 2


def test_without_third_parties_only_built_ins_are_listed(cli, neighbourhood, monkeypatch):
    monkeypatch.setenv("REORDER_KIT_NO_THIRD_PARTY", "1")
    assert len(by_name(cli("list-plugins", "--json"))) == len(builtin.MODULES)
    summary, rest = cli("list-plugins").stdout.splitlines()
    assert summary.startswith(f"{len(builtin.MODULES)} built-in plugins: ")
    assert rest == "no others"


def test_all_shows_each_built_in(cli):
    shown = cli("list-plugins", "--all").stdout
    assert all(module.removeprefix("reorder_kit.") in shown for module in builtin.MODULES)


@pytest.mark.parametrize("kind", ["ordering", "orderings"])
def test_a_kind_filters(cli, neighbourhood, kind):
    plugins = by_name(cli("list-plugins", "--kind", kind, "--json"))
    assert {"good", "orderings.row"} <= plugins.keys()
    assert not {"follower", "raising", "backbones.vit"} & plugins.keys()


def test_a_run_event_filters(cli, neighbourhood):
    plugins = by_name(cli("list-plugins", "--hook", "run_finished", "--json"))
    assert {"follower", "events.pictures"} <= plugins.keys()
    assert not {"good", "orderings.row"} & plugins.keys()


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [(["--kind", "orderng"], "did you mean 'ordering'?"), (["--hook", "run_finishd"], "did you mean 'run_finished'?")],
)
def test_an_unknown_filter_gets_a_suggestion(cli, arguments, hint):
    done = cli("list-plugins", *arguments)
    assert done.exit_code == 2
    assert hint in done.stderr
