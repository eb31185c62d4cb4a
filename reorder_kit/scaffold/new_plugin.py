"""A new plugin: what it is called in recipes, by pip and in Python."""

from __future__ import annotations

from dataclasses import dataclass

LISTENER = "listener"
"""What ``new-plugin`` calls a plugin that follows runs; it provides no component."""


@dataclass(frozen=True)
class NewPlugin:
    """A plugin to write.

    Args:
        kind: of its component, or ``listener``.
        name: of its component and of its entry point.
    """

    kind: str
    name: str

    @property
    def distribution(self) -> str:
        """What pip calls it."""
        return f"reorder-kit-{self.name}"

    @property
    def module(self) -> str:
        """What Python calls the package."""
        return self.distribution.replace("-", "_")

    @property
    def class_name(self) -> str:
        """Of its component."""
        return "".join(word.capitalize() for word in self.name.split("-"))

    @property
    def file(self) -> str:
        """The module of the entry point, within the package."""
        return LISTENER if self.kind == LISTENER else "component"
