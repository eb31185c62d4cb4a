"""Lengths within a run: a number of epochs, or a share of all epochs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetPydanticSchema, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

from reorder_kit.errors import quoted
from reorder_kit.interfaces.numbers import Amount

_PATTERN = r"^(\d{1,3}(\.\d{1,2})?|\.\d{1,2}) ?%$"
_PERCENTAGE = r"^-?(\d+(\.\d+)?|\.\d+) ?%$"
_PRECISION = 0.005
"""Half of the last digit of a share, in percent."""


@dataclass(frozen=True)
class ShareOfRun:
    """A share of the epochs of a run, whatever their number.

    A share is as precise as written, to a hundredth of a percent: 1.67% of 60 epochs is 1 epoch.

    >>> str(ShareOfRun(12.5)), ShareOfRun(12.5).of(60), ShareOfRun(1.67).of(60)
    ('12.5%', 7.5, 1.0)

    Args:
        percent: from 0 to 100.
    """

    percent: float

    @classmethod
    def parse(cls, text: str) -> ShareOfRun:
        """Read ``10%``.

        Raises:
            ValueError: if it is not a share of a run.
        """
        if not re.match(_PERCENTAGE, text):
            raise ValueError(
                f"give a number of epochs, such as 6, or a share of the run, such as 10%, not {quoted(text)}"
            )
        percent = float(text.removesuffix("%"))
        if text.startswith("-") or percent > 100:
            raise ValueError(f"a share of the run must be from 0% to 100%, not {quoted(text)}")
        if not re.match(_PATTERN, text):
            raise ValueError(f"a share of the run has at most two decimals, not {quoted(text)}")
        return cls(percent)

    def __str__(self) -> str:
        return f"{self.percent:g}%"

    def of(self, run: float) -> float:
        """The number of epochs in a run; a whole number if that is within the precision of the share."""
        epochs = self.percent * run / 100
        whole = round(epochs)
        return float(whole) if whole and abs(epochs - whole) <= _PRECISION / 100 * run else epochs


def _schema(source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    def read(value: Any, as_number: core_schema.ValidatorFunctionWrapHandler) -> Any:
        if isinstance(value, ShareOfRun):
            return value
        return ShareOfRun.parse(value) if isinstance(value, str) else as_number(value)

    write = core_schema.plain_serializer_function_ser_schema(lambda value: _plain(value))
    return core_schema.no_info_wrap_validator_function(read, handler.generate_schema(Amount), serialization=write)


def _plain(length: float | ShareOfRun) -> float | str:
    return str(length) if isinstance(length, ShareOfRun) else length


Epochs = Annotated[
    float | ShareOfRun,
    GetPydanticSchema(_schema),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1_000_000}, {"type": "string", "pattern": _PATTERN}]}
    ),
]
"""A number of epochs, such as 6, or a share of the run, such as ``10%``. ``epochs_in`` gives the epochs of either."""


def epochs_in(length: float | ShareOfRun, run: float) -> float:
    """The number of epochs in a length.

    Args:
        length: the value of an option.
        run: epochs of the whole run.
    """
    return length.of(run) if isinstance(length, ShareOfRun) else length
