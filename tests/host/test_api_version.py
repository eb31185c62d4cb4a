"""The version of the plugin API that a plugin declares: loaded, or refused with what to do."""

from __future__ import annotations

import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from reorder_kit.hookspecs import API_VERSION
from reorder_kit.host import entry_point
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import Ordering
from reorder_kit.testing import host_with

SOURCE = """
from reorder_kit import hookimpl
from reorder_kit.interfaces import Ordering

class Rule(Ordering):
    \"\"\"Row after row.\"\"\"
    name = "rule"
    def cells(self, height, width):
        return ((row, column) for row in range(height) for column in range(width))

@hookimpl
def register_orderings():
    return [Rule]

class Plugin:
    @hookimpl
    def register_orderings(self):
        return [Rule]

plugin = Plugin()
"""


@pytest.fixture
def loaded(install, monkeypatch):
    """The record of a plugin, loaded by a package whose API is 3.4."""
    monkeypatch.setattr(entry_point, "API_VERSION", "3.4")

    def loaded(api, source=SOURCE, value="rule_plugin"):
        install("rule-dist", {"rule": value}, {"rule_plugin": source}, api=api)
        host = PluginHost()
        (record,) = [record for record in host.plugins if record.name == "rule"]
        assert ("rule" in host.orderings) is (record.status == "ok")
        return record

    return loaded


@pytest.mark.parametrize("api", ["3.4", "3.0"])
@pytest.mark.parametrize("value", ["rule_plugin", "rule_plugin:plugin"])
def test_this_version_and_an_older_minor_one_are_loaded(loaded, api, value):
    record = loaded(api, value=value)
    assert (record.status, record.reason, record.api) == ("ok", "", api)


@pytest.mark.parametrize(
    ("api", "what_to_do"),
    [
        ("3.5", "pip install --upgrade reorder-kit"),
        ("3.10", "pip install --upgrade reorder-kit"),
        ("4.0", "pip install --upgrade reorder-kit"),
        ("2.9", "pip install --upgrade rule-dist"),
    ],
)
@pytest.mark.parametrize("value", ["rule_plugin", "rule_plugin:plugin"])
def test_a_newer_one_and_another_major_one_are_refused_with_what_to_install(loaded, api, what_to_do, value):
    record = loaded(api, value=value)
    reason, hint = record.reason.split("\n  hint: ")
    assert record.status == "failed"
    assert record.api == api
    assert f"written for plugin API {api}, " in reason
    assert reason.endswith("has 3.4")
    assert hint.startswith(what_to_do)


def test_without_a_version_it_is_refused_with_the_line_to_add(loaded):
    record = loaded(None)
    assert (record.status, record.api) == ("failed", "")
    assert record.reason.startswith("rule_plugin does not declare ")
    assert record.reason.endswith(
        "hint: pip install --upgrade rule-dist; if that is the newest, ask its authors to update it; "
        'its authors add the line reorder_kit_api = "3.4" to rule_plugin'
    )


@pytest.mark.parametrize("api", [3.4, (3, 4), "3", "3.4.0", "v3.4", " 3.4", "", "3.x", "٣.٤", True, ["3.4"]])
def test_what_is_not_a_version_is_refused(loaded, api):
    record = loaded(api)
    assert record.status == "failed"
    assert "which is not a version" in record.reason
    assert 'write it as in reorder_kit_api = "3.4"' in record.reason


def test_an_import_that_fails_is_explained_by_the_version_it_was_written_for(loaded):
    record = loaded("4.0", "from reorder_kit.interfaces import NotThereYet\n")
    assert record.api == "4.0"
    assert "it was written for plugin API 4.0, and reorder-kit" in record.reason
    assert "cannot import name 'NotThereYet'" in record.reason
    assert record.reason.endswith("hint: pip install --upgrade reorder-kit")


@pytest.mark.parametrize("api", ["3.4", None])
def test_an_import_that_fails_for_another_reason_says_how_to_see_more(loaded, api):
    record = loaded(api, "import no_such_module_anywhere\n")
    assert record.api == (api or "")
    assert record.reason == (
        "ModuleNotFoundError: No module named 'no_such_module_anywhere'\n"
        "  hint: python -c 'import rule_plugin' shows the traceback"
    )


def test_a_version_with_a_type_is_read_from_a_module_that_cannot_be_imported(loaded):
    record = loaded(None, 'reorder_kit_api: str = "4.0"\nimport no_such_module_anywhere\n')
    assert record.api == "4.0"
    assert "it was written for plugin API 4.0, and reorder-kit" in record.reason


def test_a_module_that_exits_stops_nothing_else_but_a_keyboard_interrupt_does(loaded):
    record = loaded("3.4", "raise SystemExit(3)\n")
    assert record.reason.startswith("SystemExit: 3\n")
    with pytest.raises(KeyboardInterrupt):
        loaded("3.4", "raise KeyboardInterrupt\n")


def test_a_missing_attribute_is_shown_by_the_command_in_its_hint(loaded, tmp_path):
    record = loaded("3.4", value="rule_plugin:Plugin.wrong")
    reason, hint = record.reason.split("\n  hint: ")
    assert "has no attribute 'wrong'" in reason
    command = shlex.split(hint.removesuffix(" shows the traceback"))
    place = import_module("rule_plugin").__file__
    done = subprocess.run(
        [sys.executable, *command[1:]], capture_output=True, text=True, cwd=Path(place).parent, timeout=60
    )
    assert "has no attribute 'wrong'" in done.stderr


def test_an_entry_point_that_is_not_a_module_is_explained(install):
    install("rule-dist", {"rule": "not a module!"})
    (record,) = [record for record in PluginHost().plugins if record.name == "rule"]
    reason, hint = record.reason.split("\n  hint: ")
    assert reason == "its entry point 'not a module!' does not name a module"
    assert hint.startswith("write it as in rule = ")


class BottomUp(Ordering):
    """Rows from the bottom to the top."""

    name = "bottom-up"

    def cells(self, height, width):
        return ((row, column) for row in reversed(range(height)) for column in range(width))


def test_built_in_plugins_have_this_version_and_what_is_given_in_python_needs_none():
    host = host_with(BottomUp)
    assert {record.api for record in host.plugins if record.is_builtin} == {API_VERSION}
    assert [record.api for record in host.plugins if not record.is_builtin] == [""]
    assert "bottom-up" in host.orderings
