"""Read JSON that others wrote."""

from __future__ import annotations

import json
from typing import Any


def parse_json(content: bytes) -> Any:
    """What the JSON says.

    Raises:
        ValueError: if this is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("lists or objects are nested too deeply") from error
