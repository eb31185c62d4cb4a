"""The member of a WebDataset sample that holds its target."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from reorder_kit.data.json_text import parse_json
from reorder_kit.interfaces import MASK, TargetKind


@dataclass(frozen=True)
class TargetMember:
    """Where in a sample its target is.

    Args:
        kind: of the target.
        ending: of the member.
        field: of a JSON member.
    """

    kind: TargetKind
    ending: str
    field: str | None

    def __str__(self) -> str:
        return f"{self.kind} {self.ending} {self.field}"

    def value(self, data: bytes) -> Any:
        """What the member says.

        Raises:
            ValueError: if it cannot be understood.
        """
        if self.kind == MASK:
            return data
        if is_json(self.ending):
            content = parse_json(data)
            if not isinstance(content, dict):
                return content
            if self.field not in content:
                raise ValueError(f"there is no field {self.field!r}; fields: {', '.join(content)}")
            return content[self.field]
        text = data.decode().strip()
        return int(text) if re.fullmatch(r"-?\d+", text) else text


def is_json(ending: str) -> bool:
    """Whether members of this ending are read as JSON."""
    return ending.rpartition(".")[2] in ("json", "jsn")
