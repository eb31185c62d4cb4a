"""The Python API: what mkdocstrings is asked to show on which page."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

import reorder_kit
from reorder_kit import interfaces, own_loop, testing

_PAGES = "reference/python"


def python_pages() -> dict[str, str]:
    """The pages, by source."""
    public = {name: _home(getattr(reorder_kit, name)) for name in reorder_kit.__all__}
    functions = [name for name in reorder_kit.__all__ if name[0].islower() and name not in ("learner", "hookimpl")]
    results = ["finished_run.FinishedRun", "finished_study.FinishedStudy", "finished_study.PlannedStudy"]
    shown = {
        "functions": (
            "Functions",
            "The public functions of `reorder_kit`, and what they return. [Python and notebooks](../../python.md) "
            "shows them at work.",
            [*(public[name] for name in functions), *(f"reorder_kit.api.{name}" for name in results)],
        ),
        "orders": (
            "Orders and models",
            "Classes that functions take and return. [Orders](../../orders.md) shows them at work.",
            [public[name] for name in ("Order", "Grid", "OrderedModel", "ReorderKitError", "ReorderKitWarning")],
        ),
        "own-loop": (
            "Own loop",
            "A learner in a training loop of your own. [The page about it](../../own-loop.md) has complete loops.",
            [public["learner"], f"{own_loop.__name__}.LearnedOrder"],
        ),
        "interfaces": (
            "Interfaces",
            "What plugins implement, and the words that they speak in: `from reorder_kit.interfaces import ...`.",
            [f"reorder_kit.interfaces.{name}" for name in interfaces.__all__ if not name.isupper()],
        ),
        "hooks": ("Hooks", "What plugins register, and which events they follow.", ["reorder_kit.hookspecs"]),
        "testing": (
            "Testing",
            "Checks for plugins. [Test a plugin](../../testing.md) shows them at work.",
            [f"reorder_kit.testing.{name}" for name in testing.__all__],
        ),
    }
    return {f"{_PAGES}/{name}.md": _page(*each) for name, each in shown.items()}


def _page(title: str, words: str, identifiers: Iterable[str]) -> str:
    return f"# {title}\n\n{words}\n\n" + "\n".join(f"::: {name}\n" for name in identifiers)


def _home(thing: object) -> str:
    """The full name where it is defined."""
    module, name = getattr(thing, "__module__", ""), getattr(thing, "__qualname__", "")
    return f"{module}.{name}" if hasattr(import_module(module), name) else f"reorder_kit.{name}"
