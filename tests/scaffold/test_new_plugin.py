"""`reorder-kit new-plugin`: the files it writes, and what it refuses."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reorder_kit.cli import _lookup
from reorder_kit.cli._named_components import component_names
from reorder_kit.cli.main import app
from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import API_VERSION
from reorder_kit.host.plugin_record import PluginRecord
from reorder_kit.interfaces import INTERFACES
from reorder_kit.scaffold import write_package
from reorder_kit.scaffold.plan_plugin import plan_plugin
from reorder_kit.testing import host_with

KINDS = [*(interface.kind.name for interface in INTERFACES), "listener"]


@pytest.fixture(scope="module")
def host():
    return host_with()


@pytest.fixture
def call(host, tmp_path, monkeypatch):
    """Call it in an empty folder; plugins that happen to be installed are left out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_lookup, "load_host", lambda: host)
    return lambda *words: CliRunner().invoke(app, ["new-plugin", *map(str, words)])


def files_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_package_that_declares_what_it_is(call, kind):
    done = call(kind, "first-try")
    assert done.exit_code == 0, done.output
    folder = Path("reorder-kit-first-try")
    file = "listener" if kind == "listener" else "component"
    assert files_in(folder) == sorted(
        [
            "README.md",
            "pyproject.toml",
            "src/reorder_kit_first_try/__init__.py",
            f"src/reorder_kit_first_try/{file}.py",
            "src/reorder_kit_first_try/py.typed",
            "tests/test_first_try.py",
        ]
    )
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    assert project["project"]["name"] == "reorder-kit-first-try"
    assert project["project"]["entry-points"]["reorder_kit"] == {"first-try": f"reorder_kit_first_try.{file}"}
    source = (folder / f"src/reorder_kit_first_try/{file}.py").read_text()
    assert f'\nreorder_kit_api = "{API_VERSION}"\n' in source
    assert kind == "listener" or '    name = "first-try"\n' in source
    for path in folder.rglob("*.py"):
        ast.parse(path.read_text())
    assert [path for path in folder.rglob("*") if path.is_file() and "{{" in path.read_text()] == []


def test_it_prints_its_files_and_the_next_commands(call):
    lines = call("order-learner", "first-try", "--folder", "my plugins/first").stdout.splitlines()
    wrote, next_ones = lines[: lines.index("")], lines[lines.index("Next:") + 1 :]
    assert wrote[0] == "wrote my plugins/first/pyproject.toml"
    assert sorted(line.removeprefix("wrote my plugins/first/") for line in wrote) == files_in(Path("my plugins/first"))
    assert [line.strip() for line in next_ones] == [
        "cd 'my plugins/first'",
        "pip install --editable '.[test]'",
        "python -m pytest",
        "reorder-kit list-plugins",
        "reorder-kit describe order-learner first-try",
    ]


@pytest.mark.parametrize("kind", ["order_learners", "order-learners", "order-learner"])
def test_a_kind_can_be_given_in_any_spelling(call, kind):
    assert call(kind, "first-try").exit_code == 0
    assert "(OrderLearner)" in Path("reorder-kit-first-try/src/reorder_kit_first_try/component.py").read_text()


@pytest.mark.parametrize(
    ("kind", "name", "message", "hint"),
    [
        ("orderng", "mine", "there is no kind of plugin 'orderng'", "did you mean 'ordering'?"),
        ("listner", "mine", "there is no kind of plugin 'listner'", "did you mean 'listener'?"),
        ("ordering", "My Walk", "cannot be named 'My Walk'", "as in my-walk"),
        ("ordering", "MyWalk", "cannot be named 'MyWalk'", "as in my-walk"),
        ("ordering", "my_walk", "cannot be named 'my_walk'", "as in my-walk"),
        ("ordering", "2d-walk", "cannot be named '2d-walk'", "a letter first"),
        ("ordering", "my--walk", "cannot be named 'my--walk'", "as in my-walk"),
        ("ordering", "../walk", "cannot be named '../walk'", "as in walk"),
        ("ordering", "wälk", "cannot be named 'wälk'", "lower-case letters"),
        ("ordering", "w" * 41, "cannot be named 'www", "at most 30"),
        ("ordering", "w" * 31, "cannot be named 'www", f"at most 30 characters, as in {'w' * 30}"),
        ("ordering", "Ab" * 20, "cannot be named 'AbAb", f"as in {'ab-' * 9}ab"),
        ("ordering", "true", "cannot be named 'true'", "lower-case letters"),
        ("ordering", "none", "its class would be None, which is a name of Python", "choose another name"),
        ("ordering", "test-walk", "its class would be TestWalk, which pytest takes for tests", "choose another name"),
        ("ordering", "size", "its class would be Size, which means something else", "choose another name"),
        ("order-learner", "swap-policy", "its class would be SwapPolicy, which means something", "choose another name"),
        ("prior", "p-a-t-c-h-e-s", "its class would be PATCHES, which means something else", "choose another name"),
        *(
            (kind, name, f"means something else in tests/test_{name.replace('-', '_')}.py", "choose another name")
            for kind, name in (
                ("ordering", "grid"),
                ("prior", "grid"),
                ("prior", "image-shape"),
                ("tokenizer", "grid"),
                ("order-learner", "sequence"),
            )
        ),
        ("ordering", "hilbert", "ordering 'hilbert' is already provided by plugin 'orderings.hilbert'", "another name"),
    ],
)
def test_what_cannot_be_is_refused_in_words(call, kind, name, message, hint):
    done = call(kind, name)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
    assert hint in " ".join(done.stderr.split())
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("name", ["Hilbert", "None", "Grid", "Test-Walk", "hilbert_"])
def test_a_name_that_would_be_refused_is_not_proposed(call, name):
    done = call("ordering", name)
    assert done.exit_code == 2
    assert "as in" not in done.stderr


@pytest.mark.parametrize("name", ["sequence", "mapping", "none", "test-diary"])
def test_a_listener_has_no_class_whose_name_matters(call, name):
    assert call("listener", name).exit_code == 0


def test_every_package_is_clean_whatever_the_length_of_its_name(host, tmp_path):
    names = ["x", "x-y", "b" * 15, "try-a-name-of-some-length", "l" * 30, "abcd-efgh-ijkl-mnop-qrst-uvwxy"]
    assert max(map(len, names)) == 30
    for kind in KINDS:
        for number, name in enumerate(names):
            write_package.write_package(plan_plugin(kind, name, host), tmp_path / f"{kind}-{number}")
    for words in (["check", "--no-cache", "--output-format", "concise"], ["format", "--no-cache", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, str(tmp_path)], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_name_of_another_kind_is_free(call):
    assert call("prior", "hilbert").exit_code == 0


def test_the_name_of_an_installed_plugin_is_taken():
    host = host_with()
    host.plugins.append(PluginRecord("diary", "diary-dist", "1.0"))
    with pytest.raises(ReorderKitError, match="'diary' is already installed, by diary-dist") as refused:
        plan_plugin("ordering", "diary", host)
    assert refused.value.hint.endswith("pip uninstall diary-dist")
    host.plugins.append(PluginRecord("notes", "", ""))
    with pytest.raises(ReorderKitError, match="'notes' is already installed, by this program") as refused:
        plan_plugin("ordering", "notes", host)
    assert refused.value.hint == "choose another name"


def test_the_name_of_an_installed_package_is_taken(call, tmp_path, monkeypatch):
    (tmp_path / "elsewhere" / "reorder_kit_diary").mkdir(parents=True)
    (tmp_path / "elsewhere" / "reorder_kit_diary" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    done = call("ordering", "diary")
    assert done.exit_code == 2
    assert "a package reorder_kit_diary is already installed" in done.stderr


@pytest.mark.parametrize("there", ["empty folder", "folder", "file", "link"])
def test_what_is_there_is_never_overwritten(call, there):
    place = Path("here")
    if there == "link":
        place.symlink_to("nowhere")
    elif there == "file":
        place.write_text("mine")
    else:
        place.mkdir()
    if there == "folder":
        (place / "README.md").write_text("mine")
    done = call("ordering", "first-try", "--folder", "here")
    assert done.exit_code == 2
    assert "error: here" in done.stderr
    assert [path.name for path in Path().iterdir()] == ["here"]
    assert there != "folder" or (place / "README.md").read_text() == "mine"
    assert there != "file" or place.read_text() == "mine"


def test_the_shell_finds_the_component_that_was_written(call, tmp_path, install):
    call("ordering", "first-try")
    source = (tmp_path / "reorder-kit-first-try/src/reorder_kit_first_try/component.py").read_text()
    install("reorder-kit-first-try", {"first-try": "first_try_component"}, {"first_try_component": source}, api=None)
    assert "first-try" in component_names("ordering")


def test_templates_are_those_of_the_kinds():
    templates = Path(write_package.__file__).parent / "templates"
    assert {folder.name for folder in templates.iterdir()} == {*KINDS, "shared"}
