"""Typed content of JSON files: how it is written, and how it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, ValidationError, model_serializer

from reorder_kit.errors import ReorderKitError
from reorder_kit.whole_file import write_whole

_WORDS = {"missing": "is missing", "extra_forbidden": "is not a field of this file"}


class Record(BaseModel):
    """The content of a JSON file, or a part of it.

    A field of a record that has its default is left out of the file; a field without a default is always written. An
    unknown key is refused: a mistyped one would otherwise count as one that is not there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
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
        """Check what was read.

        Args:
            content: what ``as_dict`` gave.
            source: what to call it in messages.

        Raises:
            ReorderKitError: naming every field that is wrong.
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise ReorderKitError(f"{source}: {problems(error)}") from None


class VersionedRecord(Record):
    """The content of a whole JSON file, which says in ``format_version`` how it is to be read."""

    version: ClassVar[int]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"format_version": self.version, **super().as_dict()}

    def write(self, path: Path) -> None:
        """Write the file; a kill at any moment leaves it as it was or as it shall be."""
        write_whole(path, json.dumps(self.as_dict(), indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file.

        Raises:
            ReorderKitError: if it is missing, damaged, or of another version; it names the file and the fields.
        """
        return cls.parse(read_json(path), str(path))

    @classmethod
    def parse(cls, content: Mapping[str, Any], source: str) -> Self:
        """Check what was read.

        Args:
            content: what ``as_dict`` gave.
            source: what to call it in messages.

        Raises:
            ReorderKitError: if it is of another version, or naming every field that is wrong.
        """
        fields = dict(content)
        version = fields.pop("format_version", None)
        if version != cls.version:
            raise ReorderKitError(
                f"{source}: format_version {version!r} is not {cls.version}",
                "use the reorder-kit that wrote it, or make it again",
            )
        return super().parse(fields, source)


def read_json(path: Path) -> dict[str, Any]:
    """The content of a JSON file.

    Raises:
        ReorderKitError: if it is missing, or holds no JSON object.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ReorderKitError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ReorderKitError(f"{path}: cannot be read: {error}") from None
    return parse_json(text, str(path))


def parse_json(text: str, source: str) -> dict[str, Any]:
    """A JSON object.

    Args:
        text: the JSON.
        source: what to call it in messages.

    Raises:
        ReorderKitError: if it is none.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ReorderKitError(f"{source}: cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise ReorderKitError(f"{source}: holds {type(content).__name__} where an object was expected")
    return content


def problems(error: ValidationError) -> str:
    """Every field that is wrong, and why."""
    return "; ".join(
        f"{'.'.join(map(str, each['loc']))} {_WORDS.get(each['type'], each['msg'])}".strip() for each in error.errors()
    )
