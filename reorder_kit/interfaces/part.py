"""A component as an option of another component."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import PurePath
from typing import Annotated, Any, ClassVar, Generic, Protocol, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError, ValidationInfo, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError, SchemaSerializer, core_schema

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces.component import Component, ComponentOptions

C = TypeVar("C", bound=Component)

KIND_KEYWORD = "x-reorder-kit-part"
"""A key in the JSON Schema of an option that is a part; its value is the kind of component, as in ``ordering``."""


class _Registry(Protocol):
    def get(self, name: str) -> type[Any]: ...


class Host(Protocol):
    """Looks names up; the plugin host is one."""

    def registry_of(self, interface: type[Component]) -> _Registry:
        """The components that implement an interface."""
        ...


class Part(Generic[C]):
    """A component as an option of another component.

    In a recipe it is a name, or a mapping with ``name`` and the component's options, like any component:
    ``order: {start: {name: halves, lower: {name: spiral, reverse: true}}}``. A complete plugin::

        from pydantic import Field
        from reorder_kit import hookimpl
        from reorder_kit.interfaces import Grid, Ordering, OrderingOptions, Part

        class Halves(Ordering):
            \"""The upper half of the grid by one rule, then the lower half by another.\"""

            name = "halves"

            class Options(OrderingOptions):
                upper: Part[Ordering] = Field(Part.named("row"), description="ordering of the upper half")
                lower: Part[Ordering] = Field(Part.named("hilbert"), description="ordering of the lower half")

            def cells(self, height, width):
                middle = height // 2
                for rule, top, bottom in ((self.options.upper, 0, middle), (self.options.lower, middle, height)):
                    if bottom > top:
                        for patch in rule.build().order(Grid(bottom - top, width)).indices.tolist():
                            yield top + patch // width, patch % width

        @hookimpl
        def register_orderings():
            return [Halves]

    ``list[Part[Ordering]]``, ``Part[Ordering] | None`` and nested parts also work. Names are looked up when options
    are validated with ``context={"host": host}``, as a recipe's are. Without a host, a name stays a name, which cannot
    be built: in Python, write ``Part.of(Hilbert, reverse=True)``.

    Args:
        chosen: the class of the component, or a name that has not been looked up yet.
        options: options of the component.
    """

    # Not a dataclass: pydantic treats those specially.
    __slots__ = ("chosen", "options")

    chosen: type[C] | str
    options: ComponentOptions

    __pydantic_serializer__: ClassVar[SchemaSerializer]  # for parts in lists whose type pydantic does not look up

    def __init__(self, chosen: type[C] | str, options: ComponentOptions) -> None:
        object.__setattr__(self, "chosen", chosen)
        object.__setattr__(self, "options", options)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a part cannot be changed: {name}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and (self.chosen, self.options) == (other.chosen, other.options)

    def __hash__(self) -> int:
        return hash((self.chosen, self.options))

    def __repr__(self) -> str:
        return f"Part({self.name!r}, {self.options!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Part, (self.chosen, self.options)

    @classmethod
    def of(cls, component: type[C], /, **options: Any) -> Part[C]:
        """A component given by its class.

        Args:
            component: the class.
            options: options of the component.
        """
        return cls(component, component.Options(**options))

    @classmethod
    def named(cls, name: str, /, **options: Any) -> Part[C]:
        """A component given by its name, as the default of an option.

        Args:
            name: the name.
            options: options of the component; checked when the name is looked up.
        """
        return cls(name, _Given(**options))

    @property
    def name(self) -> str:
        """Its name in recipes."""
        return self.chosen if isinstance(self.chosen, str) else self.chosen.name

    @property
    def component(self) -> type[C]:
        """The class of the component.

        Raises:
            ReorderKitError: if its name was not looked up.
        """
        if isinstance(self.chosen, str):
            reason = f"{self.chosen!r} is only a name, which no plugin host has looked up"
            raise ReorderKitError(reason, "in Python, give the class, as in Part.of(Hilbert, reverse=True)")
        return self.chosen

    def build(self, *arguments: Any) -> C:
        """The component with its options.

        Args:
            arguments: whatever a component of this kind takes after its options.
        """
        component: Callable[..., C] = self.component  # each kind takes its own arguments
        return component(self.options, *arguments)

    def as_dict(self) -> dict[str, Any]:
        """The component as in a recipe, with every option."""
        return {"name": self.name, **self.options.model_dump(mode="json")}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        # When it writes a default, pydantic itself asks for a part without a kind.
        (interface,) = get_args(source) or (Component,)
        shown = {} if interface is Component else {KIND_KEYWORD: kind_of(interface)}
        return core_schema.with_info_before_validator_function(
            partial(_validate, interface=interface),
            handler.generate_schema(Annotated[Any, WithJsonSchema(shown)]),
            serialization=_WRITTEN,
        )


_WRITTEN = core_schema.plain_serializer_function_ser_schema(Part.as_dict)
Part.__pydantic_serializer__ = SchemaSerializer(core_schema.any_schema(serialization=_WRITTEN))


def reads_file(options: Any) -> bool:
    """Whether an option, or one of a part, names a file, so that the recipe alone does not determine the component.

    >>> from reorder_kit.orderings.custom import Custom
    >>> reads_file(Custom.Options(file="order.json"))
    True
    """
    if isinstance(options, Part):
        return reads_file(options.options)
    if isinstance(options, BaseModel):
        return any(reads_file(value) for _, value in options)
    if isinstance(options, Mapping):
        return any(map(reads_file, options.values()))
    if isinstance(options, (list, tuple, set, frozenset)):
        return any(map(reads_file, options))
    return isinstance(options, PurePath)


def kind_of(interface: type[Component]) -> str:
    """What the components of an interface are called.

    >>> from reorder_kit.interfaces import OrderLearner
    >>> kind_of(OrderLearner)
    'order-learner'
    """
    return interface.kind.name


class _Given(ComponentOptions):
    """Options of a component that has not been looked up yet."""

    model_config = ConfigDict(extra="allow")


class _Section(BaseModel):
    """A name and options."""

    model_config = ConfigDict(extra="allow")

    name: str


def _validate(value: Any, info: ValidationInfo, interface: type[Component]) -> Part[Any]:
    part = value if isinstance(value, Part) else _part_of(value)
    context: Mapping[str, Any] = info.context or {}
    if isinstance(part.chosen, str):
        return _look_up(part, interface, context) if "host" in context else part
    if not issubclass(part.chosen, interface):
        raise ValueError(f"{part.name} is no {kind_of(interface)}")
    return part


def _part_of(value: Any) -> Part[Any]:
    section = _Section(name=value) if isinstance(value, str) else _Section.model_validate(value)
    return Part(section.name, _Given(**(section.model_extra or {})))


def _look_up(part: Part[Any], interface: type[Component], context: Mapping[str, Any]) -> Part[Any]:
    host: Host = context["host"]
    try:
        component = host.registry_of(interface).get(part.name)
    except ReorderKitError as error:
        unknown = {"message": error.message, "hint": error.hint}
        raise PydanticCustomError("unknown_part", "{message}", unknown) from None
    try:
        return Part(component, component.Options.model_validate(part.options.model_extra, context=dict(context)))
    except ValidationError as error:
        # Kept whole: the code that words the message needs to know whose options they are.
        wrong = {"message": str(error), "error": error, "options": component.Options}
        raise PydanticCustomError("wrong_part", "{message}", wrong) from None
