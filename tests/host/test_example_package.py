"""The third-party package of this repository: found by its entry points and used in runs."""

from __future__ import annotations

import json
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

import reorder_kit
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.start_by_prior import no_influence
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orders.grid import Grid

PACKAGE = Path(__file__).parents[2] / "plugins" / "reorder-kit-examples"
PROJECT = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
PROVIDES = {"corner-out": ["ordering corner-out"], "run-log": [], "smoothness": ["prior smoothness"]}


@pytest.fixture
def host(install, monkeypatch):
    install(PROJECT["name"], PROJECT["entry-points"]["reorder_kit"], version=PROJECT["version"])
    monkeypatch.syspath_prepend(PACKAGE / "src")
    host = PluginHost(blocked=["events.tensorboard", "events.pictures"])
    yield host
    for module in [name for name in sys.modules if name.partition(".")[0] == "reorder_kit_examples"]:
        del sys.modules[module]


def recipe(**sections):
    return {
        "format_version": 1,
        "name": "trial",
        "data": {"name": "digits", "batch_size": 300},
        "backbone": {"name": "local", "patch_size": 2, "dim": 8, "depth": 1},
        "train": {"epochs": 2, "device": "cpu"},
        **sections,
    }


def test_every_plugin_of_the_package_is_ok(host):
    found = {record.name: record for record in host.plugins if record.distribution == PROJECT["name"]}
    assert {name: (record.status, record.reason) for name, record in found.items()} == dict.fromkeys(
        PROVIDES, ("ok", "")
    )
    assert {name: record.provides for name, record in found.items()} == PROVIDES
    assert {record.version for record in found.values()} == {PROJECT["version"]}


def test_its_ordering_is_one_like_all_others(host):
    order = reorder_kit.order("corner-out", 3, 3, host=host, flip="horizontal")
    # 0 1 3 4 2 6 5 7 8, mirrored.
    assert order.indices.tolist() == [2, 1, 5, 4, 0, 8, 3, 7, 6]


def distance(norm, first, second):
    if norm == "l1":
        return sum(abs(a - b) for a, b in zip(first, second, strict=True)) / len(first)
    return (sum((a - b) ** 2 for a, b in zip(first, second, strict=True)) / len(first)) ** 0.5


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_its_prior_chooses_the_smoothest_ordering_for_digits(host, norm):
    start = {"prior": {"name": "smoothness", "norm": norm}}
    experiment = compose(recipe(order={"start": start}), host, "trial")
    splits = experiment.data_source.open(0)
    chosen = experiment.starting_order(Grid(4, 4), splits, no_influence)

    images = [splits.train[index].image[0].tolist() for index in range(256)]
    roughness = {}
    for name in host.orderings:
        if name in ("custom", "raced"):
            continue
        walk = host.orderings.get(name)().order(Grid(4, 4))
        total = 0.0
        for image in images:
            tiles = [
                [image[2 * (patch // 4) + down][2 * (patch % 4) + right] for down in (0, 1) for right in (0, 1)]
                for patch in walk.indices.tolist()
            ]
            total += sum(distance(norm, *pair) for pair in pairwise(tiles))
        roughness[walk] = total
    assert roughness[chosen] == pytest.approx(min(roughness.values()))
    assert max(roughness.values()) > 1.05 * roughness[chosen]


def test_a_run_uses_all_three(host, tmp_path):
    start = {"prior": "smoothness"}
    result = reorder_kit.run(recipe(order={"start": start}), out=tmp_path / "run", host=host).as_dict()
    lines = (tmp_path / "run" / "run.log").read_text().splitlines()
    top1 = result["metrics"]["validation"]["top1"]

    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert lines[-1].endswith(f"top1 {top1:.4f}")
    listed = {plugin["name"] for plugin in json.loads((tmp_path / "run" / "plugins.json").read_text())}
    assert set(PROVIDES) <= listed
