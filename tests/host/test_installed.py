"""The installed plugins that are loaded once, and loaded again where something else would come out."""

from __future__ import annotations

from reorder_kit.host.installed import installed_plugins

ORDERING = """
from reorder_kit import hookimpl
from reorder_kit.interfaces import Ordering

reorder_kit_api = "1.0"

class Mine(Ordering):
    name = "mine"

    def cells(self, height, width):
        return [(row, column) for row in range(height) for column in range(width)]

@hookimpl
def register_orderings():
    return [Mine]
"""


def test_plugins_are_loaded_once():
    assert installed_plugins() is installed_plugins()


def test_a_distribution_on_a_new_path_is_found(install):
    before = installed_plugins()
    install("mine-dist", {"mine": "mine_module"}, {"mine_module": ORDERING})
    assert "mine" not in before.orderings
    assert "mine" in installed_plugins().orderings


def test_a_distribution_that_is_installed_or_removed_beside_others_is_noticed(install):
    metadata = install("mine-dist", {"mine": "mine_module"}, {"mine_module": ORDERING})
    assert "mine" in installed_plugins().orderings
    metadata.rename(metadata.parent / "moved-away")
    assert "mine" not in installed_plugins().orderings
    (metadata.parent / "moved-away").rename(metadata)
    assert "mine" in installed_plugins().orderings


def test_the_variables_are_obeyed_whenever_they_change(install, monkeypatch):
    install("mine-dist", {"mine": "mine_module"}, {"mine_module": ORDERING})
    assert "mine" in installed_plugins().orderings
    monkeypatch.setenv("REORDER_KIT_BLOCK", "mine")
    assert "mine" not in installed_plugins().orderings
    monkeypatch.setenv("REORDER_KIT_BLOCK", "")
    assert "mine" in installed_plugins().orderings
    monkeypatch.setenv("REORDER_KIT_NO_THIRD_PARTY", "1")
    assert "mine" not in installed_plugins().orderings


def test_a_failed_plugin_is_tried_again(install):
    metadata = install("mine-dist", {"mine": "mine_module"})
    assert "mine" not in installed_plugins().orderings
    (module := metadata.parent / "mine_module.py").write_text(ORDERING)
    assert module.exists()
    assert "mine" in installed_plugins().orderings
