"""The wheel: its content, and that it works without a checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from pages import Page, commands_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
README = Page("README.md")
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built without downloads."""
    folder = tmp_path_factory.mktemp("wheel")
    offline = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*PIP, "wheel", *offline, str(ROOT)], check=True, timeout=300)
    (file,) = folder.iterdir()
    return file


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A fresh environment with the wheel; only dependencies come from the environment of the tests."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    bin_folder = folder / "bin"
    site_packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    # After those of the fresh environment on the path; a .pth file in them, of an editable install, is not read.
    (site_packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    into = ["--python", str(bin_folder / "python"), "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*PIP, *into, str(wheel)], check=True, timeout=300)
    return bin_folder


@pytest.fixture
def call(installed, tmp_path):
    """Call a program of the fresh environment in an empty folder."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "REORDER_KIT"))}

    def call(program, *arguments):
        done = subprocess.run(
            [installed / program, *arguments], cwd=tmp_path, env=own, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def files_below(folder, pattern):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob(pattern)}


def test_it_holds_the_package_with_recipes_and_studies_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    metadata = {name for name in content if name.startswith("reorder_kit-")}
    modules = {f"reorder_kit/{name}": text for name, text in files_below(ROOT / "reorder_kit", "*.py").items()}
    recipes = {
        f"reorder_kit/shipped_recipes/{name}": text for name, text in files_below(ROOT / "recipes", "*.yaml").items()
    }
    studies = {
        f"reorder_kit/shipped_studies/{name}": text for name, text in files_below(ROOT / "studies", "*.yaml").items()
    }
    templates = {
        f"reorder_kit/{folder}/templates/{name}": text
        for folder in ("reports", "scaffold")
        for name, text in files_below(ROOT / "reorder_kit" / folder / "templates", "*.*").items()
    }
    assert {name: content[name] for name in content.keys() - metadata} == {
        **modules,
        **templates,
        **recipes,
        **studies,
        "reorder_kit/py.typed": b"",
    }
    assert any(name.endswith("/licenses/LICENSE") for name in metadata)


def test_its_own_code_and_recipes_are_the_ones_used(call, installed):
    shown = call("python", "-c", "import reorder_kit, torch; print(reorder_kit.__file__, torch.__file__, sep='\\n')")
    package, torch_file = map(Path, shown.splitlines())
    assert package.is_relative_to(installed.parent)
    assert torch_file.is_relative_to(sysconfig.get_path("purelib"))
    recipes = call("python", "-c", "from reorder_kit.recipe import library; print(library.recipes_folder())")
    assert Path(recipes.strip()) == package.parent / "shipped_recipes"


def test_recipes_are_listed_and_copied(call, tmp_path):
    names = {name.removesuffix(".yaml") for name in files_below(ROOT / "recipes", "*.yaml")}
    assert {line.split()[0] for line in call("reorder-kit", "recipes", "list").splitlines()} == names
    call("reorder-kit", "recipes", "copy", "quickstart")
    assert (tmp_path / "recipes" / "quickstart.yaml").read_bytes() == (ROOT / "recipes/quickstart.yaml").read_bytes()


def test_the_python_of_the_readme_runs_twice(call, tmp_path):
    (source,) = README.blocks("python")
    (tmp_path / "lines.py").write_text(source)
    printed = [call("python", "lines.py") for _ in range(2)]
    results = sorted((tmp_path / "runs").glob("*/result.json"))
    assert len(results) == 2
    for text, file in zip(printed, results, strict=True):
        result = json.loads(file.read_text())
        assert f"{result['metrics']['test']['top1']:.3f}" in text
        assert "random-fixed" in text
        assert " ".join(map(str, result["order"]["final"][:5])) in text


@pytest.mark.parametrize("words", [words for block in README.blocks("console") for words in commands_of(block)])
def test_the_commands_of_the_readme_run_twice(call, words):
    program, *arguments = words
    if program == "reorder-kit":
        for _ in range(2):
            assert call(program, *arguments, *(["--set", "train.epochs=2"] if arguments[0] == "run" else []))


def test_the_quickstart_trains(call, tmp_path):
    printed = call("reorder-kit", "run", "quickstart", "--set", "train.epochs=1", "--quiet")
    assert "test top1" in printed
    result = json.loads((tmp_path / "runs" / "quickstart" / "result.json").read_text())
    assert set(result["controls"]) == {"fixed-start", "learned-static"}
