"""Every example in a docstring gives the stated result."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module
from pathlib import Path

import pytest

import reorder_kit

MODULES = ["reorder_kit", *(found.name for found in pkgutil.walk_packages(reorder_kit.__path__, "reorder_kit."))]


def examples(module):
    """Docstrings of a module with examples."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [found for found in finder.find(import_module(module)) if found.examples]


EXAMPLES = {found.name: found for module in MODULES for found in examples(module)}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_gives_what_it_says(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = []
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    runner.run(EXAMPLES[name], out=said.append, clear_globs=False)
    assert runner.failures == 0, "".join(said)


def test_no_example_is_overlooked():
    package = Path(reorder_kit.__file__).parent
    written = sum(file.read_text().count(">>> ") for file in package.rglob("*.py"))
    assert written == sum(len(found.examples) for found in EXAMPLES.values())
    assert written > 0
