"""What became of a plugin, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from reorder_kit.errors import ReorderKitError

LONGEST = 500
"""Characters of a plugin's own words that are repeated."""


class PluginError(ReorderKitError):
    """A mistake in the code of a plugin; the error that it raised is the cause."""


@dataclass
class PluginRecord:
    """What became of a plugin.

    Args:
        name: of the entry point; of the module, for a built-in.
        distribution: the package it came with.
        version: of that package.
        api: the version of the plugin API it was written for; empty if unknown, as for an object given in Python.
        status: ``ok``, ``failed`` or ``blocked``.
        reason: why, unless it is ok.
        provides: components as ``kind name``.
        hooks: the run events it follows.
        deprecated: a sentence for each component that will be removed, and each run event.
    """

    name: str
    distribution: str
    version: str
    api: str = ""
    status: Literal["ok", "failed", "blocked"] = "ok"
    reason: str = ""
    provides: list[str] = field(default_factory=list)
    hooks: list[str] = field(default_factory=list)
    deprecated: list[str] = field(default_factory=list)

    @property
    def is_builtin(self) -> bool:
        """Whether it comes with reorder-kit itself."""
        return self.distribution == "reorder-kit"

    @property
    def deprecated_events(self) -> list[str]:
        """A sentence for each run event that will be removed: it concerns every run, a component only those with it."""
        return [words for words in self.deprecated if words.startswith("run event ")]

    def fail(self, reason: str) -> None:
        """Note why it cannot be used."""
        self.status, self.reason = "failed", reason


def owner(record: PluginRecord) -> str:
    """A plugin in words."""
    return f"plugin {record.name!r} of {record.distribution}" if record.distribution else f"plugin {record.name!r}"


def words_of(error: BaseException) -> str:
    """What an error of a plugin says, whatever the plugin made of it."""
    try:
        text = str(error)
    except Exception as other:  # its own __str__ raises
        text = f"its message raises {type(other).__name__}"
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    return text if isinstance(error, ReorderKitError) else f"{type(error).__name__}: {text}".removesuffix(": ")


def is_own(module: str) -> bool:
    """Whether a module is one of this package."""
    return module == "reorder_kit" or module.startswith("reorder_kit.")
