"""Shell completion: names of recipes, runs and components, found without importing torch."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest
from typer.testing import CliRunner

from reorder_kit.cli._named_components import component_names, kinds
from reorder_kit.cli.main import app
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.recipe.library import recipe_names


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """Completions for a line up to the cursor."""
    monkeypatch.chdir(tmp_path)

    def offered(line):
        words = line.split(" ")
        variables = {
            "_REORDER_KIT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1),
        }  # fmt: skip
        return CliRunner().invoke(app, [], env=variables, prog_name="reorder-kit").stdout.split()

    return offered


def test_names_are_those_of_the_plugins():
    host = PluginHost(third_party=False)
    assert set(kinds()) == {registry.kind.name for registry in host.registries.values()}
    for registry in host.registries.values():
        assert set(component_names(registry.kind.name)) >= set(registry)
        assert component_names(registry.kind.plural.replace("-", "_")) == component_names(registry.kind.name)
    assert component_names("orders") == []


def test_a_plugin_of_others_is_offered_without_importing_it(install):
    source = """
    from reorder_kit import hookimpl
    from reorder_kit.interfaces import Ordering
    raise RuntimeError("imported")

    class Backwards(Ordering):
        name: str = "backwards"

    class Helper:
        name = "no-component"

    @hookimpl
    def register_orderings():
        return [Backwards]
    """
    install("light-dist", {"light": "light_module"}, {"light_module": textwrap.dedent(source)})
    assert {"backwards", "hilbert"} <= set(component_names("ordering"))
    assert "no-component" not in component_names("ordering")
    assert "backwards" not in component_names("prior")


def test_recipes_and_files_are_offered(offered, tmp_path):
    assert offered("reorder-kit run quick") == ["quickstart"]
    (tmp_path / "quicker.yaml").write_text("")
    (tmp_path / "quicker.txt").write_text("")
    (tmp_path / "quickly").mkdir()
    assert offered("reorder-kit run quick") == ["quickstart", "quicker.yaml", "quickly/"]
    assert set(offered("reorder-kit recipes copy ")) == set(recipe_names())
    assert offered("reorder-kit study qui")[0] == "quick"


def test_runs_are_offered(offered, tmp_path):
    for name in ("a", "b", "group/c"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        if name != "b":
            (tmp_path / "runs" / name / "recipe.yaml").write_text("")
    (tmp_path / "runs" / "s").mkdir()
    (tmp_path / "runs" / "s" / "study.json").write_text("")
    assert offered("reorder-kit evaluate ") == ["runs/", "runs/a", "runs/b/", "runs/group/", "runs/s/"]
    assert offered("reorder-kit evaluate runs/gr") == ["runs/group/"]
    assert offered("reorder-kit evaluate runs/group/") == ["runs/group/c"]
    assert offered("reorder-kit report runs/s") == ["runs/s"]
    assert offered("reorder-kit evaluate nowhere/") == []


def test_components_are_offered_by_the_kind_before(offered):
    assert offered("reorder-kit describe order-") == ["order-learner"]
    assert offered("reorder-kit describe order-learner rein") == ["reinforce"]
    assert offered("reorder-kit describe orderings hil") == ["hilbert"]
    assert offered("reorder-kit describe nothing hil") == []
    assert offered("reorder-kit show-order hil") == ["hilbert"]
    assert offered("reorder-kit evaluate run --order hil") == ["hilbert"]
    assert offered("reorder-kit prior quickstart --prior lz") == ["lzma"]
    assert offered("reorder-kit bench planted --learner evo") == ["evolution"]


def test_options_are_offered(offered):
    assert offered("reorder-kit show-order --pn") == ["--png"]


def test_no_completion_imports_torch(tmp_path):
    code = """
    import os, sys
    from reorder_kit.cli.main import app
    for line in sys.argv[1:]:
        os.environ |= {"_REORDER_KIT_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": line}
        try:
            app(prog_name="reorder-kit")
        except SystemExit:
            pass
    sys.exit(sorted({"torch", "numpy", "reorder_kit.interfaces"} & sys.modules.keys()) or 0)
    """
    lines = ["run qui", "study qui", "describe ", "describe ordering hil", "show-order hil", "evaluate ", "report "]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *(f"reorder-kit {line}" for line in lines)],
        capture_output=True, text=True, cwd=tmp_path, env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "hilbert" in done.stdout


def test_the_script_of_a_shell_is_printed(monkeypatch):
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    done = CliRunner().invoke(app, ["--show-completion"])
    assert "--install-completion" in CliRunner().invoke(app, ["--help"]).stdout
    assert done.exit_code == 0 or "requires an argument" in done.output
