"""Training lengths of a study: recipes of another length, and the names of lengths."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from reorder_kit.errors import Problem, RecipeError
from reorder_kit.recipe.settings import TrainSettings

USUAL = 1.0
"""The length in the recipe."""


def lengthened(content: Mapping[str, Any], length: float) -> dict[str, Any]:
    """The recipe with its epochs or steps multiplied by the length.

    The learning-rate schedule covers the longer run. Other values in epochs, such as a warm-up or the phases of a
    learner, stay the same.

    Args:
        content: a recipe as plain data; an invalid length in it is reported when the recipe is checked.
        length: the multiple.

    Raises:
        RecipeError: if the result is not a whole number of epochs or steps.

    >>> lengthened({"train": {"epochs": 60, "device": "cpu"}}, 0.5)
    {'train': {'epochs': 30, 'device': 'cpu'}}
    """
    train = content.get("train", {})
    if length == USUAL or not isinstance(train, Mapping):
        return dict(content)
    unit = "steps" if train.get("steps") is not None else "epochs"
    count: Any = train.get(unit, TrainSettings.model_fields[unit].default)
    if type(count) is not int:
        return dict(content)
    longer = count * length
    if not math.isclose(longer, round(longer), rel_tol=1e-9) or round(longer) < 1:
        reason = f"{length:g} times {count} {unit} are {longer:g}, which is not a whole number of {unit}"
        raise RecipeError([Problem("lengths", reason, f"give multiples of 1/{count}, such as 1")], "the study")
    return {**content, "train": {**train, unit: round(longer)}}


def folder_of(length: float) -> str | None:
    """The folder for the rows of a length; None for the usual length, whose rows need none.

    >>> folder_of(4.0), folder_of(1.0)
    ('length-4', None)
    """
    return None if length == USUAL else f"{FOLDER}{length:g}"


FOLDER = "length-"


def words_of(length: float) -> str:
    """The name of a length in headings and sentences.

    >>> words_of(4.0), words_of(0.5)
    ('4x training', '0.5x training')
    """
    return f"{length:g}x training"
