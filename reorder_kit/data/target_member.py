"""The member of a WebDataset sample that holds its target."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from reorder_kit.data.json_text import parse_json
from reorder_kit.interfaces import MASK, TargetKind


@dataclass(frozen=True)
class TargetMember:
    """The place of the target within a sample.

    Args:
        kind: the kind of the target.
        ending: the member's extension.
        field: the field of a JSON member.
    """

    kind: TargetKind
    ending: str
    field: str | None

    def __str__(self) -> str:
        return f"{self.kind} {self.ending} {self.field}"

    def value(self, data: bytes) -> Any:
        """The value of the member.

        Raises:
            ValueError: if it is malformed.
        """
        if self.kind == MASK:
            return data
        if is_json(self.ending):
            content = parse_json(data)
            if not isinstance(content, dict):
                return content
            if self.field not in content:
                raise ValueError(f"it has no field {self.field!r}; its fields: {', '.join(content)}")
            return content[self.field]
        text = data.decode().strip()
        return int(text) if re.fullmatch(r"-?\d+", text) else text


def is_json(ending: str) -> bool:
    """Whether members with this extension are read as JSON."""
    return ending.rpartition(".")[2] in ("json", "jsn")
