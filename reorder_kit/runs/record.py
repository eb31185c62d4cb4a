"""Typed content of JSON files, with reading and writing."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, ValidationError, model_serializer

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces.path_lengths import shortened
from reorder_kit.orders.checksums import DAMAGED, strict_json, with_checksum, without_checksum
from reorder_kit.whole_file import write_unless_same

Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, lt=2**63)]

_MOST_NAMED = 10
"""The most fields that a message names."""

_WORDS = {"missing": "is missing", "extra_forbidden": "is not a field of this file"}


class Record(BaseModel):
    """The content of a JSON file, or a part of it.

    A field at its default is left out of the file; a field without a default is always written. Unknown keys are
    refused, because a mistyped key would otherwise count as missing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    def as_dict(self) -> dict[str, Any]:
        """The content as plain data for JSON."""
        return self.model_dump(mode="json")

    @model_serializer(mode="wrap")
    def _leave_out_defaults(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        return {
            name: value
            for name, value in write(self).items()
            if fields[name].is_required() or getattr(self, name) != fields[name].get_default()
        }

    @classmethod
    def parse(cls, content: Mapping[str, Any], source: str) -> Self:
        """Check what was read: it must equal what the record would write, so that no number comes from a string.

        Args:
            content: the fields.
            source: its name in messages.

        Raises:
            ReorderKitError: naming every invalid field.
        """
        try:
            record = cls.model_validate(content)
        except ValidationError as error:
            raise ReorderKitError(f"{source}: {problems(error)}", DAMAGED) from None
        different = _first_difference(dict(content), record.model_dump(mode="json"))
        if different is not None:
            raise ReorderKitError(f"{source}: {different}", DAMAGED)
        return record


class SealedRecord(Record):
    """The content of a whole JSON file, which ends with a checksum of the rest."""

    def as_dict(self) -> dict[str, Any]:
        """The content as plain data for JSON."""
        return with_checksum(super().as_dict())

    def write(self, path: Path) -> None:
        """Write the file; a kill at any moment leaves either the old or the new content."""
        write_unless_same(path, json.dumps(self.as_dict(), indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file.

        Raises:
            ReorderKitError: if it is missing, damaged, or has another version, naming the file and the fields.
        """
        return cls.parse(read_json(path), str(path))

    @classmethod
    def parse(cls, content: Mapping[str, Any], source: str) -> Self:
        """Check what was read.

        Args:
            content: the result of ``as_dict``.
            source: its name in messages.

        Raises:
            ReorderKitError: if its checksum is missing or wrong, or naming every invalid field.
        """
        return super().parse(without_checksum(content, source), source)


class VersionedRecord(SealedRecord):
    """The content of a whole JSON file, whose ``format_version`` says how to read it."""

    version: ClassVar[int]

    def as_dict(self) -> dict[str, Any]:
        """The content as plain data for JSON."""
        return with_checksum({"format_version": self.version, **Record.as_dict(self)})

    @classmethod
    def parse(cls, content: Mapping[str, Any], source: str) -> Self:
        """Check what was read.

        Args:
            content: the result of ``as_dict``.
            source: its name in messages.

        Raises:
            ReorderKitError: if it has another version, its checksum is missing or wrong, or naming every invalid field.
        """
        version = content.get("format_version")
        if type(version) is not int or version != cls.version:
            raise ReorderKitError(
                f"{source}: format_version {_shown(version)} is not {cls.version}",
                "use the version of reorder-kit that wrote it, or create it again",
            )
        fields = without_checksum(content, source)
        del fields["format_version"]
        return super(SealedRecord, cls).parse(fields, source)


def read_json(path: Path) -> dict[str, Any]:
    """The content of a JSON file.

    Raises:
        ReorderKitError: if it is missing, or is not a JSON object.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ReorderKitError(f"{path}: cannot be read: {error.strerror}", DAMAGED) from None
    return parse_json(content, str(path))


def parse_json(text: str | bytes, source: str) -> dict[str, Any]:
    """Parse a JSON object.

    Args:
        text: the JSON.
        source: its name in messages.

    Raises:
        ReorderKitError: if it is not a JSON object.
    """
    try:
        content = strict_json(text)
    except ValueError as error:
        raise ReorderKitError(f"{source}: cannot be read: {shortened(str(error))}", DAMAGED) from None
    if not isinstance(content, dict):
        raise ReorderKitError(f"{source}: holds {type(content).__name__} instead of an object", DAMAGED)
    return content


def problems(error: ValidationError) -> str:
    """All invalid fields, with reasons."""
    found = error.errors()
    told = [
        f"{shortened('.'.join(map(str, each['loc'])))} {_WORDS.get(each['type'], each['msg'])}".strip()
        for each in found[:_MOST_NAMED]
    ]
    more = len(found) - len(told)
    return "; ".join([*told, f"and {more} more"] if more else told)


def _first_difference(read: Any, written: Any, field: str = "") -> str | None:
    """The first difference between what was read and what would have been written; None if there is none."""
    if isinstance(read, dict) and isinstance(written, dict):
        for key in read:  # a missing key has its default
            inner = f"{field}.{key}".lstrip(".")
            if key not in written:
                return f"{shortened(inner)} has its default, which is never written"
            if (different := _first_difference(read[key], written[key], inner)) is not None:
                return different
        return None
    if isinstance(read, list) and isinstance(written, list) and len(read) == len(written):
        pairs = enumerate(zip(read, written, strict=True))
        found = (_first_difference(one, other, f"{field}.{place}") for place, (one, other) in pairs)
        return next((different for different in found if different is not None), None)
    return None if _is_same(read, written) else f"{shortened(field)} should be {_shown(written)}, not {_shown(read)}"


def _is_same(read: Any, written: Any) -> bool:
    both = (read, written)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in both):
        return read == written or all(map(math.isnan, both))  # JSON has one kind of number
    return type(read) is type(written) and read == written


def _shown(value: Any) -> str:
    return shortened(repr(value))
