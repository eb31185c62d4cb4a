"""Reads recipe files: YAML 1.2 without surprises, and within limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from reorder_kit.errors import ReorderKitError, shortened
from reorder_kit.recipe.plain_yaml import Mark, PlainYaml, YamlMistakeError

MOST_BYTES = 1_000_000
"""Largest size of a file or a command-line value. The longest recipes list classes: 22,000 names take 400 kB."""


def read_yaml(text: str, source: str) -> Any:
    """Parse YAML safely.

    Plain scalars follow the core schema of YAML 1.2, except that no number starts with a redundant 0: ``yes``,
    ``1:00``, ``017``, ``1_000`` and ``2024-01-31`` are strings; ``1e-3`` is a number. Tags are not supported.

    Args:
        text: the text of one document.
        source: its name in messages.

    Raises:
        ReorderKitError: with file, line and column, if it is not YAML, or exceeds a limit on its size, its depth, or
            its number of values, to which the content of an alias counts each time.
    """
    if len(text) > MOST_BYTES:
        raise _too_large(source)
    built = PlainYaml()
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            built.take(event)
    except YamlMistakeError as mistake:
        raise ReorderKitError(_at(source, mistake.mark, mistake.reason)) from None
    except yaml.MarkedYAMLError as error:
        raise ReorderKitError(_at(source, error.problem_mark, str(error.problem))) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # PyYAML raises the latter for escapes
        raise ReorderKitError(f"{source}: not YAML: {shortened(str(error), most=300)}") from None
    return built.content


def read_recipe_file(path: Path) -> dict[str, Any]:
    """The content of a recipe file, not yet checked.

    Raises:
        ReorderKitError: if it cannot be read, or is not a mapping in YAML.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        text = data.decode("utf-8") if len(data) <= MOST_BYTES else None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise ReorderKitError(f"{path}: {reason}") from None
    if text is None:
        raise _too_large(str(path))
    content = read_yaml(text, str(path))
    if not isinstance(content, dict):
        raise ReorderKitError(f"{path}: a recipe must be a mapping of fields", "start with format_version: 1")
    return content


def _too_large(source: str) -> ReorderKitError:
    return ReorderKitError(f"{source}: larger than {MOST_BYTES // 1_000_000} MB", "a recipe only names its data")


def _at(source: str, mark: Mark | None, reason: str) -> str:
    where = source if mark is None else f"{source}:{mark.line + 1}:{mark.column + 1}"
    return f"{where}: not YAML: {shortened(reason, most=300)}"
