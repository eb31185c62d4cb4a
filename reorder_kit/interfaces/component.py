"""What all components share: a name, typed options, and a docstring that `describe` shows."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import pydantic


class ComponentOptions(pydantic.BaseModel):
    """Options of a component, as written in a recipe. One that does not exist, or that means nothing, is an error."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    def unused(self) -> dict[str, str]:
        """Options that mean nothing beside the others, and why: refused when given, left out when written down."""
        return {}

    @pydantic.model_validator(mode="after")
    def _refuse_unused(self) -> Self:
        for name, reason in self.unused().items():
            if name in self.model_fields_set:
                raise ValueError(f"{name} does nothing: {reason}")
        return self

    @pydantic.model_serializer(mode="wrap")
    def _leave_out_unused(self, write: pydantic.SerializerFunctionWrapHandler) -> dict[str, Any]:
        unused = self.unused()
        return {name: value for name, value in write(self).items() if name not in unused}


class Component:
    """Something a recipe can name.

    ``name`` is what a recipe says; ``Options`` are the further keys it may give, each a pydantic field with a type, a
    default where there is one, and a description.
    """

    name: ClassVar[str]
    Options: ClassVar[Any] = ComponentOptions
