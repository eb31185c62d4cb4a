"""Components by kind and name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from reorder_kit.errors import ReorderKitError, did_you_mean, quoted
from reorder_kit.host.component_checks import require_complete
from reorder_kit.interfaces.component import Component

C = TypeVar("C", bound=Component)


class Registry(Generic[C]):
    """The components of one kind, and the plugin that each came from.

    Args:
        interface: the class that they all derive from.
    """

    def __init__(self, interface: type[C]) -> None:
        self.interface = interface
        self.kind = interface.kind
        self._components: dict[str, tuple[type[C], str]] = {}

    def check(self, component: Any) -> None:
        """Refuse a component that cannot be added.

        Raises:
            ReorderKitError: if it is not a complete component of this kind, or its name is taken.
        """
        require_complete(component, self.interface)
        if component.name in self._components:
            raise ReorderKitError(
                f"{self.kind.name} {component.name!r} is already provided by {self.owner(component.name)}",
                "rename one of them, or block one plugin with REORDER_KIT_BLOCK",
            )

    def add(self, component: type[C], owner: str) -> None:
        """Add a component that passed :meth:`check`."""
        self._components[component.name] = (component, owner)

    def get(self, name: str) -> type[C]:
        """The component with that name.

        Raises:
            ReorderKitError: if there is none, suggesting the closest name.
        """
        if name not in self._components:
            raise ReorderKitError(f"there is no {self.kind.name} {quoted(name)}", did_you_mean(name, self._components))
        return self._components[name][0]

    def owner(self, name: str) -> str:
        """The plugin that provides a component."""
        return self._components[name][1]

    def __contains__(self, name: object) -> bool:
        return name in self._components

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._components))

    def __len__(self) -> int:
        return len(self._components)
