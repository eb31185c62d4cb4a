"""The lowest versions that the package allows: fast unit tests pass with them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
LOWEST_PYTHON = tuple(map(int, PROJECT["requires-python"].removeprefix(">=").split(".")))

AS_INSTALLED = ("torch", "torchvision", "timm")
"""Too large to be downloaded for a test."""

FOR_TESTS = ("beartype", "hypothesis", "jsonschema", "pytest")
"""Other imports of the tests below; newer versions may not work with the lowest versions of the others."""

TESTS = (
    "tests/interfaces",
    "tests/orders",
    "tests/orderings",
    "tests/recipe",
    "tests/statistics",
    "tests/host/test_plugin_host.py",
    "tests/data_sources/test_image_folder.py",
    "tests/data_sources/test_coco_detection.py",
    "tests/cli/test_describe.py",
    "tests/cli/test_list_plugins.py",
    "tests/cli/test_recipes.py",
    "tests/cli/test_schema.py",
    "tests/cli/test_start.py",
)

LEFT_OUT = (
    "loads_nothing_heavy",  # older releases of typer load more of rich
    "loads_no_library",
    "without_the_libraries",
    "arrangements_against_scipy",  # uses scipy's API from 1.15 on; the package itself does not
    "trains",
)


def lowest(requirements):
    """Each requirement with the lowest version it allows."""
    return {re.match(r"[\w-]+", each)[0]: each.partition("#")[0].replace(">=", "==") for each in requirements}


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of an environment with the lowest versions; the rest comes from the environment of the tests."""
    if sys.version_info[:2] != LOWEST_PYTHON:
        pytest.skip(f"the lowest versions have wheels for the lowest Python, {PROJECT['requires-python']}")
    folder = tmp_path_factory.mktemp("lowest")
    venv.create(folder, symlinks=True)
    site_packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    # After those of the fresh environment on the path.
    (site_packages / "others.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}\n")
    of_package = lowest(PROJECT["dependencies"])
    of_tests = lowest(PROJECT["optional-dependencies"]["test"])
    wanted = [version for name, version in of_package.items() if name not in AS_INSTALLED]
    wanted += [of_tests[name] for name in FOR_TESTS]
    interpreter = folder / "bin" / "python"
    into = ["--python", str(interpreter), "install", "--quiet", "--only-binary", ":all:"]
    done = subprocess.run([*PIP, *into, *wanted], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return interpreter


@pytest.fixture
def call(python):
    """Call the interpreter in the checkout."""
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "REORDER_KIT"))
    }

    def call(*arguments):
        return subprocess.run(
            [python, *arguments], cwd=ROOT, env=own, capture_output=True, text=True, encoding="utf-8", timeout=600
        )

    return call


@pytest.mark.parametrize("requirements", [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()])
def test_every_requirement_but_the_package_itself_and_types_has_a_lowest_version(requirements):
    for each in requirements:
        assert re.match(r"[\w-]+>=[\d.]+(,<\d+)?$|reorder-kit\[|types-", each), each


@pytest.mark.slow
def test_the_lowest_versions_are_those_that_are_used(call):
    names = [name for name in lowest(PROJECT["dependencies"]) if name not in AS_INSTALLED]
    code = "import importlib.metadata, sys; print(*map(importlib.metadata.version, sys.argv[1:]))"
    used = call("-c", code, *names).stdout.split()
    wanted = lowest(PROJECT["dependencies"])
    for name, version in zip(names, used, strict=True):
        asked = wanted[name].partition("==")[2]
        assert version == asked or version.removesuffix(".0") == asked, name


@pytest.mark.slow
def test_unit_tests_pass_on_the_lowest_versions(call):
    chosen = " and ".join(f"not {name}" for name in LEFT_OUT)
    # Old releases warn about each other.
    done = call("-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "filterwarnings=", "-k", chosen, *TESTS)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 800
