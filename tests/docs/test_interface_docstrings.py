"""Every plugin in a docstring of the interfaces works unchanged."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path

import pytest

import reorder_kit
from reorder_kit.interfaces import INTERFACES

PACKAGE = Path(reorder_kit.__file__).parent
FILES = [PACKAGE / "hookspecs.py", *sorted((PACKAGE / "interfaces").rglob("*.py"))]


def docstrings(file):
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            yield getattr(node, "name", file.stem), ast.get_docstring(node)


def literal_blocks(docstring):
    """The indented text after each ``::``."""
    for block in re.findall(r"::\n\n((?:(?: {4}.*)?\n)+(?: {4}.*)?)", docstring + "\n"):
        yield textwrap.dedent(block)


PLUGINS = [
    pytest.param(block, id=name)
    for file in FILES
    for name, docstring in docstrings(file)
    for block in literal_blocks(docstring)
    if "@hookimpl" in block
]


def test_the_module_of_hooks_and_every_kind_of_component_show_a_plugin():
    shown = {plugin.id for plugin in PLUGINS}
    kinds = {interface.__name__ for interface in INTERFACES}
    assert shown == {"hookspecs", "Part", *kinds, "RankingPrior", "ScoringPrior", "SupervisedTask", "TaskWrapper"}


@pytest.mark.parametrize("source", PLUGINS)
def test_a_plugin_in_a_docstring_works(load, source):
    load(source).use()
