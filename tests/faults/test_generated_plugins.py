"""Generated broken plugins: each is caught as early as possible, by name and reason, and none stops the others."""

from __future__ import annotations

import logging
import warnings
from types import SimpleNamespace

import pytest
import torch

from plugin_faults import FLAWS, KnownData, Tracked, unloadable
from reorder_kit import hookimpl
from reorder_kit.caller import Caller
from reorder_kit.errors import ReorderKitError, ReorderKitWarning
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.validate import validate
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import BackboneFacts, Grid
from reorder_kit.jobs.work import PICTURES
from reorder_kit.model import reward_checks
from reorder_kit.training.run import run_experiment
from unruly_components import DISTRIBUTION, RECIPE, RIGHT, Net, broken, sections

BROKEN = list(unloadable())


def working(instead=None):
    """A plugin with a correct component of every kind, one of which may be replaced."""
    right = {each.name: each for each in (*RIGHT, Tracked, KnownData, *([] if instead is None else [instead]))}
    hooks = {each.kind.hook: hookimpl(lambda each=each: [each]) for each in right.values()}
    return SimpleNamespace(**hooks)


@pytest.fixture(scope="module")
def crowd():
    """A host with all of them, one after the other, behind a plugin that works."""
    host = PluginHost(third_party=False, blocked=PICTURES)
    host.add(working(), "theirs", DISTRIBUTION, "1.0")
    records = {name: host.add(plugin, name, "their-other-package", "0.3") for name, plugin, _ in BROKEN}
    return host, records


@pytest.mark.parametrize(("name", "reason"), [(each.name, each.reason) for each in BROKEN])
def test_a_broken_plugin_is_caught_when_it_is_loaded(crowd, name, reason):
    record = crowd[1][name]
    assert (record.status, record.provides, record.hooks) == ("failed", [], [])
    assert reason in record.reason
    assert len(record.reason) < 1000


def test_there_are_many_of_every_kind(crowd):
    assert len(BROKEN) >= 100
    for registry in crowd[0].registries.values():
        assert sum(each.name.startswith(f"{registry.kind.name} ") for each in BROKEN) >= 15


def test_none_of_them_stops_the_others(crowd, tmp_path):
    host, _ = crowd
    names = {component.name for component in RIGHT}
    assert names <= {name for registry in host.registries.values() for name in registry}
    assert not any("broken" in registry for registry in host.registries.values())
    _, result = run_experiment(compose(RECIPE, host, "trial"), host, tmp_path / "run")
    assert result.metrics.test["score"] == 1.0


def composed(flaw):
    """A recipe with a flawed component, and a host that also has the correct ones."""
    component = flaw.component
    host = PluginHost(third_party=False, blocked=PICTURES)
    record = host.add(working(component), "theirs", DISTRIBUTION, "1.0")
    assert record.status == "ok", record.reason
    return host, {**RECIPE, **sections(component)}


def assert_told(error, flaw):
    assert flaw.reason in str(error)
    assert flaw.component.name in str(error)


@pytest.mark.parametrize("flaw", [each for each in FLAWS.values() if each.told], ids=str)
def test_what_needs_no_data_is_caught_with_the_recipe(flaw):
    host, content = composed(flaw)
    with pytest.raises(ReorderKitError) as caught:
        compose(content, host, "trial")
    assert_told(caught.value, flaw)


def gives_facts(facts):
    return classmethod(lambda *given: facts)


BACKBONES = {
    "another grid": (
        broken(Net, facts=classmethod(lambda *given: BackboneFacts(Grid(1, 2), 1, 1))),
        "facts say (2, 2, 1)",
    ),
    "no tokens": (broken(Net, tokenize=lambda self, images: None), "tokenize gave a NoneType"),
    "nothing encoded": (broken(Net, encode=lambda self, sequence, *rest: None), "encode gave a NoneType"),
    "a wide readout": (
        broken(Net, summarize=lambda self, encoded: torch.zeros(2, 3)),
        "its readout is (2, 3); its facts",
    ),
    "reach of shares": (broken(Net, reach=lambda self, num_slots: torch.ones(4)), "reach gave torch.float32"),
}


@pytest.mark.parametrize(("backbone", "reason"), BACKBONES.values(), ids=BACKBONES)
def test_validate_tries_a_backbone_without_weights(backbone, reason):
    host = PluginHost(third_party=False, blocked=PICTURES)
    host.add(working(backbone), "theirs", DISTRIBUTION)
    with pytest.raises(ReorderKitError, match=r"backbone 'their-backbone'.*theirs") as caught:
        validate(RECIPE, host, "trial")
    assert reason in str(caught.value)


def test_validate_leaves_to_a_run_what_looks_at_values():
    looks = broken(
        Net, summarize=lambda self, encoded: encoded.sequence.patches[:, int(encoded.sequence.patches.sum())]
    )
    host = PluginHost(third_party=False, blocked=PICTURES)
    host.add(working(looks), "theirs", DISTRIBUTION)
    assert validate(RECIPE, host, "trial").backbone is looks


@pytest.mark.parametrize("flaw", [each for each in FLAWS.values() if not each.told], ids=str)
def test_the_rest_is_caught_before_an_epoch_has_ended(tmp_path, flaw):
    host, content = composed(flaw)
    experiment = compose(content, host, "trial")
    with pytest.raises(ReorderKitError) as caught:
        run_experiment(experiment, host, tmp_path / "run")
    assert_told(caught.value, flaw)
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_on_a_gpu_rewards_are_looked_at_before_an_epoch_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(reward_checks, "is_waited_for", lambda device: False)
    flaw = FLAWS["rewards of NaN"]
    host, content = composed(flaw)
    with pytest.raises(ReorderKitError) as caught:
        run_experiment(compose(content, host, "trial"), host, tmp_path / "run")
    assert_told(caught.value, flaw)
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


# Reach against influence


def says(backbone, **facts):
    return broken(backbone, facts=classmethod(lambda *given: BackboneFacts(Grid(2, 2), 1, 1, **facts)))


class SaysFirst(Net):
    """It reads the mean of all slots, and says that it reads the first."""

    def reach(self, num_slots):
        return torch.arange(num_slots) < 1


class ReadsFirst(Net):
    """It reads the first slot, and says that it reads all."""

    def summarize(self, encoded):
        return encoded.sequence.patches[:, 0]


REACHES = {
    "too small": (SaysFirst, "declares 3 slots (1, 2, 3) out of reach, but over 4 validation images they have 0.75"),
    "too large": (ReadsFirst, "4 of 4 slots in reach, but over 4 validation images 3 slots (1, 2, 3) of them have no"),
    "right": (Net, ""),
    "too large, with a reason": (says(ReadsFirst, no_influence="a gate"), ""),
    "too small, with a reason": (says(SaysFirst, no_influence="a gate"), "out of reach"),
}


@pytest.mark.parametrize(("backbone", "doubt"), REACHES.values(), ids=REACHES)
def test_declared_reach_is_compared_with_measured_influence(tmp_path, caplog, backbone, doubt):
    host = PluginHost(third_party=False, blocked=PICTURES)
    host.add(working(backbone), "theirs", DISTRIBUTION)
    with caplog.at_level(logging.WARNING):
        _, result = run_experiment(compose(RECIPE, host, "trial"), host, tmp_path / "run")
    assert doubt in result.order.reach_doubt
    assert bool(result.order.reach_doubt) == bool(doubt)
    assert (doubt in caplog.text) if doubt else ("reach" not in caplog.text)
    assert ("reach_doubt" in (tmp_path / "run" / "result.json").read_text()) == bool(doubt)


def test_a_doubt_about_the_reach_that_is_an_error_leaves_a_result(tmp_path):
    host = PluginHost(third_party=False, blocked=PICTURES)
    host.add(working(SaysFirst), "theirs", DISTRIBUTION)
    experiment = compose(RECIPE, host, "trial")
    with warnings.catch_warnings(), Caller.here().warned_of_logs():
        warnings.simplefilter("ignore", ReorderKitWarning)
        warnings.filterwarnings("error", ".* out of reach", ReorderKitWarning)
        with pytest.raises(ReorderKitWarning, match="out of reach"):
            run_experiment(experiment, host, tmp_path / "run")
        _, result = run_experiment(experiment, host, tmp_path / "run", resume=True)
    assert "out of reach" in result.order.reach_doubt
