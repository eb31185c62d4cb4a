"""References in docstrings, as Sphinx has them, become plain code on pages."""

from __future__ import annotations

from griffe import Extension, Object

from site_pages.markdown import without_roles


class DocstringRoles(Extension):
    """Takes the names of roles away."""

    def on_object(self, *, obj: Object, **kwargs: object) -> None:
        """Change the docstring of anything that has one."""
        if obj.docstring:
            obj.docstring.value = without_roles(obj.docstring.value)
