"""Plugins that print or exit, and commands that must cope with them."""

from __future__ import annotations

import json

import pytest

HEAD = """
from reorder_kit import hookimpl
from reorder_kit.interfaces import Ordering

class Rule(Ordering):
    \"\"\"Row after row.\"\"\"

    name = "loud-rows"

    def cells(self, height, width):
        print("walking")
        return ((row, column) for row in range(height) for column in range(width))
"""
LOUD = f"""{HEAD}
print("imported")

@hookimpl
def register_orderings():
    print("asked")
    return [Rule]

@hookimpl
def run_started(run):
    print("listening")
"""
ENDS_AT_IMPORT = {
    "exits": "raise SystemExit(0)",
    "raises what is no Exception": "class Odd(BaseException): ...\nraise Odd('out of luck')",
    "fails a test": "import pytest\npytest.fail('no test here')",
    "skips a test": "import pytest\npytest.skip('no GPU', allow_module_level=True)",
    "raises what cannot be printed": "class Odd(Exception):\n    def __str__(self): return 1 / 0\nraise Odd",
}
ENDS_WHEN_ASKED = f"{HEAD}\n@hookimpl\ndef register_orderings():\n    %s\n    return [Rule]\n"
SMALL = ["trial.yaml", "--set", "order.start=loud-rows", "--set", "controls=[]"]


@pytest.fixture
def loud(install):
    install("loud-dist", {"loud": "loud_plugin"}, {"loud_plugin": LOUD})


@pytest.mark.parametrize(
    "arguments",
    [
        ["list-plugins", "--json"],
        ["schema"],
        ["describe", "ordering", "--json"],
        ["describe", "ordering", "loud-rows", "--json"],
        ["show-order", "loud-rows", "--grid", "2x2", "--json"],
        ["show-order", "quiet-rows", "--grid", "2x2", "--json"],
        ["validate", *SMALL, "--json"],
        ["doctor", "--json"],
        ["run", *SMALL, "--json"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_standard_output_is_json_alone_whatever_plugins_print(cli, loud, arguments):
    done = cli(*arguments)
    json.loads(done.stdout)
    assert "imported" in done.stderr or "asked" in done.stderr


@pytest.mark.parametrize("end", ENDS_AT_IMPORT.values(), ids=ENDS_AT_IMPORT)
@pytest.mark.parametrize("when", ["at import", "when asked"])
def test_a_plugin_that_would_end_the_command_is_listed_as_failed(cli, install, loud, when, end):
    asked = ENDS_WHEN_ASKED % end.replace("\n", "\n    ")
    install("ending-dist", {"ending": "ending_plugin"}, {"ending_plugin": end if when == "at import" else asked})
    done = cli("list-plugins", "--json")
    by_name = {plugin["name"]: plugin for plugin in json.loads(done.stdout)}
    assert done.exit_code == 0
    assert by_name["ending"]["status"] == "failed"
    assert by_name["ending"]["reason"]
    assert by_name["loud"]["status"] == "ok"
    assert cli("show-order", "loud-rows", "--grid", "2x2", "--json").exit_code == 0


LISTENER = """
from reorder_kit import hookimpl

@hookimpl
def {event}(run):
    raise SystemExit({code})
"""


@pytest.mark.parametrize(("event", "code"), [("run_started", 0), ("epoch_finished", 3), ("run_finished", "'enough'")])
def test_a_listener_that_exits_ends_no_run_as_if_it_had_finished(cli, install, event, code):
    install("ending-dist", {"ending": "ending_plugin"}, {"ending_plugin": LISTENER.format(event=event, code=code)})
    done = cli("run", "trial.yaml", "--json", "--set", "controls=[]")
    assert done.exit_code == 2
    assert f"plugin 'ending' of ending-dist ended the run in {event}: SystemExit" in json.loads(done.stdout)["error"]


RAISING = HEAD.replace('print("walking")', "raise LookupError('no table')") + (
    "\n@hookimpl\ndef register_orderings():\n    return [Rule]\n"
)


@pytest.mark.parametrize(("value", "is_shown"), [("", False), ("1", True), ("true", True)])
def test_a_mistake_of_a_plugin_is_a_line_and_its_traceback_is_shown_on_demand(
    cli, install, monkeypatch, value, is_shown
):
    install("raising-dist", {"raising": "raising_plugin"}, {"raising_plugin": RAISING})
    monkeypatch.setenv("REORDER_KIT_TRACEBACK", value)
    done = cli("show-order", "loud-rows", "--grid", "2x2")
    assert done.exit_code == 2
    assert "error: ordering 'loud-rows' of plugin 'raising' of raising-dist raised LookupError: no table" in done.stderr
    assert ("Traceback" in done.stderr) is is_shown


def test_a_component_that_describes_itself_wrongly_is_named(cli, install):
    source = f"{HEAD}\n    @classmethod\n    def declares(cls):\n        raise LookupError('no words')\n"
    source += "\n@hookimpl\ndef register_orderings():\n    return [Rule]\n"
    install("raising-dist", {"raising": "raising_plugin"}, {"raising_plugin": source})
    done = cli("describe", "ordering", "loud-rows", "--json")
    assert done.exit_code == 2
    assert "plugin 'raising' of raising-dist raised LookupError: no words" in json.loads(done.stdout)["error"]
