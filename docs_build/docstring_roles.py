"""References such as ``:class:`Order``` in docstrings become plain code, as Markdown has it."""

from __future__ import annotations

import re

from griffe import Extension, Object


class DocstringRoles(Extension):
    """Takes the names of roles away."""

    def on_object(self, *, obj: Object, **kwargs: object) -> None:
        """Change the docstring of anything that has one."""
        if obj.docstring:
            obj.docstring.value = re.sub(r":\w+:(`~?[^`]+`)", r"\1", obj.docstring.value)
