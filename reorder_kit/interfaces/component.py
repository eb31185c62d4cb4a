"""What all components share: a name, typed options, and a docstring that `describe` shows."""

from __future__ import annotations

from typing import Any, ClassVar

import pydantic


class ComponentOptions(pydantic.BaseModel):
    """Options of a component, as written in a recipe. An option that does not exist is an error, not ignored."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class Component:
    """Something a recipe can name.

    ``name`` is what a recipe says; ``Options`` are the further keys it may give, each a pydantic field with a type, a
    default where there is one, and a description.
    """

    name: ClassVar[str]
    Options: ClassVar[Any] = ComponentOptions
