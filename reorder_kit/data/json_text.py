"""Read JSON from external files."""

from __future__ import annotations

import json
from typing import Any


def parse_json(content: bytes) -> Any:
    """Parse JSON.

    Raises:
        ValueError: if it is not valid JSON, or is nested too deeply.
    """
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("lists or objects are nested too deeply") from error
