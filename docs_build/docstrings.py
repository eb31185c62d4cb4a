"""What griffe reads of the code: docstrings become Markdown."""

from __future__ import annotations

from griffe import Extension, Object

from site_pages.markdown import python_docstring


class MarkdownDocstrings(Extension):
    """Rewrites what Sphinx and doctest read."""

    def on_object(self, *, obj: Object, **kwargs: object) -> None:
        """Change the docstring of anything that has one."""
        if obj.docstring:
            obj.docstring.value = python_docstring(obj.docstring.value)
