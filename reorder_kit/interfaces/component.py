"""What all components share: a kind, a name, typed options, and a docstring that `describe` shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import pydantic

from reorder_kit.interfaces.class_fact import ClassFact
from reorder_kit.interfaces.deprecation import Deprecation
from reorder_kit.interfaces.numbers import require_plain_number


class ComponentOptions(pydantic.BaseModel):
    """Options of a component, as written in a recipe. An unknown or meaningless option is an error."""

    # Validators are built at first use: the command line loads the options of every component, but uses few.
    model_config = pydantic.ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, defer_build=True
    )

    def unused(self) -> dict[str, str]:
        """Options that mean nothing together with the others, and why: refused if given, omitted when written."""
        return {}

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _refuse_odd_numbers(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        require_plain_number(value, cls.model_fields[str(info.field_name)])
        return value

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


@dataclass(frozen=True)
class Kind:
    """What the components of an interface are called; everything that lists kinds of components is derived from it.

    Args:
        name: the name of one component, in lower case: ``order-learner``.
        plural: the name of several: ``order-learners``.

    >>> Kind("order-learner", "order-learners").hook
    'register_order_learners'
    """

    name: str
    plural: str

    @property
    def folder(self) -> str:
        """The folder of the package with the built-in ones, one per file."""
        return self.plural.replace("-", "_")

    @property
    def hook(self) -> str:
        """The function that registers a plugin's components; it returns a list of classes."""
        return f"register_{self.folder}"


NAMES_ARE = (
    "names are letters and digits with single - _ . between them, as in 'bottom-up', but no number, true, false or null"
)
_OTHER_WORDS = {"true", "false", "null"}


def is_name(name: object) -> bool:
    """Whether recipes and commands can use a name without quotes.

    >>> is_name("bottom-up"), is_name("MyOrder"), is_name("Bottom up"), is_name("1e3")
    (True, True, False, False)
    """
    if not isinstance(name, str) or re.fullmatch(r"[A-Za-z0-9]+([-_.][A-Za-z0-9]+)*", name) is None:
        return False
    return name.lower() not in _OTHER_WORDS and not _is_number(name)


def _is_number(text: str) -> bool:
    """Whether any version of YAML may read a text as a number."""
    for read in (float, lambda digits: int(digits, 0)):
        try:
            read(text)
        except ValueError:
            continue
        return True
    return False


class Component:
    """Something that a recipe, or an option of another component, can name.

    ``kind`` is set by each interface, the class that all components of a kind derive from.

    ``class_facts`` are also set by each interface: the attributes that a class must have when its plugin is loaded.

    ``name`` is its name in recipes; ``Options`` are the further keys that a recipe may give, each a pydantic field
    with a type, an optional default, and a description.

    ``deprecated`` says that a release will remove the component; using it causes a warning. Subclasses do not
    inherit it.
    """

    kind: ClassVar[Kind]
    name: ClassVar[str]
    Options: ClassVar[Any] = ComponentOptions
    class_facts: ClassVar[Mapping[str, ClassFact]] = {}
    deprecated: ClassVar[Deprecation | None] = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "deprecated" not in vars(cls):  # what replaces a deprecated component may derive from it
            cls.deprecated = None

    @classmethod
    def deprecation(cls) -> str:
        """A sentence about a deprecated component that begins with its kind and name; empty for all others."""
        return f"{cls.kind.name} {cls.name!r} {cls.deprecated}" if cls.deprecated else ""

    @classmethod
    def declares(cls) -> dict[str, str]:
        """What the class declares in addition to its options, in a few words each, for ``describe``."""
        return {}
