"""What will be removed still works, and whoever uses it is warned with the release that removes it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import reorder_kit
from reorder_kit import hookimpl
from reorder_kit.errors import ReorderKitError, ReorderKitWarning
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.doubts import doubts
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import Deprecation, Ordering, OrderLearner, Part
from reorder_kit.order_learners.softsort import SoftSort
from reorder_kit.testing import host_with

SENTENCE = "is deprecated and will be removed in release 0.3; use ordering boustrophedon instead"


class OldWalk(Ordering):
    """Rows from left to right."""

    name = "old-walk"
    deprecated = Deprecation(instead="ordering boustrophedon", removed_in="0.3")

    def cells(self, height, width):
        return ((row, column) for row in range(height) for column in range(width))


class OldSort(SoftSort):
    """SoftSort under its old name."""

    name = "old-sort"
    deprecated = Deprecation(instead="order-learner softsort", removed_in="1.0")


SOURCE = """
from reorder_kit import hookimpl
from reorder_kit.interfaces import Deprecation, Ordering

class OldWalk(Ordering):
    \"\"\"Rows from left to right.\"\"\"
    name = "old-walk"
    deprecated = Deprecation(instead="ordering boustrophedon", removed_in="0.3")
    def cells(self, height, width):
        return ((row, column) for row in range(height) for column in range(width))

@hookimpl
def register_orderings():
    return [OldWalk]
"""


def recipe(**sections):
    return {
        "format_version": 1,
        "name": "trial",
        "data": "digits",
        "backbone": {"name": "local", "patch_size": 2, "dim": 8, "depth": 1},
        "train": {"epochs": 2, "device": "cpu"},
        **sections,
    }


def told(host, **sections):
    return [doubt for doubt in doubts(compose(recipe(**sections), host, "trial")) if "deprecated" in doubt]


def test_a_recipe_is_warned_with_the_field_that_names_it():
    host = host_with(OldWalk, OldSort)
    learner = {"name": "old-sort", "warmup_epochs": 0}
    assert told(host, order={"start": "old-walk", "learner": learner}) == [
        f"order.start: ordering 'old-walk' {SENTENCE}",
        "order.learner: order-learner 'old-sort' is deprecated and will be removed in release 1.0; "
        "use order-learner softsort instead",
    ]
    assert told(host, order={"start": "row"}) == []


def test_one_that_is_an_option_of_another_is_found():
    class Outer(OldWalk):
        """Another rule, turned."""

        name = "outer"
        deprecated = None

        class Options(Ordering.Options):
            rules: tuple[Part[Ordering], ...] = (Part.of(OldWalk), Part.of(OldWalk))

    assert told(host_with(Outer), order={"start": "outer"}) == [f"order.start: ordering 'old-walk' {SENTENCE}"]


def test_an_order_by_name_and_a_learner_of_ones_own_loop_warn():
    host = host_with(OldWalk, OldSort)
    with pytest.warns(ReorderKitWarning, match=f"ordering 'old-walk' {SENTENCE}"):
        reorder_kit.load_order("old-walk", grid=(2, 2), host=host)
    with pytest.warns(ReorderKitWarning, match="'old-sort' is deprecated and will be removed in release 1.0"):
        reorder_kit.learner("old-sort", 4, epochs=1, steps_per_epoch=1, host=host, warmup_epochs=0)


def test_list_plugins_and_describe_say_so(install, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from reorder_kit.cli.main import app

    monkeypatch.chdir(tmp_path)
    install("old-dist", {"old": "old_plugin"}, {"old_plugin": SOURCE})

    def shown(*words):
        done = CliRunner().invoke(app, list(words))
        assert done.exit_code == 0
        return done.stdout

    assert f"deprecated: old of old-dist: ordering 'old-walk' {SENTENCE}" in shown("list-plugins").splitlines()
    (record,) = [each for each in json.loads(shown("list-plugins", "--json")) if each["name"] == "old"]
    assert record["deprecated"] == [f"ordering 'old-walk' {SENTENCE}"]
    assert f"It {SENTENCE}." in shown("describe", "ordering", "old-walk").splitlines()
    assert json.loads(shown("describe", "ordering", "old-walk", "--json"))["deprecated"] == SENTENCE
    assert "(deprecated) Rows from left to right." in shown("describe", "ordering")


SOURCE_OF_OTHERS = """
from reorder_kit import hookimpl
from reorder_kit.interfaces import Deprecation
from reorder_kit.order_learners.softsort import SoftSort
from reorder_kit.priors.lzma import Lzma

class OldSort(SoftSort):
    \"\"\"SoftSort under its old name.\"\"\"
    name = "old-sort"
    deprecated = Deprecation(instead="order-learner softsort", removed_in="1.0")

class OldScore(Lzma):
    \"\"\"LZMA under its old name.\"\"\"
    name = "old-score"
    deprecated = Deprecation(instead="prior lzma", removed_in="1.0")

@hookimpl
def register_order_learners():
    return [OldSort]

@hookimpl
def register_priors():
    return [OldScore]
"""


def stop(*arguments):
    """Instead of minutes of training."""
    raise ReorderKitError("stopped")


STUDY = """
format_version: 1
name: trial
seeds: 2
recipe: {task: {name: classification}, train: {epochs: 1, device: cpu}}
data: {digits: {batch_size: 100}}
backbones: {local: {patch_size: 2, depth: 1, dim: 8}}
starts: {row: , old-walk: }
learners: {old-sort: {warmup_epochs: 0}}
controls: []
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["show-order", "old-walk", "--grid", "2x2"], ["ordering 'old-walk' is"]),
        (
            ["prior", "quickstart", "--prior", "old-score", "--orderings", "old-walk", "--images", "2"],
            ["order.start.prior: prior 'old-score' is", "ordering 'old-walk' is"],
        ),
        (
            ["prior", "quickstart", "--set", "order.start={prior: old-score}", "--images", "2"],
            ["order.start.prior: prior 'old-score' is"],
        ),
        (
            ["race", "quickstart", "--set", "order.start=old-walk", "--dry-run"],
            ["order.start: ordering 'old-walk' is"],
        ),
        (
            ["transfer", "one.yaml", "two.yaml"],
            ["one.yaml: order.start: ordering 'old-walk' is", "two.yaml: order.learner: order-learner 'old-sort' is"],
        ),
        (["bench", "planted", "--learner", "old-sort", "--case", "none"], ["order-learner 'old-sort' is"]),
        (
            ["study", "study.yaml", "--dry-run"],
            ["learners.old-sort: order-learner 'old-sort' is", "starts.old-walk: ordering 'old-walk' is"],
        ),
    ],
)
def test_commands_that_are_given_a_deprecated_name_warn(install, tmp_path, monkeypatch, words, expected):
    from typer.testing import CliRunner

    from reorder_kit.cli.main import app

    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(STUDY)
    for name, start, learner in (("one", "old-walk", "softsort"), ("two", "row", "old-sort")):
        changed = recipe(name=name, order={"start": start, "learner": {"name": learner, "warmup_epochs": 0}})
        Path(f"{name}.yaml").write_text(yaml.safe_dump(changed))
    for costly in ("transfer.run_transfer.run_transfer", "race.run_race.prepare"):
        monkeypatch.setattr(f"reorder_kit.{costly}", stop)
    install("old-dist", {"old": "old_plugin"}, {"old_plugin": SOURCE})
    install("others-dist", {"others": "others_plugin"}, {"others_plugin": SOURCE_OF_OTHERS})
    stderr = CliRunner().invoke(app, words).stderr
    lines = sorted(line for line in stderr.splitlines() if "deprecated" in line)
    assert len(lines) == len(expected)
    for line, start in zip(lines, expected, strict=True):
        assert line.startswith(f"warning: {start} deprecated and will be removed in release ")


def test_what_derives_from_a_deprecated_one_is_not_deprecated():
    class NewWalk(OldWalk):
        """The same under its new name."""

        name = "new-walk"

    assert NewWalk.deprecated is None
    assert NewWalk.deprecation() == ""
    assert told(host_with(OldWalk, NewWalk), order={"start": "new-walk"}) == []
    assert OldWalk.deprecation() == f"ordering 'old-walk' {SENTENCE}"


def test_a_run_event_that_will_be_removed_is_in_the_record_of_who_follows_it():
    host = PluginHost(third_party=False)
    words = str(Deprecation(instead="epoch_finished", removed_in="0.3"))
    host._manager.hook.step_finished.spec.warn_on_impl = ReorderKitWarning(words)
    record = host.add(SimpleNamespace(step_finished=hookimpl(lambda report: None)), "follower")
    other = host.add(SimpleNamespace(epoch_finished=hookimpl(lambda epoch: None)), "other")
    assert record.status == "ok"
    assert record.deprecated == record.deprecated_events == [f"run event 'step_finished' {words}"]
    assert other.deprecated == []


@pytest.mark.parametrize(
    ("instead", "removed_in"), [("", "0.3"), (None, "0.3"), ("row", "soon"), ("row", 0.3), ("row", "0"), ("row", "")]
)
def test_a_deprecation_says_what_to_use_and_when(instead, removed_in):
    with pytest.raises(ReorderKitError):
        Deprecation(instead=instead, removed_in=removed_in)


def test_what_is_not_a_deprecation_is_refused_when_the_plugin_loads():
    class Vague(OldWalk):
        """It says when, but not what else."""

        name = "vague"
        deprecated = "0.3"

    host = PluginHost(third_party=False)
    record = host.add(SimpleNamespace(register_orderings=hookimpl(lambda: [Vague])), "vague")
    assert record.status == "failed"
    assert "says that deprecated is '0.3'; it must be Deprecation(" in record.reason


def numbers(version):
    return [int(number) for number in version.split(".")]


def test_nothing_built_in_outlives_the_release_that_was_to_remove_it():
    host = PluginHost(third_party=False)
    components = [registry.get(name) for registry in host.registries.values() for name in registry]
    found = [component.deprecated for component in components if component.deprecated]
    assert [each for each in found if numbers(each.removed_in) <= numbers(reorder_kit.__version__)] == []
    assert OrderLearner.deprecated is None
