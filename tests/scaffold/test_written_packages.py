"""A package of every kind, as `new-plugin` writes it: installs, is listed, and passes its tests, ruff and mypy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reorder_kit.interfaces import INTERFACES
from reorder_kit.scaffold.plan_plugin import plan_plugin
from reorder_kit.scaffold.write_package import write_package
from reorder_kit.testing import host_with

ROOT = Path(__file__).parents[2]
NAMES = {
    **{interface.kind.name: f"try-{interface.kind.name}" for interface in INTERFACES},
    "listener": "try-listener",
}
PIP = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a package of each kind, and ``site`` with all of them installed."""
    home, host = tmp_path_factory.mktemp("packages"), host_with()
    folders = [home / name for name in NAMES.values()]
    for kind, name in NAMES.items():
        write_package(plan_plugin(kind, name, host), home / name)
    subprocess.run([*PIP, "--target", str(home / "site"), *map(str, folders)], check=True, timeout=300)
    return home


def environment(home):
    """That of a process that finds the installed packages and this one."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(home / "site"), str(ROOT)])}


def run(home, *words, **variables):
    done = subprocess.run(
        [sys.executable, *words],
        cwd=home,
        env={**environment(home), **variables},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_installed_they_are_listed_and_pass_their_tests(home):
    listed = {plugin["name"]: plugin for plugin in json.loads(run(home, "-m", "reorder_kit", "list-plugins", "--json"))}
    assert {name: (listed[name]["status"], listed[name]["reason"]) for name in NAMES.values()} == dict.fromkeys(
        NAMES.values(), ("ok", "")
    )
    assert {name: listed[name]["provides"] for kind, name in NAMES.items() if kind != "listener"} == {
        name: [f"{kind} {name}"] for kind, name in NAMES.items() if kind != "listener"
    }
    assert listed["try-listener"]["hooks"] == ["run_finished"]
    config = home / "try-ordering" / "pyproject.toml"
    tests = [str(home / name / "tests") for name in NAMES.values()]
    run(home, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(config), "--rootdir", str(home), *tests)


@pytest.mark.slow
def test_ruff_and_mypy_have_nothing_to_say(home):
    folders = [str(home / name) for name in NAMES.values()]
    run(home, "-m", "ruff", "check", "--no-cache", *folders)
    run(home, "-m", "ruff", "format", "--no-cache", "--check", *folders)
    sources = [str(home / name / part) for name in NAMES.values() for part in ("src", "tests")]
    settings = ["--config-file", str(home / "try-ordering" / "pyproject.toml"), "--cache-dir", str(home / "cache")]
    # This package is not installed as others would have it: only the types of what it gives are of interest.
    words = ["-m", "mypy", "--strict", "--follow-imports", "silent", *settings, *sources]
    run(home, *words, MYPYPATH=str(ROOT))
