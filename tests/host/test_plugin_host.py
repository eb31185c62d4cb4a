"""The plugin host: broken and working plugins, from real distributions and from objects."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from reorder_kit import hookimpl
from reorder_kit.errors import ReorderKitError
from reorder_kit.host import builtin
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import Ordering, ScoringPrior
from reorder_kit.orders.grid import Grid

HEAD = """
from reorder_kit import hookimpl
from reorder_kit.interfaces import Ordering
"""


def ordering(name, class_name="Rule"):
    return f"""
class {class_name}(Ordering):
    \"\"\"Row after row.\"\"\"
    name = {name!r}
    def cells(self, height, width):
        return ((row, column) for row in range(height) for column in range(width))
"""


def plugin_with(name):
    return f"{HEAD}{ordering(name)}\n@hookimpl\ndef register_orderings():\n    return [Rule]\n"


def record_of(host, name):
    (record,) = [record for record in host.plugins if record.name == name]
    return record


@pytest.fixture
def neighbours(install):
    """A distribution before and one after the broken one, in load order."""
    install("a-good-one", {"good-before": "good_before"}, {"good_before": plugin_with("before")})
    install("z-good-one", {"good-after": "good_after"}, {"good_after": plugin_with("after")})


def assert_all_others_work(host, broken="broken"):
    assert record_of(host, "good-before").provides == ["ordering before"]
    assert record_of(host, "good-after").provides == ["ordering after"]
    assert {"before", "after", "row", "hilbert"} <= set(host.orderings)
    assert host.orderings.get("after")().order(Grid(2, 2)).indices.tolist() == [0, 1, 2, 3]
    assert [record.name for record in host.plugins if record.status != "ok"] == [broken]


def assert_nothing_stayed(host, record):
    assert (record.provides, record.hooks) == ([], [])
    assert "leftover" not in host.orderings
    assert all(call.plugin_name != record.name for call in host._manager.hook.register_orderings.get_hookimpls())


REGISTER = "@hookimpl\ndef register_orderings():\n    return [Rule]\n"
RULE = ordering("leftover")
BROKEN = {
    "raises at import": ("raise RuntimeError('no CUDA here')", "RuntimeError: no CUDA here"),
    "exits at import": ("import sys\nsys.exit('needs CUDA')", "SystemExit: needs CUDA"),
    "exits when asked": (
        HEAD + "@hookimpl\ndef register_orderings():\n    raise SystemExit('needs CUDA')\n",
        "SystemExit: needs CUDA",
    ),
    "is not Python": ("def register_orderings(:", "SyntaxError: "),
    "imports what is not there": ("import no_such_module_anywhere", "No module named 'no_such_module_anywhere'"),
    "has no hook": (HEAD + RULE, "nothing in it is marked @hookimpl"),
    "takes a name that exists": (
        HEAD
        + RULE
        + ordering("hilbert", "Second")
        + "@hookimpl\ndef register_orderings():\n    return [Rule, Second]\n",
        "ordering 'hilbert' is already provided by plugin 'orderings.hilbert' of reorder-kit",
    ),
    "takes its own name twice": (
        HEAD
        + RULE
        + ordering("leftover", "Second")
        + "@hookimpl\ndef register_orderings():\n    return [Rule, Second]\n",
        "ordering 'leftover' is registered twice by this plugin",
    ),
    "misspells a hook": (
        HEAD + RULE + REGISTER + "@hookimpl\ndef epoch_finnished(run, epoch, record): ...\n",
        "there is no hook 'epoch_finnished'\n  hint: did you mean 'epoch_finished'?",
    ),
    "misspells an argument": (
        HEAD + RULE + REGISTER + "@hookimpl\ndef epoch_finished(run, epoch, recording): ...\n",
        "recording",
    ),
    "asks for an argument in a registration": (
        HEAD + RULE + "@hookimpl\ndef register_orderings(grid):\n    return [Rule]\n",
        "grid",
    ),
    "raises while registering": (
        HEAD + RULE + REGISTER + "@hookimpl\ndef register_priors():\n    raise OSError('no table')\n",
        "OSError: no table",
    ),
    "registers nothing iterable": (
        HEAD + RULE + "@hookimpl\ndef register_orderings():\n    return Rule\n",
        "not iterable",
    ),
    "registers an instance": (
        HEAD + RULE + "@hookimpl\ndef register_orderings():\n    return [Rule()]\n",
        "is not a subclass of Ordering",
    ),
    "registers another kind": (
        HEAD + RULE + REGISTER + "@hookimpl\ndef register_priors():\n    return [Rule]\n",
        "is not a subclass of Prior",
    ),
    "has a component without name": (
        HEAD + RULE.replace("    name = 'leftover'\n", "") + REGISTER,
        "ordering Rule has no name",
    ),
    "has a component with a method left": (
        HEAD + RULE.replace("def cells", "def cell") + REGISTER,
        "ordering Rule lacks cells",
    ),
    "has options that accept anything": (
        "import pydantic\n"
        + HEAD
        + RULE
        + "    class Options(pydantic.BaseModel):\n        fast: bool = True\n"
        + REGISTER,
        "the Options of ordering 'leftover' do not derive from OrderingOptions",
    ),
}


@pytest.mark.parametrize(("source", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_shown_and_stops_no_other(install, neighbours, source, reason):
    install("m-broken-one", {"broken": "broken_plugin"}, {"broken_plugin": source}, version="0.3")
    host = PluginHost()
    record = record_of(host, "broken")

    assert record.status == "failed"
    assert reason in record.reason
    assert (record.distribution, record.version) == ("m-broken-one", "0.3")
    assert_all_others_work(host)
    assert_nothing_stayed(host, record)


def test_a_working_plugin_is_ok_and_named_with_its_distribution(install):
    install("my-orders", {"mine": "my_orders"}, {"my_orders": plugin_with("mine")}, version="2.5")
    host = PluginHost()
    record = record_of(host, "mine")

    assert (record.status, record.reason, record.distribution, record.version) == ("ok", "", "my-orders", "2.5")
    assert record.provides == ["ordering mine"]
    assert not record.is_builtin
    assert host.orderings.owner("mine") == "plugin 'mine' of my-orders"


def test_an_entry_point_can_name_an_object(install):
    source = (
        HEAD
        + RULE
        + "class Plugin:\n    @hookimpl\n    def register_orderings(self):\n        return [Rule]\nplugin = Plugin()\n"
    )
    install("objects", {"object": "object_plugin:plugin"}, {"object_plugin": source})
    assert record_of(PluginHost(), "object").provides == ["ordering leftover"]


@pytest.mark.parametrize("value", ["no_such_module", "sys:no_such_attribute", "not a module!"])
def test_an_entry_point_that_leads_nowhere_is_a_failed_plugin(install, neighbours, value):
    install("m-broken-one", {"broken": value})
    host = PluginHost()

    assert record_of(host, "broken").status == "failed"
    assert_all_others_work(host)


def test_two_distributions_with_one_component_name_are_both_named(install):
    install("a-first", {"first": "first_plugin"}, {"first_plugin": plugin_with("zigzag")})
    install("b-second", {"second": "second_plugin"}, {"second_plugin": plugin_with("zigzag")})
    host = PluginHost()
    second = record_of(host, "second")

    assert record_of(host, "first").status == "ok"
    assert (second.status, second.distribution) == ("failed", "b-second")
    assert "ordering 'zigzag' is already provided by plugin 'first' of a-first" in second.reason
    assert "REORDER_KIT_BLOCK" in second.reason


def test_blocking_one_of_two_owners_lets_the_other_in(install):
    install("a-first", {"first": "first_plugin"}, {"first_plugin": plugin_with("zigzag")})
    install("b-second", {"second": "second_plugin"}, {"second_plugin": plugin_with("zigzag")})
    host = PluginHost(blocked=["first"])

    assert record_of(host, "second").status == "ok"
    assert host.orderings.owner("zigzag") == "plugin 'second' of b-second"


def test_two_distributions_with_one_entry_point_name_are_both_shown(install):
    install("a-first", {"mine": "first_plugin"}, {"first_plugin": plugin_with("one")})
    install("b-second", {"mine": "second_plugin"}, {"second_plugin": plugin_with("two")})
    host = PluginHost()
    first, second = [record for record in host.plugins if record.name == "mine"]

    assert (first.distribution, first.status) == ("a-first", "ok")
    assert (second.distribution, second.status) == ("b-second", "failed")
    assert second.reason == "plugin 'mine' is already provided by a-first"
    assert "one" in host.orderings
    assert "two" not in host.orderings


def test_a_plugin_cannot_take_the_name_of_a_built_in(install):
    install("b-second", {"orderings.row": "second_plugin"}, {"second_plugin": plugin_with("two")})
    host = PluginHost()
    built_in, other = [record for record in host.plugins if record.name == "orderings.row"]

    assert built_in.status == "ok"
    assert (other.status, other.provides) == ("failed", [])
    assert other.reason.startswith("a plugin named 'orderings.row' already exists")
    assert "row" in host.orderings


def test_a_module_named_by_two_entry_points_is_loaded_once_and_goes_on_listening(install, tmp_path):
    source = "from reorder_kit import hookimpl\nheard = []\n@hookimpl\ndef run_started(run):\n    heard.append(run)\n"
    install("twice", {"first": "one_module", "second": "one_module"}, {"one_module": source})
    host = PluginHost()
    host.announce("run_started", run="the run")

    assert record_of(host, "first").status == "ok"
    assert record_of(host, "second").reason.startswith("already registered as plugin 'first'")
    assert sys.modules["one_module"].heard == ["the run"]


def test_an_older_copy_further_down_the_path_is_not_loaded(install):
    install("copied", {"mine": "copied_plugin"}, {"copied_plugin": plugin_with("old")}, version="1.0")
    install("copied", {"mine": "copied_plugin"}, {"copied_plugin": plugin_with("new")}, version="2.0")
    host = PluginHost()

    assert record_of(host, "mine").version == "2.0"
    assert "new" in host.orderings


def test_what_pip_left_of_a_removed_distribution_is_not_loaded(install, neighbours):
    (install("removed", {"removed": "removed_plugin"}) / "METADATA").unlink()
    host = PluginHost()

    assert "removed" not in [record.name for record in host.plugins]
    assert "after" in host.orderings


def test_metadata_that_cannot_be_read_stop_nobody(install, neighbours, caplog):
    metadata = install("garbled", {})
    (metadata / "entry_points.txt").write_text("[reorder_kit]\nthis is no entry point\n")
    host = PluginHost()

    assert "after" in host.orderings
    (line,) = caplog.records
    assert str(metadata.parent) in line.getMessage()


# Blocking


def test_a_blocked_plugin_is_not_even_imported(install, neighbours):
    install("m-broken-one", {"broken": "never_imported"}, {"never_imported": "raise AssertionError('imported')"})
    host = PluginHost(blocked=["broken"])

    assert record_of(host, "broken").status == "blocked"
    assert "never_imported" not in sys.modules
    assert_all_others_work(host)


def test_a_built_in_can_be_blocked():
    host = PluginHost(third_party=False, blocked=["orderings.hilbert"])
    assert record_of(host, "orderings.hilbert").status == "blocked"
    assert "hilbert" not in host.orderings


def test_an_object_can_be_blocked():
    host = PluginHost(third_party=False, blocked=["extra"])
    assert host.add(SimpleNamespace(), "extra").status == "blocked"


def test_the_environment_names_what_is_blocked(install, neighbours, monkeypatch):
    monkeypatch.setenv("REORDER_KIT_BLOCK", "good-before, orderings.spiral,,no-such-plugin")
    host = PluginHost.from_environment()

    assert {record.name for record in host.plugins if record.status == "blocked"} == {"good-before", "orderings.spiral"}
    assert "after" in host.orderings
    assert not {"before", "spiral"} & set(host.orderings)


@pytest.mark.parametrize(("value", "are_loaded"), [("1", False), ("true", False), ("", True), ("0", True)])
def test_the_environment_can_keep_third_parties_out(install, neighbours, monkeypatch, value, are_loaded):
    monkeypatch.setenv("REORDER_KIT_NO_THIRD_PARTY", value)
    host = PluginHost.from_environment()

    assert ("before" in host.orderings) is are_loaded
    assert are_loaded or all(record.is_builtin for record in host.plugins)


def test_without_third_parties_only_built_ins_are_there(install, neighbours):
    host = PluginHost(third_party=False)
    assert [f"reorder_kit.{record.name}" for record in host.plugins] == list(builtin.MODULES)
    assert all(record.status == "ok" for record in host.plugins)


# Two hosts, and objects


class Backwards(Ordering):
    """Rows from the last to the first."""

    name = "backwards"

    def cells(self, height, width):
        return ((row, column) for row in reversed(range(height)) for column in range(width))


def registering(*components, hook="register_orderings"):
    return SimpleNamespace(**{hook: hookimpl(lambda: list(components))})


def test_two_hosts_know_nothing_of_each_other():
    first, second = PluginHost(third_party=False), PluginHost(third_party=False, blocked=["orderings.row"])
    heard = []
    first.add(registering(Backwards), "extra")
    first.add(SimpleNamespace(run_started=hookimpl(lambda run: heard.append(run))), "listener")
    second.announce("run_started", run="second")
    first.announce("run_started", run="first")

    assert "backwards" in first.orderings
    assert "backwards" not in second.orderings
    assert "row" in first.orderings
    assert "row" not in second.orderings
    assert heard == ["first"]


def test_an_object_that_conflicts_leaves_the_first_owner_alone():
    host = PluginHost(third_party=False)
    host.add(registering(Backwards), "one", "dist-one")
    record = host.add(registering(Backwards), "two", "dist-two")

    assert (record.status, record.provides) == ("failed", [])
    assert "plugin 'one' of dist-one" in record.reason
    assert host.orderings.get("backwards") is Backwards


def test_of_a_plugin_with_one_bad_component_nothing_stays():
    class Nameless(ScoringPrior):
        def score(self, patches, orders):
            return dict.fromkeys(orders, 0.0)

    plugin = SimpleNamespace(
        register_orderings=hookimpl(lambda: [Backwards]),
        register_priors=hookimpl(lambda: [Nameless]),
        run_started=hookimpl(lambda run: pytest.fail("a failed plugin must not listen")),
    )
    host = PluginHost(third_party=False)
    record = host.add(plugin, "half-good")
    host.announce("run_started", run="a run")

    assert record.reason == "prior Nameless has no name"
    assert "backwards" not in host.orderings


def test_a_name_is_free_again_after_a_failure():
    host = PluginHost(third_party=False)
    assert host.add(SimpleNamespace(register_orderings=hookimpl(lambda: [1 / 0])), "mine").status == "failed"
    assert host.add(registering(Backwards), "mine").status == "ok"


def test_the_events_a_plugin_follows_are_listed():
    host = PluginHost(third_party=False)
    plugin = SimpleNamespace(
        run_started=hookimpl(lambda run: None),
        epoch_finished=hookimpl(lambda epoch: None),
        register_orderings=hookimpl(lambda: [Backwards]),
    )
    record = host.add(plugin, "both")
    assert (record.provides, record.hooks) == (["ordering backwards"], ["epoch_finished", "run_started"])


def test_an_unknown_component_is_an_error_with_the_closest_name():
    with pytest.raises(ReorderKitError, match="no ordering 'hilbrt'") as caught:
        PluginHost(third_party=False).orderings.get("hilbrt")
    assert caught.value.hint == "did you mean 'hilbert'?"
