"""Every package under plugins/, installed from its wheel without the repository, passes its own tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(file.parent for file in ROOT.glob("plugins/*/pyproject.toml"))
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
OFFLINE = ["--quiet", "--no-index", "--no-deps"]
every_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)


def project(package: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The modules of a fresh environment with all the wheels; what these depend on comes from that of the tests."""
    wheels, folder = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("environment")
    sources = [str(source) for source in (ROOT, *PACKAGES)]
    subprocess.run(
        [*PIP, "wheel", *OFFLINE, "--no-build-isolation", "--wheel-dir", str(wheels), *sources], check=True, timeout=300
    )
    venv.create(folder, symlinks=True)
    modules = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    # After the environment's own on the path; a .pth file in them, of an editable install, is not read.
    (modules / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    into = ["--python", str(folder / "bin" / "python"), "install", *OFFLINE]
    subprocess.run([*PIP, *into, *map(str, wheels.glob("*.whl"))], check=True, timeout=300)
    return modules


def call(site: Path, folder: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call a program of the environment in a folder; nothing is fetched from the Hugging Face hub."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "REORDER_KIT"))}
    done = subprocess.run(
        [site.parents[2] / "bin" / program, *arguments],
        cwd=folder,
        env={**clean, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_all_packages_are_installed_and_their_plugins_work(site: Path, tmp_path: Path) -> None:
    listed = json.loads(call(site, tmp_path, "reorder-kit", "list-plugins", "--strict", "--json").stdout)
    found: dict[str, dict[str, str]] = {}
    for plugin in listed:
        if plugin["distribution"] != "reorder-kit":
            found.setdefault(plugin["distribution"], {})[plugin["name"]] = plugin["status"]
    assert found == {
        project(package)["name"]: dict.fromkeys(project(package)["entry-points"]["reorder_kit"], "ok")
        for package in PACKAGES
    }


@every_package
def test_its_own_tests_pass_there(package: Path, site: Path, tmp_path: Path) -> None:
    alone = tmp_path / package.name
    shutil.copytree(package, alone, ignore=shutil.ignore_patterns("src", "__pycache__"))
    modules = sorted({path.partition(".")[0] for path in project(package)["entry-points"]["reorder_kit"].values()})
    names = ["reorder_kit", *modules]
    shown = f"import {', '.join(names)}, sys; print(*[sys.modules[name].__file__ for name in {names}], sep='\\n')"
    files = call(site, alone, "python", "-c", shown).stdout.splitlines()
    assert [Path(file).parent for file in files] == [site / name for name in names]
    call(site, alone, "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow")
